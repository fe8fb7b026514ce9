import { describe, expect, it } from "vitest";
import { ceiling, change, places, runningMean } from "../../src/geometry/chart";

const CHART = { width: 104, height: 44 };

describe("a chart", () => {
  it("goes from left to right, and from 0 at the bottom to the top", () => {
    expect(places([0, 5, 10], 10, CHART)).toEqual([2, 42, 52, 22, 102, 2]);
  });

  it("shows one value at the left, and cuts off what is higher than its top", () => {
    expect(places([20], 10, CHART)).toEqual([2, 2]);
    expect(places([], 10, CHART)).toEqual([]);
    expect(places([0, 0], 0, CHART)).toEqual([2, 42, 102, 42]);
  });

  it("has a running mean of the values so far, and at most of the last ones", () => {
    expect(runningMean([2, 4, 6])).toEqual([2, 3, 4]);
    expect(runningMean([0, 0, 10, 20], 2)).toEqual([0, 0, 5, 15]);
    expect(runningMean([])).toEqual([]);
  });

  it("is not flattened by one value that is very high", () => {
    const usual = Array.from({ length: 40 }, (_, i) => 5 + (i % 3));
    expect(ceiling(usual)).toBeCloseTo(7 * 1.15);
    expect(ceiling([...usual, 1000])).toBeLessThan(110);
    expect(ceiling([])).toBe(0);
    expect(ceiling([3])).toBeCloseTo(3.45);
  });

  it("says its first and its last value", () => {
    const text = (value: number): string => `${value} s`;
    expect(change([12, 9, 7], text)).toBe("12 s → 7 s");
    expect(change([12], text)).toBe("12 s");
    expect(change([], text)).toBe("");
  });
});
