/**
 * `tiny`'s decoder: from a photo's features and a prompt to four masks and their scores (`model/tiny/tiny.py`).
 *
 * It is written by hand, because onnxruntime takes more than twice as long for the same masks, half a second or more to
 * start, and 5 MB of each page. The price is 950 lines of code without comments (this file, `maps`, `masks`, `twoway`,
 * `photo`, `weights`, `grid`, `connected`), of which 350 are the prompt's maps and what a photo keeps for them, and 390 for
 * matrices and tensors (`wasm/kernels.ts`, `arithmetic`, `safetensors`).
 */

import { Arithmetic, type Layer, type Matrix } from "./arithmetic";
import { keepConnected, promptedCells } from "./connected";
import { gelu } from "./gelu";
import { CELLS, INPUT, SIDES } from "./grid";
import { PromptMaps, type PromptParts } from "./maps";
import { MASKS, MaskHead } from "./masks";
import type { Decoded, Frame, PromptModel } from "./model";
import { encoded, openPhoto, type Photo, type PlaceInInput, rowsOf } from "./photo";
import type { Asked } from "./prompt";
import { readTensors, type Tensor } from "./safetensors";
import { attend, type Watch } from "./twoway";
import { Weights } from "./weights";

const FINEST = SIDES[0];

export class Decoder implements PromptModel {
  readonly frame: Frame = { input: INPUT, logits: FINEST, stretched: false, cubic: false };
  readonly #weights: Weights;
  readonly #maps: PromptMaps;
  readonly #head: MaskHead;
  readonly #photoFrom: number;
  #photo: Photo | null = null;
  /** Told the steps of each pass; a prompt has two, of which the second counts. */
  watch: Watch | null = null;
  readonly #dense: Layer;
  readonly #tokens: Matrix;
  readonly #mask: readonly Layer[];
  readonly #noMask: Matrix;

  /** Read the weights, a safetensors file. */
  constructor(module: WebAssembly.Module, weights: Uint8Array) {
    const a = new Arithmetic(module);
    this.#weights = new Weights(a, readTensors(weights));
    this.#maps = new PromptMaps(this.#weights);
    this.#head = new MaskHead(this.#weights);
    this.#dense = this.#weights.layer("dense_maps");
    const own = ["iou_token", "mask_tokens"].map((name) => this.#weights.values(`mask_decoder.${name}.weight`));
    const dim = own[0].length;
    this.#tokens = a.from([...own[0], ...own[1]], 1 + MASKS, dim);
    const downscaling = "prompt_encoder.mask_downscaling";
    this.#mask = [
      this.#weights.layer(`${downscaling}.0`),
      this.#weights.norm(`${downscaling}.1`),
      this.#weights.layer(`${downscaling}.3`),
      this.#weights.norm(`${downscaling}.4`),
      this.#weights.layer(`${downscaling}.6`),
    ];
    this.#noMask = this.#weights.row("prompt_encoder.no_mask_embed.weight");
    this.#photoFrom = a.next;
  }

  /** Answer for a photo from now on, given its features ("photo.0" to "photo.2"), finest first. */
  look(features: ReadonlyMap<string, Tensor>): void {
    this.#weights.arithmetic.next = this.#photoFrom;
    this.#photo = this.#open(features);
  }

  get #seen(): Photo {
    if (!this.#photo) throw new Error("there is no photo to decode prompts for");
    return this.#photo;
  }

  #open(tensors: ReadonlyMap<string, Tensor>): Photo {
    const levels = SIDES.map((_, i) => {
      const found = tensors.get(`photo.${i}`);
      if (!found) throw new Error(`the page lacks the features photo.${i}`);
      return this.#weights.arithmetic.from(found.values, found.shape[0], found.shape[1]);
    });
    return openPhoto(this.#weights, levels);
  }

  /**
   * Decode a prompt: clicks and boxes a second time, with the best of the first masks as a mask prompt, and one with a
   * mask once (`Tiny.decode`).
   */
  decode(asked: Asked, mask: Float32Array | null = null): Decoded {
    const several = asked.points.length > 1;
    return this.#weights.arithmetic.scope(() => {
      const parts = this.#maps.of(this.#seen, asked);
      const first = this.#pass(asked, parts, mask);
      if (mask) return settled(first, several);
      const single = !several && !asked.box;
      const best = highest(first.scores, single ? 1 : 0);
      // The first answer says what is meant, but not what was asked for: parts connected only to it are removed.
      const second = this.#pass(asked, parts, first.masks[best], null);
      return settled(single ? refined(first, second, best) : second, several);
    });
  }

  /** Decode a prompt once, as for a grid of clicks (`Predictor.masks_at`). */
  once(asked: Asked): Decoded {
    return this.#weights.arithmetic.scope(() => this.#pass(asked, this.#maps.of(this.#seen, asked), null));
  }

  /** The cosine similarity of a place's positional encoding to that of each cell. */
  nearness(place: PlaceInInput): Float32Array {
    const a = this.#weights.arithmetic;
    return a.scope(() => {
      const [point] = rowsOf(encoded(this.#weights, [place]));
      // Sines and cosines: every encoding has the same length.
      const squared = point.length / 2;
      return Float32Array.from(rowsOf(this.#seen.positions), (cell) => dot(cell, point) / squared);
    });
  }

  #pass(asked: Asked, parts: PromptParts, mask: Float32Array | null, given = mask): Decoded {
    const a = this.#weights.arithmetic;
    return a.scope(() => {
      if (mask) this.#maps.likeMask(this.#seen, parts, mask);
      const image = this.#image(parts, mask);
      const { features, positions } = this.#seen;
      const watch = this.watch ?? (() => {});
      this.watch?.("dense_prompt", difference(image, features[2]));
      const prompt = this.#promptTokens(asked, parts);
      watch("prompt_tokens", prompt.row(this.#tokens.rows, prompt.rows).values);
      const tokens = attend(this.#weights, prompt, image, positions, watch);
      const masks = this.#head.masks(tokens, image, this.#seen, parts.maps, watch);
      const prompted = promptedCells(asked, given, FINEST);
      for (const one of masks) keepConnected(one, prompted, FINEST);
      return { masks, scores: this.#head.scores(tokens, masks) };
    });
  }

  /** The image with the dense prompt: (cells, dim). */
  #image({ maps }: PromptParts, mask: Float32Array | null): Matrix {
    const a = this.#weights.arithmetic;
    const [, , coarse] = this.#seen.features;
    const image = mask
      ? a.sum(coarse, this.#downscaled(mask))
      : a.addToRows(a.from(coarse.values, coarse.rows, coarse.columns), this.#noMask);
    a.product(a.transposed(maps[2]), this.#dense.weight, image);
    return a.addToRows(image, this.#dense.bias);
  }

  /** The mask prompt's embedding: two convolutions with kernel and stride 2, and one of 1 x 1. */
  #downscaled(mask: Float32Array): Matrix {
    const a = this.#weights.arithmetic;
    const [first, firstNorm, second, secondNorm, last] = this.#mask;
    const once = a.linear(patches(a, a.from(mask, FINEST * FINEST, 1), FINEST), first);
    gelu(a.normalise(once, firstNorm, 1e-6));
    const twice = a.linear(patches(a, once, FINEST / 2), second);
    gelu(a.normalise(twice, secondNorm, 1e-6));
    return a.linear(twice, last);
  }

  /** The output tokens, then one for each point, two for the box, and one of padding after points without a box. */
  #promptTokens({ points, box }: Asked, { added }: PromptParts): Matrix {
    const weights = this.#weights;
    const corners = box ? [box.slice(0, 2), box.slice(2)] : [];
    // As in the published models, half a pixel is added to the corners of boxes, too.
    const half = 0.5 / (16 * CELLS);
    const places = [
      ...points.map(({ x, y }) => [x, y] as const),
      ...corners.map(([x, y]) => [x + half, y + half] as const),
    ];
    const kinds = [...points.map(({ label }) => label as number), ...(box ? [2, 3] : [])];
    const positions = rowsOf(encoded(weights, places));
    const padding = points.length > 0 && !box ? 1 : 0;
    const own = this.#tokens.rows;
    const tokens = weights.arithmetic.matrix(own + places.length + padding, this.#tokens.columns);
    const rows = rowsOf(tokens);
    tokens.values.set(this.#tokens.values);
    positions.forEach((position, i) => {
      const learned = weights.values(`prompt_encoder.point_embeddings.${kinds[i]}.weight`);
      for (let c = 0; c < position.length; c++) rows[own + i][c] = position[c] + learned[c] + added[i][c];
    });
    if (padding) rows[rows.length - 1].set(weights.values("prompt_encoder.not_a_point_embed.weight"));
    return tokens;
  }
}

function difference(x: Matrix, y: Matrix): Float32Array {
  const [from, less] = [x.values, y.values];
  return from.map((value, i) => value - less[i]);
}

function dot(x: Float32Array, y: Float32Array): number {
  return x.reduce((sum, value, i) => sum + value * y[i], 0);
}

/** Join 2 x 2 pixels with C channels each, channels first as in the weights: (side * side, C) to (quarter, 4 C). */
function patches(a: Arithmetic, x: Matrix, side: number): Matrix {
  const { columns } = x;
  const half = side / 2;
  const made = a.matrix(half * half, 4 * columns);
  const [from, to] = [x.values, made.values];
  for (let row = 0; row < side; row++)
    for (let column = 0; column < side; column++)
      for (let c = 0; c < columns; c++) {
        const at = ((row >> 1) * half + (column >> 1)) * 4 * columns + 4 * c + 2 * (row & 1) + (column & 1);
        to[at] = from[(row * side + column) * columns + c];
      }
  return made;
}

/** The index of the highest score, from index `from` on. */
function highest(scores: readonly number[], from: number): number {
  return scores.indexOf(Math.max(...scores.slice(from)), from);
}

/** Replace the mask that the second pass was given by the best of that pass, and keep the other two (`tiny.refined`). */
function refined(first: Decoded, second: Decoded, given: number): Decoded {
  const best = highest(second.scores, 1);
  const from = (i: number): [Decoded, number] => (i === 0 ? [second, 0] : i === given ? [second, best] : [first, i]);
  const chosen = first.masks.map((_, i) => from(i));
  return { masks: chosen.map(([pass, i]) => pass.masks[i]), scores: chosen.map(([pass, i]) => pass.scores[i]) };
}

/** For several clicks, replace the best of the three masks by the one for unambiguous prompts (`tiny.settled`). */
function settled({ masks, scores }: Decoded, several: boolean): Decoded {
  if (!several) return { masks, scores };
  const best = highest(scores, 1);
  return {
    masks: masks.map((mask, i) => (i === best ? masks[0] : mask)),
    scores: scores.map((score, i) => (i === best ? Math.max(...scores) : score)),
  };
}
