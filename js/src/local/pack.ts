/** Pack masks for the view and the session file; `sam_widget/masks/wire_codec.py` describes the format. Pure. */

import { deflateSync } from "fflate";
import type { Mask } from "../geometry/runs";

export function packMask({ runs, width }: Mask): Uint8Array {
  if (runs.length === 0) return new Uint8Array();
  const count = runs.length / 2;
  const rows = Array.from({ length: count }, (_, i) => Math.floor(runs[2 * i] / width));
  const first = rows[0];
  const counts = new Array<number>(rows[count - 1] - first + 1).fill(0);
  for (const row of rows) counts[row - first]++;
  const numbers = [first, counts.length, ...counts.map((value, i) => value - (counts[i - 1] ?? 0))];
  const edges = [
    rows.map((row, i) => runs[2 * i] - row * width),
    rows.map((row, i) => runs[2 * i] + runs[2 * i + 1] - row * width),
  ];
  for (const edge of edges)
    rows.forEach((row, i) => {
      const above = counts[row - first - 1] ?? 0;
      numbers.push(edge[i] - (above ? edge[i - above] : 0));
    });
  const planes = new Uint8Array(4 * numbers.length);
  numbers.forEach((value, i) => {
    const zigzag = (value << 1) ^ (value >> 31);
    for (let plane = 0; plane < 4; plane++) planes[plane * numbers.length + i] = zigzag >>> (8 * plane);
  });
  return deflateSync(planes);
}
