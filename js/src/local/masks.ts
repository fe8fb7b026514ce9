/** The mask decoder of `tiny`: masks and scores of the tokens and the image (`model/tiny/decoder.py`). */

import type { Layer, Matrix } from "./arithmetic";
import { CELLS, ORDERS, SIDES } from "./grid";
import { MAPS } from "./maps";
import { type Photo, rowsOf } from "./photo";
import type { Watch } from "./twoway";
import type { Weights } from "./weights";

export const MASKS = 4;

export class MaskHead {
  readonly #weights: Weights;
  readonly #first: Layer;
  readonly #second: Layer;
  readonly #norm: Layer;
  readonly #fineMaps: Layer;
  readonly #finestMaps: Layer;
  readonly #hyper: readonly (readonly Layer[])[];
  readonly #iou: readonly Layer[];
  readonly #certainty: Float32Array;

  constructor(weights: Weights) {
    const head = (name: string): Layer[] => [0, 1, 2].map((i) => weights.layer(`mask_decoder.${name}.layers.${i}`));
    this.#weights = weights;
    this.#first = weights.layer("mask_decoder.output_upscaling.0");
    this.#second = weights.layer("mask_decoder.output_upscaling.1");
    this.#norm = weights.norm("mask_decoder.norm");
    this.#fineMaps = weights.layer("mask_decoder.fine_maps");
    this.#finestMaps = weights.layer("mask_decoder.finest_maps");
    this.#hyper = Array.from({ length: MASKS }, (_, i) => head(`output_hypernetworks_mlps.${i}`));
    this.#iou = head("iou_prediction_head");
    this.#certainty = weights.values("mask_decoder.score_of_certainty");
  }

  /** Masks (4g x 4g logits each, row by row) of tokens whose first is for the scores, and the next for the masks. */
  masks(tokens: Matrix, image: Matrix, photo: Photo, maps: readonly Matrix[], watch: Watch): Float32Array[] {
    const { arithmetic: a } = this.#weights;
    const pixels = this.#upscale(image, photo, maps);
    const classifiers = this.#hyper.map((layers, i) => this.#head(layers, tokens.row(1 + i)));
    const width = pixels.columns;
    watch("upscaled", pixels.values);
    for (const [i, classifier] of classifiers.entries())
      watch(`hypernetworks.${i}`, classifier.subarray(0, width + MAPS));
    const ofPixels = a.matrix(width, MASKS);
    classifiers.forEach((classifier, i) => {
      for (let c = 0; c < width; c++) ofPixels.values[c * MASKS + i] = classifier[c];
    });
    const ofMaps = a.from(
      classifiers.flatMap((classifier) => [...classifier.subarray(width, width + MAPS)]),
      MASKS,
      MAPS,
    );
    const made = a.product(pixels, ofPixels).values;
    const fromMaps = rowsOf(a.product(ofMaps, maps[0]));
    const order = ORDERS[0];
    return fromMaps.map((row, n) => {
      const mask = new Float32Array(order.length);
      for (let p = 0; p < order.length; p++) mask[order[p]] = row[p] + made[p * MASKS + n];
      return mask;
    });
  }

  /** The scores of masks: the token's, and how certain each mask is of itself. */
  scores(tokens: Matrix, masks: readonly Float32Array[]): number[] {
    const logits = this.#head(this.#iou, tokens.row(0));
    return masks.map((mask, i) => {
      const share = Math.min(1 - 1e-3, Math.max(1e-3, this.#expectedIou(mask)));
      return 1 / (1 + Math.exp(-(logits[i] + this.#certainty[i] * Math.log(share / (1 - share)))));
    });
  }

  /** The expected IoU of a mask, assuming that its probabilities are right. */
  #expectedIou(mask: Float32Array): number {
    const { arithmetic: a } = this.#weights;
    return a.scope(() => {
      const probability = a.sigmoids(a.from(mask, 1, mask.length)).values;
      let [agreed, either] = [0, 0];
      for (let i = 0; i < mask.length; i++) {
        if (mask[i] > 0) {
          agreed += probability[i];
          either += 1;
        } else either += probability[i];
      }
      return agreed / Math.max(either, 1e-6);
    });
  }

  /** Upscale the image fourfold, from (cells, dim) to (pixels, finest), adding finer features and the maps. */
  #upscale(image: Matrix, photo: Photo, maps: readonly Matrix[]): Matrix {
    const { arithmetic: a } = this.#weights;
    const cells = CELLS * CELLS;
    const fineWidth = photo.fine.columns;
    const once = a.linear(image, this.#first).shaped(4 * cells, fineWidth);
    const fine = a.sum(a.normalise(once, this.#norm), photo.fine);
    a.relu(a.product(a.transposed(maps[1]), this.#fineMaps.weight, fine));
    const finest = a.matrix(SIDES[0] ** 2, photo.finest.columns);
    finest.values.set(photo.finest.values);
    a.product(a.transposed(maps[0]), this.#finestMaps.weight, finest);
    a.relu(a.product(fine, this.#second.weight, finest.shaped(4 * cells, 4 * finest.columns)));
    return finest;
  }

  #head(layers: readonly Layer[], token: Matrix): Float32Array {
    const { arithmetic: a } = this.#weights;
    return layers.reduce((x, layer, i) => a.linear(x, layer, i < layers.length - 1), token).values;
  }
}
