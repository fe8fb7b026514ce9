/** The page's Web Worker: opens the session, and answers the view. */

import kernels from "kernels.wasm";
import initSqlJs from "sql.js/dist/sql-wasm-browser.js";
import sqlite from "sql.js/dist/sql-wasm-browser.wasm";
import type { ImageData, Request } from "../protocol";
import { Archive } from "./archive";
import { Decoder } from "./decoder";
import { LocalKernel } from "./kernel";
import { tilesOf } from "./picture";

/** What the page gives the worker first. */
export interface Opening {
  readonly session: Uint8Array;
  readonly weights: Uint8Array;
  readonly features: Uint8Array;
  readonly picture: Uint8Array;
  readonly mime: string;
  readonly image: ImageData;
  readonly model: string;
  readonly name: string;
}

/** From the page: what to open, a view's request, or to save the session. */
export type ToWorker = { opening: Opening } | { request: Request } | { save: true };

const scope = self as unknown as { postMessage(message: unknown, transfer?: Transferable[]): void };

async function open({ opening }: { opening: Opening }): Promise<{ kernel: LocalKernel; archive: Archive }> {
  const { Database } = await initSqlJs({ wasmBinary: sqlite.buffer });
  const archive = new Archive(new Database(opening.session));
  const decoder = new Decoder(await WebAssembly.compile(kernels), opening.weights, opening.features);
  // Unless it is shown in another way, or is too large for the session.
  const picture = opening.picture.length > 0 ? opening.picture : archive.photo();
  const tile = tilesOf(picture, opening.mime, opening.image);
  const kernel = new LocalKernel({
    ...opening,
    archive,
    decoder,
    tile,
    now: () => performance.now(),
    send: (message, buffers) => scope.postMessage({ message, buffers }),
  });
  scope.postMessage({ state: kernel.state });
  return { kernel, archive };
}

let opened: ReturnType<typeof open> | null = null;

self.addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
  try {
    if ("opening" in data) opened = open(data);
    const { kernel, archive } = await (opened as ReturnType<typeof open>);
    if ("request" in data) kernel.receive(data.request);
    if ("save" in data) scope.postMessage({ saved: archive.save() });
  } catch (error) {
    scope.postMessage({ failed: error instanceof Error ? error.message : String(error) });
  }
});
