/** Pack masks for the view and the session file; `sam_widget/masks/wire_codec.py` describes the format. Pure. */

import { deflateSync } from "fflate";
import type { Mask } from "../geometry/runs";

export function packMask({ runs, width }: Mask): Uint8Array {
  if (runs.length === 0) return new Uint8Array();
  const count = runs.length / 2;
  const rowOf = (i: number): number => Math.floor(runs[2 * i] / width);
  const first = rowOf(0);
  const counts = new Int32Array(rowOf(count - 1) - first + 1);
  for (let i = 0; i < count; i++) counts[rowOf(i) - first]++;
  const total = 2 + counts.length + 2 * count;
  const planes = new Uint8Array(4 * total);
  let at = 0;
  const write = (value: number): void => {
    const zigzag = (value << 1) ^ (value >> 31);
    for (let plane = 0; plane < 4; plane++) planes[plane * total + at] = zigzag >>> (8 * plane);
    at++;
  };
  write(first);
  write(counts.length);
  for (let row = 0; row < counts.length; row++) write(counts[row] - (row > 0 ? counts[row - 1] : 0));
  // Starts, then ends: each relative to that of the run above it.
  for (const lengths of [0, 1])
    for (let i = 0; i < count; i++) {
      const row = rowOf(i);
      const above = row > first ? counts[row - 1 - first] : 0;
      const edge = runs[2 * i] + lengths * runs[2 * i + 1] - row * width;
      const before = 2 * (i - above);
      write(above ? edge - (runs[before] + lengths * runs[before + 1] - rowOf(i - above) * width) : edge);
    }
  return deflateSync(planes);
}
