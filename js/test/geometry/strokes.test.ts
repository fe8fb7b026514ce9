import { describe, expect, it } from "vitest";
import { distanceToLine, distanceToSegment, flat, simplify, vertices } from "../../src/geometry/strokes";

describe("a line", () => {
  it("keeps its corners and loses what lies between them", () => {
    const steps = (a: number, b: number) => Array.from({ length: 11 }, (_, i) => a + ((b - a) * i) / 10);
    const line = [...steps(0, 100).map((x) => ({ x, y: 0 })), ...steps(0, 50).map((y) => ({ x: 100, y }))];
    expect(simplify(line, 0.5)).toEqual([
      { x: 0, y: 0 },
      { x: 100, y: 0 },
      { x: 100, y: 50 },
    ]);
  });

  it("strays no further than the tolerance", () => {
    const circle = Array.from({ length: 200 }, (_, i) => ({
      x: 100 * Math.cos(i / 32),
      y: 100 * Math.sin(i / 32),
    }));
    const simple = simplify(circle, 1);
    expect(simple.length).toBeLessThan(40);
    for (const p of circle) expect(distanceToLine(p, simple, false)).toBeLessThanOrEqual(1);
  });

  it("of one or two vertices is unchanged", () => {
    for (const line of [
      [],
      [{ x: 1, y: 2 }],
      [
        { x: 1, y: 2 },
        { x: 1, y: 2 },
      ],
    ])
      expect(simplify(line, 9)).toEqual(line);
  });
});

describe("distances", () => {
  it("are to the nearest part of a segment, ends included", () => {
    const [a, b] = [
      { x: 0, y: 0 },
      { x: 10, y: 0 },
    ];
    expect(distanceToSegment({ x: 5, y: 3 }, a, b)).toBe(3);
    expect(distanceToSegment({ x: -3, y: 4 }, a, b)).toBe(5);
    expect(distanceToSegment({ x: 3, y: 4 }, a, a)).toBe(5);
  });

  it("count the last side of a closed line", () => {
    const triangle = [
      { x: 0, y: 0 },
      { x: 10, y: 0 },
      { x: 10, y: 10 },
    ];
    expect(distanceToLine({ x: 5, y: 5 }, triangle, false)).toBe(5);
    expect(distanceToLine({ x: 5, y: 5 }, triangle, true)).toBeCloseTo(0);
    expect(distanceToLine({ x: 3, y: 4 }, [{ x: 0, y: 0 }], false)).toBe(5);
    expect(distanceToLine({ x: 3, y: 4 }, [], true)).toBe(Infinity);
  });
});

it("travels as x and y in turn", () => {
  const line = [
    { x: 1.234, y: 2 },
    { x: 3, y: 4.999 },
  ];
  expect(flat(line)).toEqual([1.23, 2, 3, 5]);
  expect(vertices([1, 2, 3, 4])).toEqual([
    { x: 1, y: 2 },
    { x: 3, y: 4 },
  ]);
});
