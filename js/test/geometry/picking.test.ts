import { describe, expect, it } from "vitest";
import { covers, objectsAt, picked } from "../../src/geometry/picking";
import type { Mask } from "../../src/geometry/runs";

/** 6 x 4 pixels, with a square of 2 x 2 from (1, 1) and the pixel in the last corner. */
const SQUARE: Mask = { width: 6, height: 4, runs: Uint32Array.from([7, 2, 13, 2, 23, 1]) };
const ALL: Mask = { width: 6, height: 4, runs: Uint32Array.from([0, 6, 6, 6, 12, 6, 18, 6]) };

describe("covers", () => {
  it("says of every pixel what the runs say", () => {
    const set = new Set([7, 8, 13, 14, 23]);
    for (let y = 0; y < 4; y++)
      for (let x = 0; x < 6; x++) expect(covers(SQUARE, { x: x + 0.5, y: y + 0.99 })).toBe(set.has(6 * y + x));
  });

  it("covers nothing outside the image", () => {
    for (const at of [
      { x: -0.1, y: 1 },
      { x: 6, y: 3 },
      { x: 5, y: 4 },
      { x: 5, y: -1 },
    ])
      expect(covers(ALL, at)).toBe(false);
    expect(covers({ ...ALL, runs: new Uint32Array() }, { x: 1, y: 1 })).toBe(false);
  });
});

describe("picking", () => {
  const objects = [
    { id: "whole", mask: "all", area: 24 },
    { id: "part", mask: "square", area: 5 },
    { id: "coming", mask: "not here yet", area: 1 },
  ];
  const masks: Record<string, Mask> = { all: ALL, square: SQUARE };
  const at = (x: number, y: number) => objectsAt(objects, (id) => masks[id] ?? null, { x, y });

  it("finds the part before the whole", () => {
    expect(at(1.5, 1.5)).toEqual(["part", "whole"]);
    expect(at(4.5, 1.5)).toEqual(["whole"]);
    expect(at(9, 9)).toEqual([]);
  });

  it("takes one, and at each further click the next larger", () => {
    const there = ["a", "b"];
    expect(picked(there, [], false)).toEqual(["a"]);
    expect(picked(there, ["a"], false)).toEqual(["b"]);
    expect(picked(there, ["b"], false)).toEqual(["a"]);
    expect(picked(there, ["a", "b", "c"], false)).toEqual(["a"]);
    expect(picked([], ["a"], false)).toEqual([]);
  });

  it("takes one more, or one less", () => {
    expect(picked(["a", "b"], ["c"], true)).toEqual(["c", "a"]);
    expect(picked(["a", "b"], ["c", "a"], true)).toEqual(["c"]);
    expect(picked([], ["c"], true)).toEqual(["c"]);
  });
});
