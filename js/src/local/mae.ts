/** The masked autoencoder of lesson 06: paints hidden patches of a picture from the visible ones (`model/mae.py`). */

import { Arithmetic, type Layer, type Matrix } from "./arithmetic";
import { gelu } from "./gelu";
import { rowsOf } from "./photo";
import { readTensors } from "./safetensors";
import { Parameters } from "./weights";

/** The sizes that the weights do not tell. */
export interface MaeSizes {
  readonly heads: number;
  readonly decoderHeads: number;
}

interface Block {
  readonly norms: readonly [Layer, Layer];
  readonly qkv: Layer;
  readonly out: Layer;
  readonly mlp: readonly [Layer, Layer];
}

const EPSILON = 1e-6;
/** The logit of tokens that only fill up a multiple of four, as the kernels need. */
const NOTHING = -1e30;

export class MaskedAutoencoder {
  readonly #weights: Parameters;
  readonly #encoder: readonly Block[];
  readonly #decoder: readonly Block[];
  readonly #embed: Layer;
  readonly #norm: Layer;
  readonly #narrow: Layer;
  readonly #lastNorm: Layer;
  readonly #predict: Layer;

  /** Read the weights, a safetensors file. */
  constructor(
    module: WebAssembly.Module,
    file: Uint8Array,
    private readonly sizes: MaeSizes,
  ) {
    const tensors = readTensors(file);
    const weights = new Parameters(new Arithmetic(module), tensors);
    const blocks = (name: string): Block[] => {
      const made: Block[] = [];
      for (let at = `${name}.0`; tensors.has(`${at}.attn.qkv.weight`); at = `${name}.${made.length}`)
        made.push({
          norms: [weights.norm(`${at}.norm1`), weights.norm(`${at}.norm2`)],
          qkv: weights.layer(`${at}.attn.qkv`),
          out: weights.layer(`${at}.attn.proj`),
          mlp: [weights.layer(`${at}.mlp.fc1`), weights.layer(`${at}.mlp.fc2`)],
        });
      return made;
    };
    this.#weights = weights;
    this.#encoder = blocks("encoder.blocks");
    this.#decoder = blocks("decoder_blocks");
    this.#embed = weights.layer("encoder.patch_embed.proj");
    this.#norm = weights.norm("encoder.norm");
    this.#narrow = weights.layer("decoder_embed");
    this.#lastNorm = weights.norm("decoder_norm");
    this.#predict = weights.layer("decoder_pred");
  }

  /**
   * The prediction of every patch (N, p * p * 3).
   *
   * @param patches (N, p * p * 3) normalised pixels, of which those of hidden patches are not read.
   * @param hidden (N) 1 for a hidden patch.
   */
  paint(patches: Float32Array, hidden: Uint8Array): Float32Array {
    const a = this.#weights.arithmetic;
    return a.scope(() => {
      const places = [...hidden.keys()].filter((patch) => !hidden[patch]);
      const latent = this.#encode(patches, places);
      const x = a.linear(this.#decoderTokens(latent, places, hidden.length), this.#predict);
      return x.row(1, 1 + hidden.length).values.slice();
    });
  }

  /** Encode the visible patches alone: the class token, then a row for each of them. */
  #encode(patches: Float32Array, places: readonly number[]): Matrix {
    const a = this.#weights.arithmetic;
    const inputs = a.matrix(places.length, this.#embed.weight.rows);
    for (const [i, row] of rowsOf(inputs).entries()) channelsFirst(patches, places[i] * row.length, row);
    const embedded = a.linear(inputs, this.#embed);
    const positions = this.#weights.values("encoder.pos_embed");
    const x = this.#tokens(1 + places.length, embedded.columns);
    const [first, ...rest] = rowsOf(x);
    first.set(this.#weights.values("encoder.cls_token"));
    addTo(first, positions, 0);
    for (const [i, row] of rowsOf(embedded).entries()) {
      rest[i].set(row);
      addTo(rest[i], positions, 1 + places[i]);
    }
    for (const block of this.#encoder) this.#run(block, x, 1 + places.length, this.sizes.heads);
    return a.normalise(x, this.#norm, EPSILON);
  }

  /** All patches in their places; every hidden one is the same learned token, and only positions tell them apart. */
  #decoderTokens(latent: Matrix, places: readonly number[], count: number): Matrix {
    const a = this.#weights.arithmetic;
    const narrow = rowsOf(a.linear(latent, this.#narrow));
    const x = this.#tokens(1 + count, this.#narrow.weight.columns);
    const rows = rowsOf(x).slice(0, 1 + count);
    for (const row of rows) row.set(this.#weights.values("mask_token"));
    rows[0].set(narrow[0]);
    for (const [i, place] of places.entries()) rows[1 + place].set(narrow[1 + i]);
    for (const [i, row] of rows.entries()) addTo(row, this.#weights.values("decoder_pos_embed"), i);
    for (const block of this.#decoder) this.#run(block, x, 1 + count, this.sizes.decoderHeads);
    return a.normalise(x, this.#lastNorm, EPSILON);
  }

  /** Tokens of zeros, as many as a multiple of four. */
  #tokens(count: number, channels: number): Matrix {
    const made = this.#weights.arithmetic.matrix(Math.ceil(count / 4) * 4, channels);
    made.values.fill(0);
    return made;
  }

  /** A block of a ViT changes its tokens, of which the first `count` count. */
  #run({ norms, qkv, out, mlp }: Block, x: Matrix, count: number, heads: number): void {
    const a = this.#weights.arithmetic;
    a.scope(() => {
      const read = a.linear(this.#normalised(x, norms[0]), qkv);
      a.sum(x, a.linear(this.#attended(read, count, heads), out), x);
    });
    a.scope(() => {
      const hidden = gelu(a.linear(this.#normalised(x, norms[1]), mlp[0]));
      a.sum(x, a.linear(hidden, mlp[1]), x);
    });
  }

  #normalised(x: Matrix, norm: Layer): Matrix {
    const a = this.#weights.arithmetic;
    return a.normalise(a.from(x.values, x.rows, x.columns), norm, EPSILON);
  }

  /** Let tokens attend to each other, given queries, keys and values next to each other: (tokens, 3 C) to (tokens, C). */
  #attended(qkv: Matrix, count: number, heads: number): Matrix {
    const a = this.#weights.arithmetic;
    const { rows } = qkv;
    const channels = qkv.columns / 3;
    const width = channels / heads;
    const transposed = a.transposed(qkv);
    const made = a.matrix(rows, channels);
    const logits = a.matrix(rows, rows);
    for (let from = 0; from < channels; from += width) {
      a.write(qkv.column(from, from + width), transposed.row(channels + from, channels + from + width), logits);
      for (const row of rowsOf(logits)) row.fill(NOTHING, count);
      a.softmaxOfRows(logits, width ** -0.5);
      const values = qkv.column(2 * channels + from, 2 * channels + from + width);
      a.write(logits, values, made.column(from, from + width));
    }
    return made;
  }
}

/** A patch (p * p, 3) as a convolution reads it, (3, p * p). */
function channelsFirst(patches: Float32Array, at: number, row: Float32Array): void {
  const pixels = row.length / 3;
  for (let i = 0; i < pixels; i++) for (let c = 0; c < 3; c++) row[c * pixels + i] = patches[at + 3 * i + c];
}

function addTo(row: Float32Array, table: Float32Array, number: number): void {
  for (let c = 0; c < row.length; c++) row[c] += table[number * row.length + c];
}
