/** Points, boxes and masks as values of every pixel of a photo; `model/tiny/prompt_maps.py` has the same. */

import type { Layer, Matrix } from "./arithmetic";
import { averaged, CENTRES, doubled, ORDERS, SIDES } from "./grid";
import { lattice, type Photo, type PlaceInInput, resemblanceOf, rowsOf, sampled, squares, withColumns } from "./photo";
import type { Asked } from "./prompt";
import type { Weights } from "./weights";

/** Maps of nearness, of resemblance, and all. */
const NEAR = 7;
export const MAPS = 11;
const [NEARBY, FAR] = [0.02, 0.1];
/** Side of the grid of places in a box. */
const IN_BOX = 7;

/** What depends on points and box, but not on a mask. */
export interface PromptParts {
  /** The maps of each level, (MAPS, pixels) in the decoder's order, finest first; the last row is for a mask. */
  readonly maps: readonly Matrix[];
  /** The soft assignment of pixels to the prompt's places, the photo as a whole last: (places + 1, pixels). */
  readonly shares: Matrix;
  /** What is added to the tokens of the points, and to both of the box. */
  readonly added: Float32Array[];
}

export class PromptMaps {
  readonly #weights: Weights;
  readonly #likeness: readonly Layer[];
  readonly #scales: readonly number[];
  readonly #resemblance: Layer;
  readonly #found: readonly [Layer, Layer];
  readonly #foundInBox: Layer;

  constructor(weights: Weights) {
    this.#weights = weights;
    this.#likeness = SIDES.map((_, i) => weights.layer(`prompt_maps.${i}.project`));
    this.#scales = SIDES.map((_, i) => Math.exp(weights.number(`prompt_maps.${i}.scale`)));
    this.#resemblance = weights.layer("resemblance.project");
    this.#found = [weights.layer("found_at_point.0"), weights.layer("found_at_point.1")];
    this.#foundInBox = weights.layer("found_in_box");
  }

  of(photo: Photo, asked: Asked): PromptParts {
    const { arithmetic: a } = this.#weights;
    const { points, box } = asked;
    const places: PlaceInInput[] = [...points.map(({ x, y }) => [x, y] as const), ...(box ? placesIn(box) : [])];
    const found = photo.features.map((level, i) => sampled(this.#weights, level, SIDES[i], places));
    const compared = points.length + (box ? 1 : 0);
    const maps = SIDES.map((side, level) => {
      const made = a.matrix(MAPS, side * side);
      made.values.fill(0);
      this.#near(level, photo.keys[level], found[level].row(0, compared), asked, rowsOf(made));
      return made;
    });
    const likeness = resemblanceOf(this.#weights, photo, found[1], places, this.#resemblance);
    const shares = a.matrix(places.length + 1, likeness.columns);
    shares.values.set(likeness.values);
    shares.values.set(photo.weight.values, likeness.rows * likeness.columns);
    a.softmaxOfColumns(shares);
    this.#alike(photo, asked, shares, maps);
    return { maps, shares, added: this.#added(asked, found) };
  }

  /** Fill the last map: the resemblance to the content of a mask, (4g * 4g) logits row by row. */
  likeMask(photo: Photo, { maps, shares }: PromptParts, mask: Float32Array): void {
    const [large, small] = SIDES;
    const { arithmetic: a } = this.#weights;
    const covered = a.sigmoids(a.from(mask, 1, large * large)).values;
    const mean = new Float32Array(small * small);
    ORDERS[1].forEach((place, i) => {
      const at = 2 * ((place / small) | 0) * large + 2 * (place % small);
      mean[i] = (covered[at] + covered[at + 1] + covered[at + large] + covered[at + large + 1]) / 4;
    });
    onAllLevels(this.#spread(photo, shares, mean), maps, MAPS - 1);
  }

  /** Inside a box; similar to, near, and not far from a foreground point; the same for background points. */
  #near(level: number, keys: Matrix, found: Matrix, { points, box }: Asked, maps: Float32Array[]): void {
    const { arithmetic: a } = this.#weights;
    const scale = this.#scales[level];
    const projected = a.linear(found, this.#likeness[level]);
    const query = withColumns(this.#weights, projected, (row) => [-1, -squares(row)]);
    query.values.forEach((value, i, all) => {
      const inner = i % query.columns < projected.columns;
      all[i] = scale * (inner ? 2 * value : value);
    });
    const likeness = rowsOf(a.product(query, keys));
    const side = SIDES[level];
    const order = ORDERS[level];
    const centres = CENTRES[level];
    for (const kind of [1, 0] as const) {
      const chosen = points.flatMap((point, i) => (point.label === kind ? [i] : []));
      if (chosen.length === 0) continue;
      const [like, near, far] = maps.slice(kind === 1 ? 1 : 4);
      like.fill(Number.NEGATIVE_INFINITY);
      near.fill(Number.NEGATIVE_INFINITY);
      for (const i of chosen) {
        const { x, y } = points[i];
        const row = likeness[i];
        for (let p = 0; p < order.length; p++) {
          const dx = x - centres.x[p];
          const dy = y - centres.y[p];
          near[p] = Math.max(near[p], -(dx * dx + dy * dy));
          like[p] = Math.max(like[p], Math.min(0, row[p]));
        }
      }
      for (let p = 0; p < order.length; p++) {
        far[p] = near[p] / (2 * FAR ** 2);
        near[p] /= 2 * NEARBY ** 2;
      }
      this.#exponentials(like, near, far);
    }
    if (!box) return;
    const [x0, y0, x1, y1] = box;
    const share = (i: number, from: number, to: number): number =>
      Math.min(1, Math.max(0, (Math.min((i + 1) / side, to) - Math.max(i / side, from)) * side));
    const across = Array.from({ length: side }, (_, i) => share(i, x0, x1));
    const down = Array.from({ length: side }, (_, i) => share(i, y0, y1));
    const centre = likeness[points.length].map((value) => Math.min(0, value));
    this.#exponentials(centre);
    for (let p = 0; p < order.length; p++) {
      maps[0][p] = across[order[p] % side] * down[(order[p] / side) | 0];
      maps[1][p] = Math.max(maps[1][p], centre[p]);
    }
  }

  #exponentials(...rows: Float32Array[]): void {
    const { arithmetic: a } = this.#weights;
    for (const row of rows) a.scope(() => row.set(a.exponentials(a.from(row, 1, row.length)).values));
  }

  /** Similar to the content of a box, to a foreground point, to a background point. */
  #alike(photo: Photo, { points, box }: Asked, shares: Matrix, maps: readonly Matrix[]): void {
    if (box) {
      // The second time, pixels inside the box that resemble its outside count less.
      const inBox = rowsOf(maps[1])[0];
      const once = this.#spread(photo, shares, inBox);
      onAllLevels(
        this.#spread(
          photo,
          shares,
          inBox.map((value, i) => value * once[i]),
        ),
        maps,
        NEAR,
      );
    }
    const rows = rowsOf(shares);
    for (const kind of [1, 0] as const) {
      const sum = new Float32Array(shares.columns);
      points.forEach((point, i) => {
        if (point.label === kind) for (let p = 0; p < sum.length; p++) sum[p] += rows[i][p];
      });
      if (points.length > 0) onAllLevels(sum, maps, NEAR + (kind === 1 ? 1 : 2));
    }
  }

  /** Spread values of the middle level's pixels to all pixels that resemble them (`prompt_maps.spread`). */
  #spread(photo: Photo, shares: Matrix, values: Float32Array): Float32Array {
    const { arithmetic: a } = this.#weights;
    const rows = rowsOf(shares);
    const rest = rows[rows.length - 1];
    const both = a.matrix(2, values.length);
    const [weighted, plain] = rowsOf(both);
    for (let p = 0; p < values.length; p++) weighted[p] = rest[p] * values[p];
    plain.set(rest);
    const [above, below] = rowsOf(a.product(both, photo.belongsTransposed));
    const ofOverview = a.from(
      above.map((value, i) => value / Math.max(below[i], 1e-6)),
      1,
      above.length,
    );
    const made = a.product(ofOverview, photo.belongs).values;
    for (let p = 0; p < made.length; p++) made[p] *= rest[p];
    for (const row of rows.slice(0, -1)) {
      let [sum, total] = [0, 0];
      for (let p = 0; p < row.length; p++) {
        sum += row[p] * values[p];
        total += row[p];
      }
      const mean = sum / Math.max(total, 1e-6);
      for (let p = 0; p < row.length; p++) made[p] += mean * row[p];
    }
    return made;
  }

  /** What is added to the tokens: the features at the points, and their mean in the box. */
  #added({ points, box }: Asked, [finest, fine, coarse]: readonly Matrix[]): Float32Array[] {
    const { arithmetic: a } = this.#weights;
    const levels = [coarse, finest, fine].map(rowsOf);
    const width = coarse.columns + finest.columns + fine.columns;
    const all = a.matrix(coarse.rows, width);
    const rows = rowsOf(all);
    rows.forEach((row, i) => {
      let at = 0;
      for (const level of levels) {
        row.set(level[i], at);
        at += level[i].length;
      }
    });
    const added = points.map(({ label }, i) => a.linear(all.row(i), this.#found[label]).values);
    if (!box) return added;
    const mean = a.matrix(1, width);
    const inBox = rows.slice(points.length);
    mean.values.forEach((_, c, values) => {
      values[c] = inBox.reduce((sum, row) => sum + row[c], 0) / inBox.length;
    });
    const token = a.linear(mean, this.#foundInBox).values;
    return [...added, token, token];
  }
}

function onAllLevels(fine: Float32Array, maps: readonly Matrix[], row: number): void {
  const [finest, middle, coarse] = maps.map((level) => rowsOf(level)[row]);
  doubled(fine, finest);
  middle.set(fine);
  averaged(fine, coarse);
}

/** Evenly spaced places in a box, its centre first (`tiny._places_in`). */
function placesIn([x0, y0, x1, y1]: NonNullable<Asked["box"]>): PlaceInInput[] {
  const even = lattice(IN_BOX).map(([u, v]) => [x0 + u * (x1 - x0), y0 + v * (y1 - y0)] as const);
  const middle = (even.length / 2) | 0;
  return [...even.slice(middle), ...even.slice(0, middle)];
}
