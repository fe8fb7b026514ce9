/** Upsample low-resolution logits to masks at the photo's size; `predictor/upsampling.py` has the same. Pure. */

import { RunList } from "../geometry/run_list";
import type { Mask } from "../geometry/runs";
import type { Frame } from "./model";

export interface PhotoSize {
  readonly width: number;
  readonly height: number;
}

/** Width and height of a photo in the model's input. */
export function fitted({ width, height }: PhotoSize, { input, stretched }: Frame): PhotoSize {
  if (stretched) return { width: input, height: input };
  const scale = input / Math.max(width, height);
  const rounded = (side: number): number => Math.max(1, Math.floor(side * scale + 0.5));
  return { width: rounded(width), height: rounded(height) };
}

/** For each pixel of an axis, the first of the logits that it depends on, and the weights of that and the next ones. */
interface Axis {
  readonly first: Int32Array;
  readonly weights: Float32Array;
}

const TAPS = 4;

/** Upsample logits to the input, remove its padding, and resize the rest; or, of a stretched photo, do it at once. */
function axisOf(length: number, inside: number, { input, logits, stretched, cubic }: Frame): Axis {
  const plain = (i: number): [number, number][] => [[i, 1]];
  const enlarged = Array.from({ length: stretched ? logits : inside }, (_, i) =>
    stretched ? plain(i) : line(i, logits / input, logits),
  );
  const last = stretched ? logits : inside;
  const taps = cubic ? curve : line;
  const first = new Int32Array(length);
  const weights = new Float32Array(TAPS * length);
  for (let i = 0; i < length; i++) {
    const sums = new Map<number, number>();
    for (const [row, share] of taps(i, last / length, last))
      for (const [logit, weight] of enlarged[row]) sums.set(logit, (sums.get(logit) ?? 0) + share * weight);
    first[i] = Math.min(...sums.keys());
    for (const [logit, weight] of sums) weights[TAPS * i + logit - first[i]] = weight;
  }
  return { first, weights };
}

/** The two lines that a line of a resized array lies between, and their weights, as torch's `interpolate` has them. */
function line(index: number, scale: number, count: number): [number, number][] {
  const at = Math.max((index + 0.5) * scale - 0.5, 0);
  const first = Math.min(Math.floor(at), count - 1);
  return [
    [first, 1 - (at - first)],
    [Math.min(first + 1, count - 1), at - first],
  ].filter(([, weight]) => weight > 0) as [number, number][];
}

/** The four lines that a line of a resized array lies between, as torch's bicubic `interpolate` weights them. */
function curve(index: number, scale: number, count: number): [number, number][] {
  const at = (index + 0.5) * scale - 0.5;
  const first = Math.floor(at);
  return [-1, 0, 1, 2].map((tap) => {
    const away = Math.abs(at - first - tap);
    const near = (1.25 * away - 2.25) * away ** 2 + 1;
    const far = ((-0.75 * away + 3.75) * away - 6) * away + 3;
    return [Math.min(count - 1, Math.max(0, first + tap)), away <= 1 ? near : far];
  });
}

export class Upscaling {
  readonly #frame: Frame;
  readonly #rows: Axis;
  readonly #columns: Axis;
  /** Columns and rows of logits that cover the photo. */
  readonly inside: PhotoSize;
  // Reused by every mask: rows of logits as wide as the photo, which of them matter, a row of pixels, and the runs.
  readonly #wide: Float32Array;
  readonly #some: Uint8Array;
  readonly #values: Float32Array;
  readonly #runs = new RunList();

  constructor(
    readonly size: PhotoSize,
    frame: Frame,
  ) {
    const inside = fitted(size, frame);
    this.#frame = frame;
    this.#rows = axisOf(size.height, inside.height, frame);
    this.#columns = axisOf(size.width, inside.width, frame);
    this.#wide = new Float32Array(frame.logits * size.width);
    this.#some = new Uint8Array(frame.logits);
    this.#values = new Float32Array(size.width);
    const cells = (side: number): number => Math.ceil(side / (frame.input / frame.logits));
    this.inside = { width: cells(inside.width), height: cells(inside.height) };
  }

  /** The pixels whose upsampled logit is above a level, as row runs. */
  mask(logits: Float32Array, level = 0): Mask {
    const { width, height } = this.size;
    const { first, weights } = this.#rows;
    const above = this.#above(logits, level);
    const [wide, values] = [this.#wide, this.#values];
    const runs = this.#runs.empty();
    let widened = -1;
    for (let y = 0; y < height; y++) {
      let some = false;
      for (let k = 0; k < TAPS; k++) if (weights[TAPS * y + k]) some ||= above[first[y] + k] === 1;
      if (!some) continue;
      values.fill(0);
      for (let k = 0; k < TAPS; k++) {
        const weight = weights[TAPS * y + k];
        if (!weight) continue;
        // Rows of logits are needed in order, and those that make no pixels not at all.
        for (widened = Math.max(widened, first[y] - 1); widened < first[y] + k; widened++)
          this.#widen(logits, widened + 1);
        const row = (first[y] + k) * width;
        for (let x = 0; x < width; x++) values[x] += weight * wide[row + x];
      }
      let start = -1;
      for (let x = 0; x <= width; x++) {
        const on = x < width && values[x] > level;
        if (on && start < 0) start = x;
        else if (!on && start >= 0) {
          runs.push(y * width + start, x - start);
          start = -1;
        }
      }
    }
    return { width, height, runs: runs.runs };
  }

  /** Mark the rows of logits that may make pixels: one of them is above the level, or a cubic may overshoot. */
  #above(logits: Float32Array, level: number): Uint8Array {
    const { logits: side, cubic } = this.#frame;
    this.#some.fill(cubic ? 1 : 0);
    for (let i = 0; !cubic && i < logits.length; i++) if (logits[i] > level) this.#some[(i / side) | 0] = 1;
    return this.#some;
  }

  /** Resize one row of logits to the photo's width. */
  #widen(logits: Float32Array, y: number): void {
    const { width } = this.size;
    const { first, weights } = this.#columns;
    const from = y * this.#frame.logits;
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = 0; k < TAPS; k++) {
        const weight = weights[TAPS * x + k];
        if (weight) sum += weight * logits[from + first[x] + k];
      }
      this.#wide[y * width + x] = sum;
    }
  }

  /** The IoU of the masks one above and one below a level (`masks.measures.stability_score`). */
  stability(logits: Float32Array, level = 0): number {
    const { logits: side } = this.#frame;
    let [inner, outer] = [0, 0];
    for (let y = 0; y < this.inside.height; y++)
      for (let x = 0; x < this.inside.width; x++) {
        const value = logits[y * side + x];
        if (value > level + 1) inner++;
        if (value > level - 1) outer++;
      }
    return inner / Math.max(outer, 1);
  }
}
