import { describe, expect, it } from "vitest";
import { cropped, partFor } from "../../src/geometry/crop";
import { outline } from "../../src/geometry/outline";
import { bounds, firstRun, type Mask, paint } from "../../src/geometry/runs";

/** A mask of all pixels for which `inside` holds. */
function maskOf(width: number, height: number, inside: (x: number, y: number) => boolean): Mask {
  const runs: number[] = [];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (inside(x, y)) {
        if (x > 0 && inside(x - 1, y)) runs[runs.length - 1]++;
        else runs.push(y * width + x, 1);
      }
  return { width, height, runs: Uint32Array.from(runs) };
}

/** A disc of a given radius in the middle of a large photo, without looking at its pixels one by one. */
function disc(side: number, radius: number): Mask {
  const runs: number[] = [];
  for (let y = 0; y < side; y++) {
    const half = Math.floor(Math.sqrt(Math.max(0, radius ** 2 - (y + 0.5 - side / 2) ** 2)));
    if (half) runs.push(y * side + side / 2 - half, 2 * half);
  }
  return { width: side, height: side, runs: Uint32Array.from(runs) };
}

const pixels = (mask: Mask) => {
  const found = new Uint32Array(mask.width * mask.height);
  paint(mask, { pixels: found, width: mask.width, height: mask.height, left: 0, top: 0, step: 1 }, 1);
  return found;
};

describe("cropped", () => {
  const mask = maskOf(17, 13, (x, y) => (x * 7 + y * 5) % 11 < 6);
  it("is the mask itself where nothing is cut off", () => {
    expect(cropped(mask, 0, 0, 1, mask).runs).toEqual(mask.runs);
  });

  it("is a window on the mask", () => {
    const part = pixels(cropped(mask, 4, 3, 1, { width: 9, height: 8 }));
    const whole = pixels(mask);
    for (let y = 0; y < 8; y++) for (let x = 0; x < 9; x++) expect(part[y * 9 + x]).toBe(whole[(y + 3) * 17 + x + 4]);
  });

  it("keeps the shape of what it makes smaller", () => {
    const small = cropped(disc(4000, 1000), 0, 0, 8, { width: 500, height: 500 });
    expect(bounds([small])).toEqual({ x0: 125, y0: 125, x1: 375, y1: 375 });
    expect(pixels(small).reduce((a, b) => a + b)).toBeCloseTo(Math.PI * 125 ** 2, -3);
  });
});

describe("partFor", () => {
  const frame = { width: 800, height: 500 };
  const large = disc(10000, 4000);

  it("takes a small mask whole, once", () => {
    const mask = maskOf(20, 20, (x, y) => x > 3 && y > 3);
    const part = partFor(mask, { scale: 20, x: -100, y: -100 }, frame, 1);
    expect(part).toEqual({ mask, left: 0, top: 0, step: 1 });
    expect(partFor(mask, { scale: 40, x: 0, y: 0 }, frame, 1, part)).toBe(part);
  });

  it("takes of a large one no more than can be seen, and serves while the view moves a little", () => {
    const view = { scale: 0.05, x: 150, y: 0 };
    const whole = partFor(large, view, frame, 1);
    expect(whole.step).toBe(16);
    expect(whole.mask.width).toBe(625);
    const near = { scale: 2, x: -2000, y: -9500 };
    const part = partFor(large, near, frame, 1);
    expect(part.step).toBe(1);
    expect(part.mask.width).toBeLessThanOrEqual(801);
    expect(part.mask.runs.length).toBeLessThan(large.runs.length / 10);
    expect(outline(part.mask).length).toBeGreaterThan(0);
    expect(partFor(large, { ...near, x: -2100 }, frame, 1, part)).toBe(part);
    expect(partFor(large, { ...near, x: -2500 }, frame, 1, part)).not.toBe(part);
    expect(partFor(large, { scale: 0.4, x: 0, y: 0 }, frame, 1, part).step).toBe(2);
  });
});

describe("painting a part of a mask", () => {
  it("finds the first run at or after a pixel", () => {
    const runs = Uint32Array.of(3, 1, 7, 2, 20, 4);
    expect([0, 3, 4, 7, 8, 20, 21].map((pixel) => firstRun(runs, pixel))).toEqual([0, 0, 2, 2, 4, 4, 6]);
  });

  it("paints what a window shows, wherever it lies", () => {
    const mask = maskOf(30, 20, (x, y) => (x + y) % 5 < 3);
    const whole = pixels(mask);
    for (const [left, top, step] of [
      [-4, -6, 1],
      [10, 8, 0.5],
      [25, 15, 1],
      [0, 40, 1],
    ]) {
      const found = new Uint32Array(16 * 12);
      paint(mask, { pixels: found, width: 16, height: 12, left, top, step }, 1);
      for (let j = 0; j < 12; j++)
        for (let i = 0; i < 16; i++) {
          const [x, y] = [Math.floor(left + (i + 0.5) * step), Math.floor(top + (j + 0.5) * step)];
          const inside = x >= 0 && y >= 0 && x < 30 && y < 20;
          expect(found[j * 16 + i]).toBe(inside ? whole[y * 30 + x] : 0);
        }
    }
  });
});
