/** Masks as row runs: paint them, find where they are. Pure: no DOM. */

import type { BoxData } from "../protocol";

/** A mask as pairs (start, length) of row-major pixel indices, ascending; a run never crosses the end of a row. */
export interface Mask {
  readonly width: number;
  readonly height: number;
  readonly runs: Uint32Array;
}

/** A grid of RGBA pixels over the image: pixel (i, j) shows the image at (left, top) + (i + .5, j + .5) * step. */
export interface Raster extends RasterFrame {
  /** One 0xAABBGGRR per pixel, as canvas ImageData has it in memory on little-endian machines. */
  readonly pixels: Uint32Array;
}

export interface RasterFrame {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly top: number;
  /** Image pixels from one grid pixel to the next. */
  readonly step: number;
}

/** The index in `runs` of the first run that starts at a pixel or after it. */
export function firstRun(runs: Uint32Array, pixel: number): number {
  let [low, high] = [0, runs.length / 2];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (runs[2 * middle] < pixel) low = middle + 1;
    else high = middle;
  }
  return 2 * low;
}

/** Colour every grid pixel that shows the mask. */
export function paint(mask: Mask, raster: Raster, color: number): void {
  const { runs } = mask;
  const { pixels, left, top, step, width, height } = raster;
  const end = Math.min(mask.height, Math.ceil(top + height * step)) * mask.width;
  for (let i = firstRun(runs, Math.max(0, Math.floor(top)) * mask.width); i < runs.length && runs[i] < end; i += 2) {
    const y = Math.floor(runs[i] / mask.width);
    const first = Math.max(0, Math.ceil((y - top) / step - 0.5));
    const last = Math.min(height, Math.ceil((y + 1 - top) / step - 0.5));
    if (first >= last) continue;
    const x = runs[i] - y * mask.width;
    const from = Math.max(0, Math.ceil((x - left) / step - 0.5));
    const to = Math.min(width, Math.ceil((x + runs[i + 1] - left) / step - 0.5));
    for (let j = first; from < to && j < last; j++) pixels.fill(color, j * width + from, j * width + to);
  }
}

/** 0xAABBGGRR from a `#rrggbb` colour and an opacity of 0 to 1. */
export function rgba(hex: string, alpha: number): number {
  const value = Number.parseInt(hex.slice(1), 16);
  const [r, g, b] = [value >> 16, (value >> 8) & 255, value & 255];
  return ((Math.round(alpha * 255) << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

const areas = new WeakMap<Mask, number>();

/** How many pixels a mask covers; counted once. */
export function areaOf(mask: Mask): number {
  let area = areas.get(mask);
  if (area === undefined) {
    area = 0;
    for (let i = 1; i < mask.runs.length; i += 2) area += mask.runs[i];
    areas.set(mask, area);
  }
  return area;
}

/** The smallest box around all the masks; null when they are empty. */
export function bounds(masks: readonly Mask[]): BoxData | null {
  let [x0, y0, x1, y1] = [Infinity, Infinity, 0, 0];
  for (const { runs, width } of masks) {
    for (let i = 0; i < runs.length; i += 2) {
      const y = Math.floor(runs[i] / width);
      const x = runs[i] - y * width;
      x0 = Math.min(x0, x);
      x1 = Math.max(x1, x + runs[i + 1]);
      y0 = Math.min(y0, y);
      y1 = Math.max(y1, y + 1);
    }
  }
  return x0 < x1 ? { x0, y0, x1, y1 } : null;
}
