import { describe, expect, it } from "vitest";
import type { Mask } from "../../src/geometry/runs";
import { unpackMask } from "../../src/kernel/maskcodec";
import { packMask } from "../../src/local/pack";
import { differing, tidied } from "../../src/local/tidy";
import { draw } from "../draw";

const maskOf = (rows: readonly string[]): Mask => draw(...rows);

/** The drawing of a mask. */
function rowsOf({ width, height, runs }: Mask): string[] {
  const pixels = Array<string>(width * height).fill(".");
  for (let i = 0; i < runs.length; i += 2) pixels.fill("#", runs[i], runs[i] + runs[i + 1]);
  return Array.from({ length: height }, (_, y) => pixels.slice(y * width, (y + 1) * width).join(""));
}

const PLAIN = { threshold: 0, holes: 0, islands: 0, smoothing: 0, specks: false };

describe("tidied", () => {
  it("drops small islands, which touch at corners, but not the largest", () => {
    const mask = maskOf(["##...#", "##..#.", "......", "..#..."]);
    expect(rowsOf(tidied(mask, { ...PLAIN, islands: 1 }))).toEqual(["##...#", "##..#.", "......", "......"]);
    expect(rowsOf(tidied(mask, { ...PLAIN, islands: 99 }))).toEqual(["##....", "##....", "......", "......"]);
  });

  it("fills enclosed holes, whose pixels touch at sides, but not bays", () => {
    const mask = maskOf(["#####", "#.#.#", "##.##", "####.", "#.###"]);
    expect(rowsOf(tidied(mask, { ...PLAIN, holes: 1 }))).toEqual(["#####", "#####", "#####", "####.", "#.###"]);
  });

  it("removes specks in proportion to the mask", () => {
    const rows = Array.from({ length: 100 }, (_, y) => "#".repeat(50) + (y === 50 ? ".#" : "..") + ".".repeat(48));
    const clean = rowsOf(tidied(maskOf(rows), { ...PLAIN, specks: true }));
    expect(clean).toEqual(rows.map(() => "#".repeat(50) + ".".repeat(50)));
  });
});

describe("differing", () => {
  it("is set where one mask is and the other is not, and is its own inverse", () => {
    const [a, b] = [maskOf(["####.", ".#..#", "#####"]), maskOf([".##..", ".#.##", "....."])];
    const change = differing(a, b);
    expect(rowsOf(change)).toEqual(["#..#.", "...#.", "#####"]);
    expect(rowsOf(differing(b, change))).toEqual(rowsOf(a));
  });
});

describe("packMask", () => {
  it.each([
    [["..", ".."]],
    [["##", "##"]],
    [["#.#.#", ".....", "..##.", "#...#", ".###."]],
    [["....", ".##.", "#..#", "...."]],
  ])("is what the view unpacks: %s", (rows) => {
    const mask = maskOf(rows);
    expect(rowsOf(unpackMask(packMask(mask), mask.width, mask.height))).toEqual(rows);
  });
});
