/** The order of pixels in a decoder that splits cells into four, twice; `model/tiny/pixel_order.py` has the same. Pure. */

/** Cells per side of the coarsest level. */
export const CELLS = 24;
/** Pixels per side of each level, finest first. */
export const SIDES = [4 * CELLS, 2 * CELLS, CELLS] as const;
/** Side of the model's input, in pixels. */
export const INPUT = 16 * CELLS;

/** For each level, the row-major index of each pixel, in the decoder's order. */
export const ORDERS = SIDES.map((side, level) => orderOf(side, 2 - level));

/** For each level, x and y of the pixels' centres in the unit square, in the decoder's order. */
export const CENTRES = SIDES.map((side, level) => ({
  x: Float64Array.from(ORDERS[level], (place) => ((place % side) + 0.5) / side),
  y: Float64Array.from(ORDERS[level], (place) => (((place / side) | 0) + 0.5) / side),
}));

function orderOf(side: number, splits: number): Int32Array {
  const order = new Int32Array(side * side);
  let i = 0;
  const visit = (row: number, column: number, split: number): void => {
    if (split === 0) order[i++] = row * side + column;
    else
      for (const [down, right] of [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ])
        visit(2 * row + down, 2 * column + right, split - 1);
  };
  for (let row = 0; row < CELLS; row++) for (let column = 0; column < CELLS; column++) visit(row, column, splits);
  return order;
}

/** Resample values of the middle level to the finest, bilinearly; both in the decoder's order. */
export function doubled(fine: Float32Array, finest: Float32Array): void {
  const [large, small] = SIDES;
  const picture = new Float32Array(small * small);
  ORDERS[1].forEach((place, i) => {
    picture[place] = fine[i];
  });
  // A fine pixel is a quarter from one coarse pixel's centre, and three quarters from the next one's.
  const ends = Array.from({ length: large }, (_, i) => {
    const near = i >> 1;
    const far = i & 1 ? Math.min(near + 1, small - 1) : Math.max(near - 1, 0);
    return [near, far];
  });
  ORDERS[0].forEach((place, i) => {
    const [y, v] = ends[(place / large) | 0];
    const [x, u] = ends[place % large];
    const upper = 0.75 * picture[y * small + x] + 0.25 * picture[y * small + u];
    const lower = 0.75 * picture[v * small + x] + 0.25 * picture[v * small + u];
    finest[i] = 0.75 * upper + 0.25 * lower;
  });
}

/** Average values of the middle level over the cells; both in the decoder's order. */
export function averaged(fine: Float32Array, coarse: Float32Array): void {
  for (let i = 0; i < coarse.length; i++)
    coarse[i] = (fine[4 * i] + fine[4 * i + 1] + fine[4 * i + 2] + fine[4 * i + 3]) / 4;
}
