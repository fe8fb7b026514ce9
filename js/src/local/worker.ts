/** The page's Web Worker: opens the photos' sessions, and answers the view. */

import { zipSync } from "fflate";
import kernels from "kernels.wasm";
import initSqlJs from "sql.js/dist/sql-wasm-browser.js";
import sqlite from "sql.js/dist/sql-wasm-browser.wasm";
import type { Abilities } from "../kernel/abilities";
import type { ImageData, PlaceData, Reply, Request, State } from "../protocol";
import { Archive } from "./archive";
import { Decoder } from "./decoder";
import { openDropped } from "./dropped";
import { ABILITIES, type KernelOptions, LocalKernel, type Send } from "./kernel";
import type { Frame, PromptModel } from "./model";
import { fromPlanes, type Network, NetworkModel, openNetwork, type Prompting } from "./network";
import { type OpenPhoto, Photos } from "./photos";
import { tilesOf } from "./picture";
import { readTensors } from "./safetensors";
import { unpacked } from "./unpacked";

/** What is known of a photo before it is opened. */
export interface PhotoAbout {
  readonly name: string;
  readonly image: ImageData;
  readonly mime: string;
  /** The number of its objects. */
  readonly objects: number;
}

/** A photo's data, each compressed by gzip; `picture` is empty if the session contains the photo as it is shown. */
export interface PhotoData {
  readonly session: Uint8Array;
  readonly features: Uint8Array;
  readonly picture: Uint8Array;
}

/** What the page gives the worker first; `first` is the first photo's data, and that of the others follows. */
export interface Opening {
  /** Of `tiny`'s decoder, or, with `answering`, a network. */
  readonly weights: Uint8Array;
  readonly answering: { readonly frame: Frame; readonly prompting: Prompting } | null;
  /** The WebAssembly of onnxruntime, which runs networks. */
  readonly runtime: Uint8Array | null;
  readonly photos: readonly PhotoAbout[];
  readonly first: PhotoData;
  readonly model: string;
  /** The indices of the photos that are marked as done. */
  readonly done: readonly number[];
  /** RGB beyond a photo in the model's input, if the page opens any photo. */
  readonly padding: readonly number[] | null;
}

/** A photo to open, and what that needs: compressed, and given the first time. */
export interface AnyPhoto {
  readonly file: Blob;
  readonly name: string;
  readonly needs: { readonly runtime: Uint8Array; readonly encoder: Uint8Array; readonly blank: Uint8Array } | null;
}

/**
 * From the page: what to open, the data of another photo, any photo, the logits of a mask that a prompt will name, a
 * view's request, or to save the sessions.
 */
export type ToWorker =
  | { any: AnyPhoto }
  | { opening: Opening }
  | { photo: PhotoData; index: number }
  | { logits: Float32Array }
  | { request: Request }
  | { save: true };

/**
 * To the page: the first state, messages to the view, the place in the gallery, the name of a mask, a file to download, a
 * failure; how far a photo is opened, and at last its name, or why it is not.
 */
export type FromWorker =
  | { progress: string }
  | { renamed: string }
  | { refused: string }
  | { state: State; place: PlaceData; abilities: Abilities }
  | { message: Reply; buffers: Uint8Array[] }
  | { place: PlaceData }
  | { named: string }
  | { saved: { name: string; mime: string; bytes: Uint8Array } }
  | { failed: string };

const scope = self as unknown as { postMessage(message: FromWorker): void };
const arrivals = new Map<number, (data: PhotoData) => void>();
let opened: Promise<Opened> | null = null;

interface Opened {
  readonly photos: Photos;
  readonly save: () => Promise<void>;
  readonly openAny: (any: AnyPhoto) => Promise<void>;
}

async function open({ opening }: { opening: Opening }): Promise<Opened> {
  const { model, done } = opening;
  const abouts = [...opening.photos];
  const data = abouts.map((_, index) =>
    index === 0 ? Promise.resolve(opening.first) : new Promise<PhotoData>((arrive) => arrivals.set(index, arrive)),
  );
  const [{ Database }, decoder] = await Promise.all([initSqlJs({ wasmBinary: sqlite.buffer }), modelOf(opening)]);

  async function openPhoto(index: number, send: Send): Promise<OpenPhoto> {
    const { name, image, mime } = abouts[index];
    const packed = await data[index];
    const [session, features, shown] = await Promise.all(
      [packed.session, packed.features, packed.picture].map(unpacked),
    );
    const archive = new Archive(new Database(session));
    const tensors = readTensors(opening.answering ? fromPlanes(features) : features);
    const look = (): void => decoder.look(tensors);
    // Unless it is shown in another way, or is too large for the session.
    const picture = shown.length > 0 ? shown : archive.photo();
    return begun({ archive, image, name, send, look, tile: tilesOf(picture, mime, image) });
  }

  async function begun(given: Pick<KernelOptions, "archive" | "image" | "name" | "send" | "tile"> & { look(): void }) {
    const now = (): number => performance.now();
    const kernel = new LocalKernel({ ...given, decoder, model, now });
    given.look();
    await kernel.warmUp();
    return { kernel, look: given.look, save: () => given.archive.save() } satisfies OpenPhoto;
  }

  let needed: { encoder: Promise<Network>; blank: Promise<Uint8Array> } | null = null;

  async function openAny({ file, name, needs }: AnyPhoto): Promise<void> {
    if (needs && !needed) {
      const { runtime, encoder } = needs;
      const files = Promise.all([unpacked(runtime), unpacked(encoder)]);
      needed = {
        encoder: files.then(([wasm, planes]) => openNetwork(wasm, fromPlanes(planes))),
        blank: unpacked(needs.blank),
      };
    }
    const { encoder, blank } = needed as NonNullable<typeof needed>;
    const made = await openDropped(file, name, {
      frame: decoder.frame,
      padding: opening.padding ?? [],
      blank: new Database(await blank),
      encoder: () => encoder,
      progress: (progress) => scope.postMessage({ progress }),
    });
    const { archive, image, picture, mime, features } = made;
    const send: Send = (message, buffers) => photos.pass(message, buffers);
    const look = (): void => decoder.look(features);
    await photos.replace(() => begun({ archive, image, name, look, send, tile: tilesOf(picture, mime, image) }));
    abouts[0] = { name, image, mime, objects: 0 };
    scope.postMessage({ renamed: name });
  }

  const photos = new Photos({
    objects: abouts.map(({ objects }) => objects),
    done,
    open: openPhoto,
    send: (message, buffers) => scope.postMessage({ message, buffers }),
    placed: (place) => scope.postMessage({ place }),
  });

  async function save(): Promise<void> {
    const saved = await photos.save();
    const type = "application/octet-stream";
    if (abouts.length === 1) {
      const name = `${abouts[0].name.replace(/\.[^.]*$/, "") || "image"}.sam`;
      return scope.postMessage({ saved: { name, mime: type, bytes: saved.get(0) as Uint8Array } });
    }
    const files: Record<string, Uint8Array> = {};
    for (const [index, { name }] of abouts.entries())
      files[`${name}.sam`] = saved.get(index) ?? (await unpacked((await data[index]).session));
    const marked = photos.place.done.map((index) => abouts[index].name).sort();
    // As `sam_widget/folders/image_folder.py` writes it.
    if (marked.length > 0)
      files[".sam_widget.json"] = new TextEncoder().encode(JSON.stringify({ version: 1, done: marked }));
    // Sessions are compressed already.
    scope.postMessage({
      saved: { name: "sessions.zip", mime: "application/zip", bytes: zipSync(files, { level: 0 }) },
    });
  }

  const state = await photos.first();
  scope.postMessage({ state, place: photos.place, abilities: ABILITIES });
  return { photos, save, openAny };
}

async function modelOf({ answering, runtime, weights }: Opening): Promise<PromptModel> {
  if (!answering || !runtime) {
    const [module, data] = await Promise.all([WebAssembly.compile(kernels), unpacked(weights)]);
    return new Decoder(module, data);
  }
  const [wasm, planes] = await Promise.all([unpacked(runtime), unpacked(weights)]);
  return new NetworkModel(await openNetwork(wasm, fromPlanes(planes)), answering.frame, answering.prompting);
}

self.addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
  try {
    if ("opening" in data) opened = open(data);
    const { photos, save, openAny } = await (opened as NonNullable<typeof opened>);
    if ("any" in data)
      await openAny(data.any).catch((error: unknown) =>
        scope.postMessage({ refused: error instanceof Error ? error.message : String(error) }),
      );
    if ("photo" in data) arrivals.get(data.index)?.(data.photo);
    if ("logits" in data) scope.postMessage({ named: await photos.addLogits(data.logits) });
    if ("request" in data) photos.receive(data.request);
    if ("save" in data) await save();
  } catch (error) {
    scope.postMessage({ failed: error instanceof Error ? error.message : String(error) });
  }
});
