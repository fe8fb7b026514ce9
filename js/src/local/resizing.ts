/** Resize photos as Pillow does (`Image.resize`, bilinear, `Resample.c`): antialiased, in integers. Pure. */

import type { PhotoSize } from "./upscaling";

/** Fractional bits of the weights, as in Pillow. */
const BITS = 22;

/** For each new pixel of an axis, the first of the old ones that it depends on, and their weights. */
interface Axis {
  readonly first: Int32Array;
  readonly weights: Int32Array[];
}

function axisOf(from: number, to: number): Axis {
  const scale = from / to;
  const reach = Math.max(1, scale);
  const first = new Int32Array(to);
  const weights = Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach + 0.5));
    const shares = Array.from({ length: end - start }, (_, k) =>
      Math.max(0, 1 - Math.abs((start + k - centre + 0.5) / reach)),
    );
    const sum = shares.reduce((all, share) => all + share, 0);
    first[i] = start;
    return Int32Array.from(shares, (share) => Math.trunc(0.5 + (share / sum) * 2 ** BITS));
  });
  return { first, weights };
}

/** Resize RGBA pixels to RGB; across first, and rounded in between. */
export function resized(pixels: Uint8ClampedArray, from: PhotoSize, to: PhotoSize): Uint8ClampedArray {
  const columns = axisOf(from.width, to.width);
  const rows = axisOf(from.height, to.height);
  const wide = new Uint8ClampedArray(3 * to.width * from.height);
  // Sums stay below 2^53, so that they are exact.
  for (let y = 0; y < from.height; y++)
    for (let x = 0; x < to.width; x++) {
      const weights = columns.weights[x];
      let at = 4 * (y * from.width + columns.first[x]);
      let [red, green, blue] = [HALF, HALF, HALF];
      for (let k = 0; k < weights.length; k++, at += 4) {
        red += weights[k] * pixels[at];
        green += weights[k] * pixels[at + 1];
        blue += weights[k] * pixels[at + 2];
      }
      const made = 3 * (y * to.width + x);
      wide[made] = Math.floor(red / 2 ** BITS);
      wide[made + 1] = Math.floor(green / 2 ** BITS);
      wide[made + 2] = Math.floor(blue / 2 ** BITS);
    }
  const made = new Uint8ClampedArray(3 * to.width * to.height);
  const width = 3 * to.width;
  for (let y = 0; y < to.height; y++) {
    const weights = rows.weights[y];
    for (let x = 0; x < width; x++) {
      let sum = HALF;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * wide[(rows.first[y] + k) * width + x];
      made[y * width + x] = Math.floor(sum / 2 ** BITS);
    }
  }
  return made;
}

const HALF = 2 ** (BITS - 1);
