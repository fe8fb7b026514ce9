/** onnxruntime, as a bundle of its own: only pages that need it have it, before the worker's code. */

import { env, InferenceSession, Tensor } from "onnxruntime-web/wasm";
import type { Network, OpenNetwork, Values } from "./network";

// Pages opened from files have no threads.
env.wasm.numThreads = 1;

const open: OpenNetwork = async (wasm, file, weights = new Map()) => {
  env.wasm.wasmBinary = wasm;
  const externalData = [...weights].map(([path, { values }]) => ({
    path,
    data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  }));
  const session = await InferenceSession.create(file, {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
    externalData,
  });
  const run = async (inputs: Record<string, Values>): Promise<Record<string, Float32Array>> => {
    const tensors = Object.entries(inputs).map(([name, { data, shape }]) => [name, new Tensor("float32", data, shape)]);
    const found = await session.run(Object.fromEntries(tensors));
    return Object.fromEntries(Object.entries(found).map(([name, { data }]) => [name, data as Float32Array]));
  };
  return { run } satisfies Network;
};

(self as unknown as { openNetwork: OpenNetwork }).openNetwork = open;
