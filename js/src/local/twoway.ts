/**
 * Two-way attention between a few tokens and the image's cells (SAM, figure 14), without projecting the image: attention
 * is linear before and after its softmax, so the few tokens carry the projections; see `model/fast/two_way.py`.
 */

import type { Arithmetic, Matrix } from "./arithmetic";
import type { AttentionWeights, BlockWeights, Weights } from "./weights";

export const HEADS = 4;

/** Told each step of a decode by its name in `Trace.tensors` (`predictor/trace.py`); the values are only valid then. */
export type Watch = (name: string, values: Float32Array) => void;

/** Let tokens (n, dim) and the image (cells, dim) attend to each other; the image is changed in place. */
export function attend(weights: Weights, tokens: Matrix, image: Matrix, positions: Matrix, watch: Watch): Matrix {
  const { arithmetic, blocks, last, lastNorm } = weights;
  let now = tokens;
  blocks.forEach((block, i) => {
    const within: Watch = (name, values) => watch(`layers.${i}.${name}`, values);
    now = blockOf(arithmetic, block, now, image, tokens, positions, i === 0, within);
    within("tokens", now.values);
  });
  const keys = arithmetic.transposed(arithmetic.sum(image, positions));
  const final: Watch = (_, values) => watch("final_token_to_image", values);
  const read = readImage(arithmetic, last, arithmetic.sum(now, tokens), keys, image, final);
  return arithmetic.normalise(arithmetic.sum(now, read), lastNorm);
}

function blockOf(
  arithmetic: Arithmetic,
  { self, read, write, mlp, norms }: BlockWeights,
  before: Matrix,
  image: Matrix,
  tokenPositions: Matrix,
  positions: Matrix,
  first: boolean,
  watch: Watch,
): Matrix {
  // In the first block, tokens equal their positions, so they are not added, and the residual connection is left out.
  const query = first ? before : arithmetic.sum(before, tokenPositions);
  const attended = selfAttention(arithmetic, self, query, before, watch);
  let tokens = arithmetic.normalise(first ? attended : arithmetic.sum(before, attended), norms[0]);
  const keys = arithmetic.transposed(arithmetic.sum(image, positions));
  const seen = readImage(arithmetic, read, arithmetic.sum(tokens, tokenPositions), keys, image, watch);
  tokens = arithmetic.normalise(arithmetic.sum(tokens, seen), norms[1]);
  const hidden = arithmetic.linear(tokens, mlp[0], true);
  tokens = arithmetic.normalise(arithmetic.sum(tokens, arithmetic.linear(hidden, mlp[1])), norms[2]);
  writeImage(arithmetic, write, keys, arithmetic.sum(tokens, tokenPositions), tokens, image, watch);
  arithmetic.normalise(image, norms[3]);
  return tokens;
}

function selfAttention(
  arithmetic: Arithmetic,
  weights: AttentionWeights,
  query: Matrix,
  tokens: Matrix,
  watch: Watch,
): Matrix {
  const q = arithmetic.linear(query, weights.q);
  const k = arithmetic.linear(query, weights.k).values;
  const v = arithmetic.linear(tokens, weights.v).values;
  const { rows: count, columns } = q;
  const width = columns / HEADS;
  const made = arithmetic.matrix(count, columns);
  const [queries, result] = [q.values, made.values];
  result.fill(0);
  // A handful of tokens: plain loops are fast enough.
  const logits = new Float64Array(count);
  const shares = new Float32Array(HEADS * count * count);
  for (let head = 0; head < HEADS; head++)
    for (let i = 0; i < count; i++) {
      const at = head * width;
      for (let j = 0; j < count; j++) {
        let sum = 0;
        for (let c = at; c < at + width; c++) sum += queries[i * columns + c] * k[j * columns + c];
        logits[j] = sum / Math.sqrt(width);
      }
      const most = Math.max(...logits);
      let total = 0;
      for (let j = 0; j < count; j++) {
        logits[j] = Math.exp(logits[j] - most);
        total += logits[j];
      }
      for (let j = 0; j < count; j++) {
        const share = logits[j] / total;
        shares[(head * count + i) * count + j] = share;
        for (let c = at; c < at + width; c++) result[i * columns + c] += share * v[j * columns + c];
      }
    }
  watch("self_attention", shares);
  return arithmetic.linear(made, weights.out);
}

/** Tokens attend to the image: queries (n, dim), keys transposed (dim, cells), values (cells, dim). */
function readImage(
  a: Arithmetic,
  weights: AttentionWeights,
  tokens: Matrix,
  keys: Matrix,
  image: Matrix,
  watch: Watch,
): Matrix {
  const queries = a.linear(tokens, weights.q);
  const width = queries.columns / HEADS;
  const count = tokens.rows;
  // The keys' bias is omitted: it shifts all logits of a query equally.
  const carried = a.matrix(HEADS * count, image.columns);
  for (let head = 0; head < HEADS; head++) {
    const [from, to] = [head * width, (head + 1) * width];
    a.write(queries.column(from, to), weights.rawK.row(from, to), carried.row(head * count, (head + 1) * count));
  }
  const logits = a.softmaxOfRows(a.product(carried, keys), width ** -0.5);
  watch("token_to_image", logits.values);
  const attended = a.product(logits, image);
  const values = a.matrix(count, queries.columns);
  for (let head = 0; head < HEADS; head++) {
    const [from, to] = [head * width, (head + 1) * width];
    const part = attended.row(head * count, (head + 1) * count);
    a.write(part, weights.v.weight.column(from, to), values.column(from, to));
  }
  return a.linear(a.addToRows(values, weights.v.bias), weights.out);
}

/** The image attends to tokens, and gets what it reads added: queries transposed (dim, cells). */
function writeImage(
  a: Arithmetic,
  weights: AttentionWeights,
  queries: Matrix,
  tokens: Matrix,
  values: Matrix,
  image: Matrix,
  watch: Watch,
): void {
  const keys = a.linear(tokens, weights.k);
  const width = keys.columns / HEADS;
  const scale = width ** -0.5;
  const count = tokens.rows;
  const carried = a.matrix(HEADS * count, image.columns);
  for (let head = 0; head < HEADS; head++) {
    const [from, to] = [head * width, (head + 1) * width];
    a.write(keys.column(from, to), weights.rawQ.row(from, to), carried.row(head * count, (head + 1) * count));
  }
  const logits = a.product(carried, queries);
  const [bias, all] = [weights.q.bias.values, logits.values];
  const { values: keyed } = keys;
  for (let head = 0; head < HEADS; head++)
    for (let i = 0; i < count; i++) {
      let shift = 0;
      for (let c = head * width; c < (head + 1) * width; c++) shift += keyed[i * keys.columns + c] * bias[c];
      const row = (head * count + i) * logits.columns;
      for (let cell = 0; cell < logits.columns; cell++) all[row + cell] = (all[row + cell] + shift) * scale;
    }
  for (let head = 0; head < HEADS; head++) a.softmaxOfColumns(logits.row(head * count, (head + 1) * count));
  watch("image_to_token", all);
  const read = a.linear(values, weights.v);
  const outputs = a.matrix(HEADS * count, image.columns);
  for (let head = 0; head < HEADS; head++) {
    const [from, to] = [head * width, (head + 1) * width];
    a.write(read.column(from, to), weights.out.weight.row(from, to), outputs.row(head * count, (head + 1) * count));
  }
  a.write(a.transposed(logits), outputs, image, true);
  a.addToRows(image, weights.out.bias);
}
