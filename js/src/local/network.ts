/** Networks that `sam_widget/page/networks.py` exports, run by onnxruntime. */

import type { Decoded, Frame, PromptModel } from "./model";
import type { Asked } from "./prompt";
import type { Tensor } from "./safetensors";

export interface Values {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

export interface Network {
  /** All inputs and outputs by name. */
  run(inputs: Record<string, Values>): Promise<Record<string, Float32Array>>;
}

/** Open an ONNX file with the bytes of onnxruntime's WebAssembly, and with weights that the file only names. */
export type OpenNetwork = (
  wasm: Uint8Array,
  file: Uint8Array,
  weights?: ReadonlyMap<string, Tensor>,
) => Promise<Network>;

/** What `runtime.ts` leaves to the worker. */
export const openNetwork: OpenNetwork = (wasm, file, weights) => {
  const { openNetwork: open } = self as unknown as { openNetwork?: OpenNetwork };
  if (!open) throw new Error("the page lacks onnxruntime");
  return open(wasm, file, weights);
};

/** Bytes of four planes, as `networks.in_planes` splits them, together again. */
export function fromPlanes(planes: Uint8Array): Uint8Array {
  const quarter = planes.length / 4;
  const words = new Uint32Array(quarter);
  for (let i = 0; i < quarter; i++)
    words[i] =
      planes[i] | (planes[quarter + i] << 8) | (planes[2 * quarter + i] << 16) | (planes[3 * quarter + i] << 24);
  return new Uint8Array(words.buffer, 4, words[0]);
}

/** How a network takes prompts (`networks.prompting`). */
export interface Prompting {
  /** Whether a padding point follows every prompt, or only points without a box. */
  readonly padsBoxes: boolean;
  /** The least number of tokens, to which padding points are added. */
  readonly tokens: number;
  readonly takesMasks: boolean;
}

const PADDING = -1;

/** A model whose prompt encoder and mask decoder are a network. */
export class NetworkModel implements PromptModel {
  #features: ReadonlyMap<string, Tensor> = new Map();

  constructor(
    private readonly network: Network,
    readonly frame: Frame,
    private readonly prompting: Prompting,
  ) {}

  look(features: ReadonlyMap<string, Tensor>): void {
    this.#features = features;
  }

  async decode({ points, box }: Asked, mask: Float32Array | null = null): Promise<Decoded> {
    const { input, logits: side } = this.frame;
    const { padsBoxes, tokens, takesMasks } = this.prompting;
    // The network adds half a pixel, which `points` already have, and boxes do not.
    const places = points.flatMap(({ x, y }) => [x * input - 0.5, y * input - 0.5]);
    const kinds: number[] = points.map(({ label }) => label);
    if (box) {
      places.push(...box.map((share) => share * input));
      kinds.push(2, 3);
    }
    const padding = padsBoxes || (points.length > 0 && !box) ? 1 : 0;
    for (let i = tokens > 0 ? Math.max(0, tokens - kinds.length) : padding; i > 0; i--) {
      places.push(PADDING, PADDING);
      kinds.push(PADDING);
    }
    const inputs: Record<string, Values> = {
      points: { data: Float32Array.from(places), shape: [1, kinds.length, 2] },
      labels: { data: Float32Array.from(kinds), shape: [1, kinds.length] },
    };
    if (takesMasks) {
      inputs.mask = { data: mask ?? new Float32Array(side * side), shape: [1, 1, side, side] };
      inputs.given = { data: Float32Array.of(mask ? 1 : 0), shape: [1] };
    }
    for (const [name, { values, shape }] of this.#features) inputs[name] = { data: values, shape };
    const { masks, scores } = await this.network.run(inputs);
    const size = side * side;
    return {
      masks: Array.from(scores, (_, i) => masks.subarray(i * size, (i + 1) * size)),
      scores: [...scores],
    };
  }
}
