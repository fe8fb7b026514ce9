/** What the decoder knows of a photo before any prompt: its features, in several forms. */

import type { Layer, Matrix } from "./arithmetic";
import { ORDERS, SIDES } from "./grid";
import type { Weights } from "./weights";

/** Side of the grid of places that represent the photo (`Resemblance._OVERVIEW`). */
const OVERVIEW = 12;

/** x and y in the unit square of the model's input. */
export type PlaceInInput = readonly [x: number, y: number];

export interface Photo {
  /** Features (pixels, channels) row by row, finest level first. */
  readonly features: readonly Matrix[];
  /** Keys of each level, (34, pixels): see `Likeness` in `model/tiny/prompt_maps.py`. */
  readonly keys: readonly Matrix[];
  /** The finest and the fine features in the decoder's order, with the biases that do not depend on the prompt. */
  readonly finest: Matrix;
  readonly fine: Matrix;
  /** Keys with positions (34, pixels of the middle level), the soft assignment of pixels to places, and its transpose. */
  readonly placed: Matrix;
  readonly belongs: Matrix;
  readonly belongsTransposed: Matrix;
  /** The logarithm of the total weight of the places, (1, pixels). */
  readonly weight: Matrix;
  /** Positions of the cells, (cells, dim). */
  readonly positions: Matrix;
}

/** Prepare a photo, whose features are given as (pixels, channels), row by row, finest level first. */
export function openPhoto(weights: Weights, features: readonly Matrix[]): Photo {
  const { arithmetic: a } = weights;
  const ordered = features.map((level, i) => reordered(weights, level, ORDERS[i]));
  const keys = ordered.map((level, i) => {
    const projected = a.linear(level, weights.layer(`prompt_maps.${i}.project`));
    return a.transposed(withColumns(weights, projected, (row) => [squares(row), 1]));
  });
  const [finest, fine] = ordered;
  const biases = weights.values("mask_decoder.output_upscaling.1.bias");
  const finestBias = weights.values("mask_decoder.finest_maps.bias");
  const quarter = finestBias.length;
  finest.values.forEach((_, i, all) => {
    all[i] += finestBias[i % quarter] + biases[i % (4 * quarter)];
  });
  const resemblance = weights.layer("resemblance.project");
  const apart = weights.number("resemblance.apart");
  const side = SIDES[1];
  let pixel = 0;
  const projected = a.linear(fine, resemblance);
  const placed = a.transposed(
    withColumns(weights, projected, () => {
      const place = ORDERS[1][pixel++];
      return [(apart * ((place % side) + 0.5)) / side, (apart * (((place / side) | 0) + 0.5)) / side];
    }),
  );
  a.addToRows(fine, weights.row("mask_decoder.fine_maps.bias"));
  const places = lattice(OVERVIEW);
  const partial = { features, placed };
  const belongs = resemblanceOf(weights, partial, sampled(weights, features[1], SIDES[1], places), places, resemblance);
  const weight = a.matrix(1, side * side);
  a.softmaxOfColumns(belongs, weight);
  return {
    features,
    keys,
    finest,
    fine,
    placed,
    belongs,
    belongsTransposed: a.transposed(belongs),
    weight,
    positions: positionsOf(weights),
  };
}

/** Negative squared distances (places, pixels) without a term that is the same for all places (`Resemblance._likeness`). */
export function resemblanceOf(
  weights: Weights,
  { placed }: Pick<Photo, "placed">,
  found: Matrix,
  places: readonly PlaceInInput[],
  project: Layer,
): Matrix {
  const { arithmetic: a } = weights;
  const apart = weights.number("resemblance.apart");
  const half = 0.5 / SIDES[1];
  const clamp = (value: number): number => Math.min(1 - half, Math.max(half, value));
  let i = 0;
  const query = withColumns(weights, a.linear(found, project), () => {
    const [x, y] = places[i++];
    return [apart * clamp(x), apart * clamp(y)];
  });
  const shifts = rowsOf(query).map(squares);
  query.values.forEach((value, k, all) => {
    all[k] = 2 * value;
  });
  const made = a.product(query, placed);
  for (const [k, row] of rowsOf(made).entries()) for (let p = 0; p < row.length; p++) row[p] -= shifts[k];
  return made;
}

/** The centres of side x side cells of the unit square. */
export function lattice(side: number): PlaceInInput[] {
  return Array.from({ length: side * side }, (_, i) => [((i % side) + 0.5) / side, (((i / side) | 0) + 0.5) / side]);
}

/** Sample features (side * side, C) at places, bilinearly: (places, C). */
export function sampled(weights: Weights, level: Matrix, side: number, places: readonly PlaceInInput[]): Matrix {
  const made = weights.arithmetic.matrix(places.length, level.columns);
  const { columns } = level;
  const [from, to] = [level.values, made.values];
  const clamp = (value: number): number => Math.min(side - 1, Math.max(0, value));
  places.forEach(([px, py], i) => {
    const [x, y] = [clamp(px * side - 0.5), clamp(py * side - 0.5)];
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const [right, bottom] = [Math.min(side - 1, left + 1), Math.min(side - 1, top + 1)];
    const [u, v] = [x - left, y - top];
    const corners = [top * side + left, top * side + right, bottom * side + left, bottom * side + right];
    const shares = [(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v];
    for (let c = 0; c < columns; c++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += shares[k] * from[corners[k] * columns + c];
      to[i * columns + c] = sum;
    }
  });
  return made;
}

/** Places as random Fourier features (`PositionEmbeddingRandom`): (places, dim). */
export function encoded(weights: Weights, places: readonly PlaceInInput[]): Matrix {
  const gaussian = weights.values("prompt_encoder.pe_layer.positional_encoding_gaussian_matrix");
  const half = gaussian.length / 2;
  const made = weights.arithmetic.matrix(places.length, 2 * half);
  const { values } = made;
  places.forEach(([x, y], i) => {
    for (let k = 0; k < half; k++) {
      const angle = 2 * Math.PI * ((2 * x - 1) * gaussian[k] + (2 * y - 1) * gaussian[half + k]);
      values[2 * half * i + k] = Math.sin(angle);
      values[2 * half * i + half + k] = Math.cos(angle);
    }
  });
  return made;
}

/** A copy of x with more columns, computed from each row. */
export function withColumns(weights: Weights, x: Matrix, more: (row: Float32Array) => readonly number[]): Matrix {
  const { rows, columns: old } = x;
  const { values: from } = x;
  const row = new Float32Array(old);
  let made: Matrix | null = null;
  let to = from;
  for (let i = 0; i < rows; i++) {
    // One array for all rows: there are thousands.
    for (let c = 0; c < old; c++) row[c] = from[i * old + c];
    const added = more(row);
    made ??= weights.arithmetic.matrix(rows, old + added.length);
    if (i === 0) to = made.values;
    const at = i * made.columns;
    for (let c = 0; c < old; c++) to[at + c] = row[c];
    for (let c = 0; c < added.length; c++) to[at + old + c] = added[c];
  }
  return made ?? weights.arithmetic.matrix(0, old);
}

export function rowsOf(x: Matrix): Float32Array[] {
  const { values } = x;
  return Array.from({ length: x.rows }, (_, i) => values.subarray(i * x.columns, (i + 1) * x.columns));
}

export function squares(row: Float32Array): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return sum;
}

function positionsOf(weights: Weights): Matrix {
  return encoded(weights, lattice(SIDES[2]));
}

function reordered(weights: Weights, level: Matrix, order: Int32Array): Matrix {
  const made = weights.arithmetic.matrix(level.rows, level.columns);
  const [from, to] = [level.values, made.values];
  const { columns } = level;
  for (let i = 0; i < order.length; i++)
    for (let c = 0; c < columns; c++) to[i * columns + c] = from[order[i] * columns + c];
  return made;
}
