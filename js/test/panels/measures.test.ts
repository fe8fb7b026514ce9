import { describe, expect, it } from "vitest";
import { agreement, fill, iou, resized } from "../../src/panels/measures";

const [none, left, both] = [Uint8Array.of(0, 0), Uint8Array.of(1, 0), Uint8Array.of(1, 1)];

describe("measures", () => {
  it("compare masks", () => {
    expect([iou(left, both), iou(none, none), iou(none, left)]).toEqual([0.5, 1, 0]);
    expect(agreement([left, left, both])).toBeCloseTo((1 + 0.5 + 0.5) / 3);
  });
});

describe("fill", () => {
  it("covers a polygon with its border, and adds to what is there", () => {
    const mask = new Uint8Array(36);
    mask[35] = 1;
    fill(mask, 6, [
      [1.5, 1.5],
      [4.5, 1.5],
      [4.5, 3.5],
      [1.5, 3.5],
    ]);
    expect([...mask.keys()].filter((i) => mask[i])).toEqual([7, 8, 9, 10, 13, 14, 15, 16, 19, 20, 21, 22, 35]);
  });

  it("leaves out what is beyond the picture, and lines", () => {
    const mask = new Uint8Array(4);
    fill(mask, 2, [
      [-9, -9],
      [9, -9],
      [9, 9],
      [-9, 9],
    ]);
    expect([...mask]).toEqual([1, 1, 1, 1]);
    fill(none, 2, [
      [0, 0],
      [1, 1],
    ]);
    expect([...none]).toEqual([0, 0]);
  });
});

describe("resized", () => {
  it("enlarges to what is more than half covered", () => {
    expect([...resized(Uint8Array.of(1, 0), [2, 1], [8, 1])]).toEqual([1, 1, 1, 1, 0, 0, 0, 0]);
  });
});
