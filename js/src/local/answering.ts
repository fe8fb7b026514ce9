/** The worker of a view whose kernel has no torch: it encodes the photo and decodes prompts; the kernel has the session. */

import kernels from "kernels.wasm";
import type { Encoded, FromDecoder, Parts, Predicted, Previewed, Seen, ToDecoder } from "../kernel/decoding";
import type { PromptData, SettingsData } from "../protocol";
import { Decoder } from "./decoder";
import { features } from "./encoding";
import { type Network, openNetwork } from "./network";
import { packMask } from "./pack";
import { PromptDecoder } from "./predicting";
import { readTensors, type Tensor } from "./safetensors";
import { fitted } from "./upscaling";

const scope = self as unknown as { postMessage(message: FromDecoder, transfer: ArrayBuffer[]): void };
/** The mean of the training images, which surrounds a photo in the model's input (`TinyConfig.pixel_mean`). */
const PADDING = [127, 127, 127];
/** A decode that takes as many milliseconds may be one that the browser has not compiled yet. */
const SLOW = 50;

interface Model {
  readonly decoder: Decoder;
  /** Opens the image encoder, which a photo whose features are known does not need. */
  readonly encoder: () => Promise<Network>;
}

let model: Model;
let prompts: PromptDecoder;

async function open({ wasm, encoder, encoderWeights, decoderWeights }: Parts): Promise<Model> {
  let network: Promise<Network> | null = null;
  const openEncoder = async (): Promise<Network> => {
    const [runtime, file] = await Promise.all([unpacked(wasm), unpacked(encoder)]);
    return await openNetwork(runtime, file, readTensors(encoderWeights));
  };
  return {
    decoder: new Decoder(await WebAssembly.compile(kernels), decoderWeights),
    encoder: () => {
      network ??= openEncoder();
      return network;
    },
  };
}

async function look(photo: Seen): Promise<Encoded> {
  const { decoder } = model;
  const { frame } = decoder;
  let made: Map<string, Tensor>;
  if (photo.features) made = readTensors(await unpacked(photo.features));
  else {
    const inside = fitted(photo, frame);
    made = await features(await model.encoder(), photo.pixels ?? new Uint8Array(), inside, frame, PADDING);
  }
  decoder.look(made);
  prompts = new PromptDecoder(decoder, photo);
  let milliseconds = SLOW;
  for (let i = 0; i < 3 && milliseconds >= SLOW; i++) {
    const start = performance.now();
    decoder.decode({ points: [{ x: 0.5, y: 0.5, label: 1 }], box: null });
    milliseconds = performance.now() - start;
  }
  return { milliseconds, features: photo.features ? [] : [...made.values()].map(({ values }) => bytesOf(values)) };
}

async function preview(prompt: PromptData, settings: SettingsData): Promise<Previewed> {
  const { candidates, best } = await prompts.decode(prompt, null, settings, (index, best) => index === best);
  const { mask, score } = candidates[best];
  return { width: mask.width, height: mask.height, score, runs: packMask(mask) };
}

async function predict(prompt: PromptData): Promise<Predicted> {
  const { masks, scores, best } = await prompts.answer(prompt);
  const size = masks[0].length;
  const logits = new Float32Array(masks.length * size);
  masks.forEach((mask, i) => {
    logits.set(mask, i * size);
  });
  return { best, scores: bytesOf(Float32Array.from(scores)), logits: bytesOf(logits) };
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

async function unpacked(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function answer(asked: ToDecoder): Promise<unknown> {
  if ("parts" in asked) {
    model = await open(asked.parts);
    return null;
  }
  if ("photo" in asked) return await look(asked.photo);
  if ("preview" in asked) return await preview(asked.preview, asked.settings);
  return await predict(asked.predict);
}

/** One question after the other: a photo is seen before prompts on it are answered. */
let turn: Promise<void> = Promise.resolve();

self.addEventListener("message", ({ data }: MessageEvent<ToDecoder>) => {
  turn = turn.then(async () => {
    const { id } = data;
    try {
      scope.postMessage({ id, found: await answer(data) }, []);
    } catch (error) {
      scope.postMessage({ id, failed: error instanceof Error ? error.message : String(error) }, []);
    }
  });
});
