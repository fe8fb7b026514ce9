/** Interpolation between visible pixels, which has learned nothing; as `bilinear` in `learn/evaluate/inpainting.py`. Pure. */

import Delaunator from "delaunator";
import type { Pixels } from "./drawing";

/**
 * Fill hidden pixels of a square picture: linearly on triangles between visible pixels, and like the nearest one beyond.
 *
 * Where four pixels are on one circle, either diagonal is right, and this may choose another one than SciPy's triangles.
 */
export function between({ width, height, data }: Pixels, hidden: Uint8Array): Pixels {
  const made = data.slice();
  const rims = rimsOf(hidden, width, height);
  const places = Float64Array.from(rims.flatMap((at) => [at % width, Math.floor(at / width)]));
  const missing = new Set([...hidden.keys()].filter((at) => hidden[at]));
  const { triangles } = new Delaunator(places);
  for (let t = 0; t < triangles.length; t += 3) {
    const corners = [rims[triangles[t]], rims[triangles[t + 1]], rims[triangles[t + 2]]];
    const [ax, bx, cx] = corners.map((at) => at % width);
    const [ay, by, cy] = corners.map((at) => Math.floor(at / width));
    const area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
    if (area === 0) continue;
    for (let y = Math.min(ay, by, cy); y <= Math.max(ay, by, cy); y++)
      for (let x = Math.min(ax, bx, cx); x <= Math.max(ax, bx, cx); x++) {
        const at = y * width + x;
        if (!missing.has(at)) continue;
        const u = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area;
        const v = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area;
        if (u < 0 || v < 0 || u + v > 1 + 1e-9) continue;
        const shares = [1 - u - v, u, v];
        for (let c = 0; c < 3; c++)
          made[4 * at + c] = corners.reduce((sum, corner, k) => sum + shares[k] * data[4 * corner + c], 0);
        missing.delete(at);
      }
  }
  for (const at of missing) {
    const [x, y] = [at % width, Math.floor(at / width)];
    const away = (rim: number): number => (x - (rim % width)) ** 2 + (y - Math.floor(rim / width)) ** 2;
    const nearest = rims.reduce((best, rim) => (away(rim) < away(best) ? rim : best), rims[0]);
    for (let c = 0; c < 3; c++) made[4 * at + c] = data[4 * nearest + c];
  }
  return { width, height, data: made };
}

/** Visible pixels next to hidden ones, diagonals included: only these affect the result. */
function rimsOf(hidden: Uint8Array, width: number, height: number): number[] {
  return [...hidden.keys()].filter((at) => {
    if (hidden[at]) return false;
    const [x, y] = [at % width, Math.floor(at / width)];
    for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++)
      for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) if (hidden[v * width + u]) return true;
    return false;
  });
}
