import { describe, expect, it } from "vitest";
import { between } from "../../src/panels/between";
import { blank } from "../../src/panels/drawing";

const SIDE = 9;

/** A picture whose red is a function of its place. */
function picture(red: (x: number, y: number) => number) {
  const made = blank(SIDE, SIDE, [0, 7, 9]);
  for (let i = 0; i < SIDE * SIDE; i++) made.data[4 * i] = red(i % SIDE, Math.floor(i / SIDE));
  return made;
}

function hiding(hides: (x: number, y: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => Number(hides(i % SIDE, Math.floor(i / SIDE))));
}

describe("between", () => {
  it("restores what is linear, whichever triangles it uses", () => {
    const plane = picture((x, y) => 20 * x + 3 * y);
    const hole = hiding((x, y) => x > 1 && x < 7 && y > 2 && y < 8);
    const { data } = between(
      picture((x, y) => (hole[y * SIDE + x] ? 255 : 20 * x + 3 * y)),
      hole,
    );
    for (let i = 0; i < data.length; i++) expect(Math.abs(data[i] - plane.data[i])).toBeLessThanOrEqual(1);
  });

  it("repeats the nearest visible pixel beyond them", () => {
    const hole = hiding((x) => x > 5);
    const { data } = between(
      picture((x, y) => (hole[y * SIDE + x] ? 255 : 10 * y)),
      hole,
    );
    for (let y = 0; y < SIDE; y++) expect(data[4 * (y * SIDE + 8)]).toBe(10 * y);
  });
});
