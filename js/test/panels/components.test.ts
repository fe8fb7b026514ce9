import { describe, expect, it } from "vitest";
import { componentsOf } from "../../src/panels/components";

/** Features (pixels, 3) along two axes of unlike variance: the first is diagonal in channels 0 and 1, the second is 2. */
function along(first: number[], second: number[]): Float32Array {
  return Float32Array.from(first.flatMap((a, i) => [a, a, second[i]]));
}

describe("componentsOf", () => {
  it("puts the axis of largest variance into red, from its 2nd to its 98th percentile", () => {
    const first = Array.from({ length: 101 }, (_, i) => i);
    const { data } = componentsOf(
      along(
        first,
        first.map((i) => (i % 2 ? -1 : 1)),
      ),
      3,
      101,
      1,
    );
    const red = first.map((i) => data[4 * i]);
    expect([red[0], red[2], red[98], red[100]]).toEqual([0, 0, 255, 255]);
    expect(red[50]).toBe(128);
    const green = first.map((i) => data[4 * i + 1]);
    expect(Math.min(...green.filter((_, i) => i % 2 === 0))).toBeGreaterThan(240);
    expect(Math.max(...green.filter((_, i) => i % 2 === 1))).toBeLessThan(15);
  });

  it("leaves components without variance at 0", () => {
    const { data } = componentsOf(along([1, 2, 3], [0, 0, 0]), 3, 3, 1);
    expect([...data].filter((_, i) => i % 4 === 1 || i % 4 === 2)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it("does not depend on the sign of an axis", () => {
    const first = Array.from({ length: 50 }, (_, i) => i * i);
    const { data } = componentsOf(
      along(
        first,
        first.map(() => 0),
      ),
      3,
      50,
      1,
    );
    expect(data[0]).toBe(0);
    expect(data[4 * 49]).toBe(255);
  });
});
