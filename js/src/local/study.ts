/**
 * The Web Worker of a lesson's page: decodes prompts as `worker.ts` does, and keeps every step for the panels.
 *
 * Steps have the names of `Trace.tensors` (`predictor/trace.py`), without the batch. Two differ in their order:
 * `image_to_token` is (heads, tokens, cells), and `upscaled` (pixels, channels).
 */

import kernels from "kernels.wasm";
import type { PromptData } from "../protocol";
import { Decoder } from "./decoder";
import { ORDERS } from "./grid";
import { type MaeSizes, MaskedAutoencoder } from "./mae";
import { askedOf, type Predicted, PromptDecoder } from "./predicting";
import { readTensors, type Tensor } from "./safetensors";
import { unpacked } from "./unpacked";
import type { PhotoSize } from "./upscaling";

/** Every step of one prediction, and the prediction. */
export interface Traced extends Predicted {
  readonly steps: ReadonlyMap<string, Float32Array>;
  /** How similar the position of each cell is to that of the prompt's first place; null without one. */
  readonly nearness: Float32Array | null;
}

/** Three masks of a click that was decoded once, and their scores. */
export type Once = Pick<Predicted, "masks" | "scores">;

/** What panels ask, with the answer to each; photos have numbers. */
export interface Questions {
  /** Read the decoder's weights, a compressed safetensors file. */
  open: { asked: { weights: Uint8Array }; answer: null };
  /** Read a photo's features, compressed. */
  photo: { asked: { photo: number; features: Uint8Array; size: PhotoSize }; answer: null };
  predict: { asked: { photo: number; prompt: PromptData; mask?: Float32Array | null }; answer: Predicted };
  trace: { asked: { photo: number; prompt: PromptData; mask?: Float32Array | null }; answer: Traced };
  /** Read a masked autoencoder's weights, a compressed safetensors file. */
  openMae: { asked: { weights: Uint8Array; sizes: MaeSizes }; answer: null };
  /** Paint patches; see `MaskedAutoencoder.paint`. */
  paint: { asked: { patches: Float32Array; hidden: Uint8Array }; answer: Float32Array };
  once: { asked: { photo: number; points: readonly (readonly [number, number])[] }; answer: Once[] };
}

export type Question = { [K in keyof Questions]: { kind: K } & Questions[K]["asked"] }[keyof Questions];
export type ToStudy = { id: number; question: Question };
export type FromStudy = { id: number; answer: unknown } | { id: number; failed: string };

interface Subject {
  readonly features: ReadonlyMap<string, Tensor>;
  readonly size: PhotoSize;
  readonly prompts: PromptDecoder;
}

let decoder: Decoder | null = null;
let autoencoder: MaskedAutoencoder | null = null;
let seen = -1;
const subjects = new Map<number, Subject>();

async function answerTo(question: Question): Promise<unknown> {
  switch (question.kind) {
    case "open": {
      const [module, weights] = await Promise.all([WebAssembly.compile(kernels), unpacked(question.weights)]);
      decoder = new Decoder(module, weights);
      return null;
    }
    case "openMae": {
      const [module, weights] = await Promise.all([WebAssembly.compile(kernels), unpacked(question.weights)]);
      autoencoder = new MaskedAutoencoder(module, weights, question.sizes);
      return null;
    }
    case "paint": {
      if (!autoencoder) throw new Error("the page lacks the masked autoencoder");
      return autoencoder.paint(question.patches, question.hidden);
    }
    case "photo": {
      const features = readTensors(await unpacked(question.features));
      const { size } = question;
      subjects.set(question.photo, { features, size, prompts: new PromptDecoder(opened(), size) });
      return null;
    }
    case "predict":
      return look(question.photo).prompts.predict(question.prompt, question.mask ?? null);
    case "trace":
      return traced(look(question.photo), question.prompt, question.mask ?? null);
    case "once": {
      const { size } = look(question.photo);
      return question.points.map(([x, y]): Once => {
        const points = [{ x, y, label: 1 as const }];
        const { masks, scores } = opened().once(askedOf({ points, boxes: [] }, size, opened().frame));
        return { masks: masks.slice(1), scores: scores.slice(1) };
      });
    }
  }
}

function opened(): Decoder {
  if (!decoder) throw new Error("the page lacks the model");
  return decoder;
}

function look(photo: number): Subject {
  const subject = subjects.get(photo);
  if (!subject) throw new Error(`the page lacks photo ${photo}`);
  if (seen !== photo) opened().look(subject.features);
  seen = photo;
  return subject;
}

async function traced({ prompts, size }: Subject, prompt: PromptData, mask: Float32Array | null): Promise<Traced> {
  const steps = new Map<string, Float32Array>();
  opened().watch = (name, values) => steps.set(name, values.slice());
  try {
    const { points, boxes } = prompt;
    const answer = await prompts.predict(prompt, mask);
    steps.set("upscaled", rowByRow(steps.get("upscaled") ?? new Float32Array()));
    const first = points.length > 0 ? points[0] : boxes.length > 0 ? { x: boxes[0].x0, y: boxes[0].y0 } : null;
    const asked = first && askedOf({ points: [{ ...first, label: 1 }], boxes: [] }, size, opened().frame).points[0];
    return { ...answer, steps, nearness: asked && opened().nearness([asked.x, asked.y]) };
  } finally {
    opened().watch = null;
  }
}

/** Pixels in the decoder's order, row by row. */
function rowByRow(pixels: Float32Array): Float32Array {
  const [order] = ORDERS;
  const channels = pixels.length / order.length;
  const made = new Float32Array(pixels.length);
  order.forEach((place, i) => {
    made.set(pixels.subarray(i * channels, (i + 1) * channels), place * channels);
  });
  return made;
}

async function answer({ id, question }: ToStudy): Promise<void> {
  const reply = (message: FromStudy): void => self.postMessage(message);
  try {
    reply({ id, answer: await answerTo(question) });
  } catch (error) {
    reply({ id, failed: error instanceof Error ? error.message : String(error) });
  }
}

/** One question after the other: they share the decoder. */
let answered = Promise.resolve();

self.addEventListener("message", ({ data }: MessageEvent<ToStudy>) => {
  answered = answered.then(() => answer(data));
});
