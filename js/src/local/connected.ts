/** Restrict masks to the parts that are connected to the prompt; `model/tiny/connectivity.py` has the same. Pure. */

import type { Asked } from "./prompt";

/** The cells of a side x side grid under foreground points, in the box, and in the mask (logits). */
export function promptedCells({ points, box }: Asked, mask: Float32Array | null, side: number): Uint8Array {
  const cells = new Uint8Array(side * side);
  const cell = (share: number): number => Math.min(side - 1, Math.max(0, Math.trunc(Math.fround(share) * side)));
  for (const { x, y, label } of points) if (label === 1) cells[cell(y) * side + cell(x)] = 1;
  if (box) {
    const [x0, y0, x1, y1] = box.map(Math.fround);
    const within = (i: number, from: number, to: number): boolean => (i + 0.5) / side > from && (i + 0.5) / side < to;
    for (let row = 0; row < side; row++)
      for (let column = 0; column < side; column++)
        if (within(row, y0, y1) && within(column, x0, x1)) cells[row * side + column] = 1;
  }
  if (mask) for (let i = 0; i < cells.length; i++) if (mask[i] > 0) cells[i] = 1;
  return cells;
}

/**
 * Flip the sign of the parts of a mask (side x side logits), 8-connected, that are not under the prompt; a mask of which
 * no part is under it is unchanged.
 */
export function keepConnected(logits: Float32Array, prompted: Uint8Array, side: number): void {
  const kept = new Uint8Array(side * side);
  // Each cell is put there once.
  const stack = new Uint32Array(side * side);
  let height = 0;
  for (let i = 0; i < kept.length; i++)
    if (prompted[i] && logits[i] > 0 && !kept[i]) {
      kept[i] = 1;
      stack[height++] = i;
    }
  if (height === 0) return;
  while (height > 0) {
    const at = stack[--height];
    const row = (at / side) | 0;
    const column = at - row * side;
    for (let y = Math.max(0, row - 1); y <= Math.min(side - 1, row + 1); y++)
      for (let x = Math.max(0, column - 1); x <= Math.min(side - 1, column + 1); x++) {
        const next = y * side + x;
        if (logits[next] > 0 && !kept[next]) {
          kept[next] = 1;
          stack[height++] = next;
        }
      }
  }
  for (let i = 0; i < kept.length; i++) if (logits[i] > 0 && !kept[i]) logits[i] = -logits[i];
}
