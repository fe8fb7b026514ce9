/** What a page needs of a model: how a photo is fitted to its input, and masks for a prompt. */

import type { Asked } from "./prompt";
import type { Tensor } from "./safetensors";

export interface Frame {
  /** Side of the model's input, in pixels. */
  readonly input: number;
  /** Side of its masks. */
  readonly logits: number;
  /** Whether a photo is stretched to the square input; otherwise its longest side is the input's, and it is padded. */
  readonly stretched: boolean;
  /** Whether logits of a stretched photo are upsampled by a cubic instead of a line. */
  readonly cubic: boolean;
}

/** Masks (logits, row by row) and their scores: index 0 for an unambiguous prompt, 1 to 3 for an ambiguous one. */
export interface Decoded {
  masks: Float32Array[];
  scores: number[];
}

export interface PromptModel {
  readonly frame: Frame;
  /** Answer for a photo from now on, given its features ("photo.0" and so on, finest first). */
  look(features: ReadonlyMap<string, Tensor>): void;
  /** `mask` are logits of an earlier prediction. */
  decode(asked: Asked, mask?: Float32Array | null): Decoded | Promise<Decoded>;
}
