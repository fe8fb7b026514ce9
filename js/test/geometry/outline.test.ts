import { describe, expect, it } from "vitest";
import { type Line, outline, rounded, simplified } from "../../src/geometry/outline";
import type { Mask } from "../../src/geometry/runs";
import { draw } from "../draw";

/** The line's straight pieces, each with its smaller end first. */
function pieces(line: Line): number[][] {
  return Array.from({ length: line.length / 2 }, (_, i) => {
    const next = (2 * i + 2) % line.length;
    const [a, b] = [
      [line[2 * i], line[2 * i + 1]],
      [line[next], line[next + 1]],
    ];
    return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]) ? [...a, ...b] : [...b, ...a];
  });
}

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

/** How far a point is from the nearest of a line's pieces. */
function distance(x: number, y: number, line: Line): number {
  return Math.min(
    ...pieces(line).map(([x0, y0, x1, y1]) => {
      const [dx, dy] = [x1 - x0, y1 - y0];
      const t = Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));
      return Math.hypot(x - x0 - t * dx, y - y0 - t * dy);
    }),
  );
}

describe("outline", () => {
  const edges = (mask: Mask) =>
    outline(mask)
      .flatMap(pieces)
      .map((piece) => piece.join())
      .sort();

  it("walks around a rectangle by its four corners", () => {
    const [line, ...others] = outline(draw("....", ".##.", ".##."));
    expect(others).toEqual([]);
    expect(line.length).toBe(8);
    expect(edges(draw("....", ".##.", ".##."))).toEqual(["1,1,1,3", "1,1,3,1", "1,3,3,3", "3,1,3,3"]);
  });

  it("walks around holes and around each of several parts", () => {
    expect(outline(draw("###", "#.#", "###")).length).toBe(2);
    expect(outline(draw("##.#", "...#", "#..#")).length).toBe(3);
  });

  it("sees runs that touch as one", () => {
    expect(edges({ width: 4, height: 1, runs: Uint32Array.of(0, 2, 2, 2) })).toEqual(edges(draw("####")));
  });

  it("is every edge between inside and outside, once", () => {
    const next = random(7);
    const rows = Array.from({ length: 23 }, () =>
      Array.from({ length: 17 }, () => (next() < 0.5 ? "#" : ".")).join(""),
    );
    const inside = (x: number, y: number) => rows[y]?.[x] === "#";
    const wanted = new Set<string>();
    for (let y = 0; y <= 23; y++)
      for (let x = 0; x <= 17; x++) {
        if (inside(x, y) !== inside(x - 1, y)) wanted.add(`${x},${y},${x},${y + 1}`);
        if (inside(x, y) !== inside(x, y - 1)) wanted.add(`${x},${y},${x + 1},${y}`);
      }
    const found: string[] = [];
    for (const [x0, y0, x1, y1] of outline(draw(...rows)).flatMap(pieces)) {
      expect(x0 === x1 || y0 === y1).toBe(true);
      for (let x = x0; x < x1; x++) found.push(`${x},${y0},${x + 1},${y0}`);
      for (let y = y0; y < y1; y++) found.push(`${x0},${y},${x0},${y + 1}`);
    }
    expect(found.length).toBe(wanted.size);
    expect(new Set(found)).toEqual(wanted);
  });
});

describe("simplified", () => {
  it("makes one line of a staircase, and leaves the corners of what is straight", () => {
    const stairs = draw(...Array.from({ length: 40 }, (_, y) => "#".repeat(y + 1).padEnd(41, ".")));
    const [line] = outline(stairs);
    expect(line.length).toBeGreaterThan(150);
    expect(simplified(line, 1).length).toBeLessThan(12);
    const [square] = outline(draw("....", ".##.", ".##."));
    expect(pieces(simplified(square, 0.9)).map(String).sort()).toEqual(pieces(square).map(String).sort());
  });

  it("passes every corner within the tolerance, whatever the shape", () => {
    const next = random(3);
    for (const tolerance of [0.8, 1.5, 4]) {
      const rows = Array.from({ length: 40 }, (_, y) =>
        Array.from({ length: 60 }, (_, x) =>
          Math.hypot(x - 30, y - 20) < 14 + 4 * Math.sin(9 * Math.atan2(y - 20, x - 30)) + 2 * next() ? "#" : ".",
        ).join(""),
      );
      for (const line of outline(draw(...rows))) {
        const fewer = simplified(line, tolerance);
        if (line.length > 60 && tolerance > 1) expect(fewer.length).toBeLessThan(line.length / 2);
        for (let i = 0; i < line.length; i += 2)
          expect(distance(line[i], line[i + 1], fewer)).toBeLessThanOrEqual(tolerance + 1e-9);
      }
    }
  });

  it("keeps specks, of which nothing else would be left", () => {
    const [speck] = outline(draw("...", ".#.", "..."));
    expect(simplified(speck, 5)).toEqual(speck);
  });
});

describe("a rounded outline", () => {
  it("is a smooth line where the mask is a staircase", () => {
    const rows = Array.from({ length: 40 }, (_, y) => "#".repeat(20 + Math.round(y / 3)).padEnd(60, "."));
    const [line] = outline(draw(...rows));
    const curves = rounded(simplified(line, 1));
    const slanted = curves.filter(({ corner: { x, y } }) => x > 10 && y > 3 && y < 37);
    // The right edge has 13 steps and is one line, within a pixel.
    expect(slanted.length).toBeLessThan(4);
    for (const { corner } of slanted) expect(Math.abs(corner.x - (20 + corner.y / 3))).toBeLessThan(1);
  });

  it("takes no more than a few pixels off a corner, and no more than half of an edge", () => {
    const square = Int32Array.from([0, 0, 100, 0, 100, 2, 0, 2]);
    for (const { from, corner, to } of rounded(square)) {
      const cut = [from, to].map(({ x, y }) => Math.hypot(x - corner.x, y - corner.y)).sort((a, b) => a - b);
      expect(cut[0]).toBeCloseTo(1);
      expect(cut[1]).toBeCloseTo(3);
    }
  });
});
