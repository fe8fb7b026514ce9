/** Clean up masks on their row runs; `masks/cleanup.py` and `masks/components.py` have the same. Pure. */

import { RunList } from "../geometry/run_list";
import { areaOf, type Mask } from "../geometry/runs";
import type { SettingsData } from "../protocol";

/** The largest speck, as a part of the mask's area, and of the photo's. */
const SPECK = 0.003;
const LARGEST = 1 / 2000;
/** What each function collects, one after the other. */
const collected = new RunList();

/** Drop islands and fill holes as the settings say; smoothing is not for the page. */
export function tidied(mask: Mask, settings: SettingsData): Mask {
  const area = areaOf(mask);
  if (area === 0) return mask;
  const speck = settings.specks ? Math.floor(Math.min(SPECK * area, LARGEST * mask.width * mask.height)) : 0;
  return fillHoles(dropIslands(mask, Math.max(settings.islands, speck)), Math.max(settings.holes, speck));
}

/** Drop the islands of up to `area` pixels, 8-connected, but never the largest. */
function dropIslands(mask: Mask, area: number): Mask {
  if (area <= 0) return mask;
  const { numbers, sizes } = regions(mask.runs, mask.width, 1);
  const largest = sizes.indexOf(Math.max(...sizes));
  const kept = sizes.map((size, i) => size > area || i === largest);
  return kept.every(Boolean) ? mask : { ...mask, runs: filtered(mask.runs, (i) => kept[numbers[i]]) };
}

/** Fill the holes of up to `area` pixels: background that is enclosed, 4-connected. */
function fillHoles(mask: Mask, area: number): Mask {
  if (area <= 0) return mask;
  const { width, height } = mask;
  const gaps = complement(mask);
  if (gaps.length === 0) return mask;
  const { numbers, sizes } = regions(gaps, width, 0);
  const filled = sizes.map((size) => size <= area);
  for (let i = 0; i < gaps.length; i += 2) {
    const row = Math.floor(gaps[i] / width);
    const column = gaps[i] - row * width;
    if (row === 0 || row === height - 1 || column === 0 || column + gaps[i + 1] === width)
      filled[numbers[i / 2]] = false;
  }
  if (!filled.some(Boolean)) return mask;
  return {
    ...mask,
    runs: united(
      mask.runs,
      filtered(gaps, (i) => filled[numbers[i]]),
      width,
    ),
  };
}

/** The region of each run, and each region's pixels; with a reach of 1, corners connect. */
function regions(runs: Uint32Array, width: number, reach: 0 | 1): { numbers: Int32Array; sizes: number[] } {
  const count = runs.length / 2;
  const parent = new Int32Array(count);
  for (let i = 0; i < count; i++) parent[i] = i;
  const root = (i: number): number => {
    let at = i;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]];
      at = parent[at];
    }
    return at;
  };
  let above = 0;
  for (let i = 0; i < count; i++) {
    const row = Math.floor(runs[2 * i] / width);
    const start = runs[2 * i] - row * width;
    const end = start + runs[2 * i + 1];
    const before = (row - 1) * width;
    // Skip the runs of earlier rows, and those of the row above that end before this one begins.
    while (above < i && (runs[2 * above] < before || runs[2 * above] + runs[2 * above + 1] - before <= start - reach))
      above++;
    for (let k = above; k < i && runs[2 * k] < before + width && runs[2 * k] - before < end + reach; k++) {
      const [a, b] = [root(k), root(i)];
      if (a !== b) parent[Math.max(a, b)] = Math.min(a, b);
    }
  }
  const numbers = new Int32Array(count);
  const sizes: number[] = [];
  for (let i = 0; i < count; i++) {
    const first = root(i);
    if (first === i) numbers[i] = sizes.push(0) - 1;
    else numbers[i] = numbers[first];
    sizes[numbers[i]] += runs[2 * i + 1];
  }
  return { numbers, sizes };
}

/** The runs of what a mask leaves out. */
function complement({ runs, width, height }: Mask): Uint32Array {
  const gaps = collected.empty();
  let i = 0;
  for (let row = 0; row < height; row++) {
    let at = row * width;
    const end = at + width;
    for (; i < runs.length && runs[i] < end; i += 2) {
      if (runs[i] > at) gaps.push(at, runs[i] - at);
      at = runs[i] + runs[i + 1];
    }
    if (at < end) gaps.push(at, end - at);
  }
  return gaps.runs;
}

/** The runs of the pixels in which exactly one of two masks is set (`differing_runs`). */
export function differing(first: Mask, second: Mask): Mask {
  const { width } = first;
  const runs = collected.empty();
  // Where membership in one of the two masks changes, both lists merged; a pixel is in exactly one after an odd number.
  const [a, b] = [first.runs, second.runs];
  const edge = (of: Uint32Array, k: number): number =>
    k >= of.length ? Number.POSITIVE_INFINITY : k % 2 ? of[k - 1] + of[k] : of[k];
  let [i, j] = [0, 0];
  const next = (): number => (edge(a, i) <= edge(b, j) ? edge(a, i++) : edge(b, j++));
  while (i < a.length || j < b.length) {
    let from = next();
    const to = next();
    for (let end = rowEnd(from, width); from < to; from = end, end += width)
      runs.join(from, Math.min(end, to) - from, width);
  }
  return { ...first, runs: runs.runs };
}

/** The first pixel of the next row. */
function rowEnd(pixel: number, width: number): number {
  return (Math.floor(pixel / width) + 1) * width;
}

function filtered(runs: Uint32Array, keep: (index: number) => boolean): Uint32Array {
  const kept = collected.empty();
  for (let i = 0; i < runs.length; i += 2) if (keep(i / 2)) kept.push(runs[i], runs[i + 1]);
  return kept.runs;
}

/** The runs of the union of two disjoint masks. */
function united(first: Uint32Array, second: Uint32Array, width: number): Uint32Array {
  const joined = collected.empty();
  let [i, j] = [0, 0];
  while (i < first.length || j < second.length)
    if (j >= second.length || first[i] < second[j]) {
      joined.join(first[i], first[i + 1], width);
      i += 2;
    } else {
      joined.join(second[j], second[j + 1], width);
      j += 2;
    }
  return joined.runs;
}

/** One number a pixel, 1 inside the mask. */
export function pixelsOf({ width, height, runs }: Mask): Uint8Array {
  const pixels = new Uint8Array(width * height);
  for (let i = 0; i < runs.length; i += 2) pixels.fill(1, runs[i], runs[i] + runs[i + 1]);
  return pixels;
}

/** The mask of the pixels that are 1. */
export function maskOf(pixels: Uint8Array, { width, height }: Pick<Mask, "width" | "height">): Mask {
  const runs = collected.empty();
  for (let y = 0; y < height; y++) {
    let start = -1;
    for (let x = 0; x <= width; x++) {
      const on = x < width && pixels[y * width + x] === 1;
      if (on && start < 0) start = x;
      else if (!on && start >= 0) {
        runs.push(y * width + start, x - start);
        start = -1;
      }
    }
  }
  return { width, height, runs: runs.runs };
}
