/** The weights of `tiny`'s prompt encoder and mask decoder, as the page's decoder uses them. */

import type { Arithmetic, Layer, Matrix } from "./arithmetic";
import type { Tensor } from "./safetensors";

/** Layers of an attention (model/mask_decoder.py, `Attention`); `raw` are weights that are not transposed: (out, in). */
export interface AttentionWeights {
  readonly q: Layer;
  readonly k: Layer;
  readonly v: Layer;
  readonly out: Layer;
  readonly rawQ: Matrix;
  readonly rawK: Matrix;
}

export interface BlockWeights {
  readonly self: AttentionWeights;
  readonly read: AttentionWeights;
  readonly write: AttentionWeights;
  readonly mlp: readonly [Layer, Layer];
  readonly norms: readonly [Layer, Layer, Layer, Layer];
}

/** Looks up weights by their names. */
export class Parameters {
  constructor(
    readonly arithmetic: Arithmetic,
    private readonly tensors: ReadonlyMap<string, Tensor>,
  ) {}

  values(name: string): Float32Array {
    const found = this.tensors.get(name);
    if (!found) throw new Error(`the page lacks the weights ${name}`);
    return found.values;
  }

  number(name: string): number {
    return this.values(name)[0];
  }

  /** A tensor as a matrix: its first axis are the rows. */
  matrix(name: string): Matrix {
    const values = this.values(name);
    const rows = this.tensors.get(name)?.shape[0] ?? 1;
    return this.arithmetic.from(values, rows, values.length / rows);
  }

  row(name: string): Matrix {
    const values = this.values(name);
    return this.arithmetic.from(values, 1, values.length);
  }

  /** A linear layer or a 1x1 convolution; the kernels need a multiple of 4 outputs, so zeros fill up the rest. */
  layer(name: string): Layer {
    const raw = this.values(`${name}.weight`);
    const bias = this.values(`${name}.bias`);
    const columns = raw.length / bias.length;
    const out = Math.ceil(bias.length / 4) * 4;
    const weight = this.arithmetic.matrix(columns, out);
    const { values } = weight;
    values.fill(0);
    raw.forEach((value, i) => {
      values[(i % columns) * out + ((i / columns) | 0)] = value;
    });
    const padded = new Float32Array(out);
    padded.set(bias);
    return { weight, bias: this.arithmetic.from(padded, 1, out) };
  }

  norm(name: string): Layer {
    return { weight: this.row(`${name}.weight`), bias: this.row(`${name}.bias`) };
  }

  protected attention(name: string): AttentionWeights {
    return {
      q: this.layer(`${name}.q_proj`),
      k: this.layer(`${name}.k_proj`),
      v: this.layer(`${name}.v_proj`),
      out: this.layer(`${name}.out_proj`),
      rawQ: this.matrix(`${name}.q_proj.weight`),
      rawK: this.matrix(`${name}.k_proj.weight`),
    };
  }
}

/** The weights of `Tiny`. */
export class Weights extends Parameters {
  readonly blocks: readonly BlockWeights[];
  readonly last: AttentionWeights;
  readonly lastNorm: Layer;

  constructor(arithmetic: Arithmetic, tensors: ReadonlyMap<string, Tensor>) {
    super(arithmetic, tensors);
    const layers = "mask_decoder.transformer.layers";
    this.blocks = [0, 1].map((i) => ({
      self: this.attention(`${layers}.${i}.self_attn`),
      read: this.attention(`${layers}.${i}.cross_attn_token_to_image`),
      write: this.attention(`${layers}.${i}.cross_attn_image_to_token`),
      mlp: [this.layer(`${layers}.${i}.mlp.lin1`), this.layer(`${layers}.${i}.mlp.lin2`)],
      norms: [1, 2, 3, 4].map((k) => this.norm(`${layers}.${i}.norm${k}`)) as [Layer, Layer, Layer, Layer],
    }));
    this.last = this.attention("mask_decoder.transformer.final_attn_token_to_image");
    this.lastNorm = this.norm("mask_decoder.transformer.norm_final_attn");
  }
}
