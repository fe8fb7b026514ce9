/** Recognise masks that show what is around a box; `predictor/ranking.py` has the same. Pure. */

const FILLED = 0.5;
const EMPTY = 0.05;
const SMALLEST = 6;

/** Whether a mask (side x side) fills at least three sides of a box in the unit square, and leaves its middle empty. */
export function isInverse(logits: Float32Array, box: readonly [number, number, number, number], side: number): boolean {
  const [x0, y0, x1, y1] = box.map((value) => Math.min(side, Math.max(0, even(value * side))));
  if (Math.min(x1 - x0, y1 - y0) < SMALLEST) return false;
  const share = (left: number, top: number, right: number, bottom: number): number => {
    let count = 0;
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) if (logits[y * side + x] > 0) count++;
    return count / ((right - left) * (bottom - top));
  };
  const sides = [
    share(x0, y0, x1, y0 + 1),
    share(x0, y1 - 1, x1, y1),
    share(x0, y0, x0 + 1, y1),
    share(x1 - 1, y0, x1, y1),
  ];
  const [down, across] = [Math.floor((y1 - y0) / 3), Math.floor((x1 - x0) / 3)];
  return (
    sides.filter((filled) => filled >= FILLED).length >= 3 &&
    share(x0 + across, y0 + down, x1 - across, y1 - down) <= EMPTY
  );
}

/** Round half to even, as Python does. */
function even(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
