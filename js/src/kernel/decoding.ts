/**
 * A channel to a kernel without torch: the view's own worker encodes the photo and decodes prompts, and the kernel, which
 * has the session, is told the answers (`sam_widget/widget/view_decoding.py`). Everything else passes through.
 */

import type { Answer, ImageData, PromptData, Reply, Request, SettingsData, State } from "../protocol";
import { type Body, type Channel, type Reception, Transport } from "./transport";

/** What the worker is made of, as files of the kernel. */
export interface Parts {
  /** The WebAssembly of onnxruntime, compressed. */
  readonly wasm: Uint8Array;
  /** The image encoder as an ONNX file without weights, compressed. */
  readonly encoder: Uint8Array;
  /** The weights of the image encoder, and of the rest; safetensors files. */
  readonly encoderWeights: Uint8Array;
  readonly decoderWeights: Uint8Array;
}

/** The photo in the model's input, (h, w, 3), or its features, compressed. */
export interface Seen {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array | null;
  readonly features: Uint8Array | null;
}

export type ToDecoder =
  | { id: number; parts: Parts }
  | { id: number; photo: Seen }
  | { id: number; preview: PromptData; settings: SettingsData }
  | { id: number; predict: PromptData };

/** How long a decode takes, and the features unless they were given; a mask; scores and logits. */
export interface Encoded {
  readonly milliseconds: number;
  readonly features: readonly Uint8Array[];
}
export interface Previewed {
  readonly width: number;
  readonly height: number;
  readonly score: number;
  readonly runs: Uint8Array;
}
export interface Predicted {
  readonly best: number;
  readonly scores: Uint8Array;
  readonly logits: Uint8Array;
}
export type Question = ToDecoder extends infer T ? (T extends ToDecoder ? Omit<T, "id"> : never) : never;
export type FromDecoder = { id: number; found: unknown } | { id: number; failed: string };

/** The part of an anywidget model that is used here. */
export interface DecodingModel extends Channel {
  get(key: string): unknown;
}

/** What runs the model. */
export interface Decoder {
  ask<Found>(question: Question): Promise<Found>;
  close(): void;
}

type Callback = (...args: never[]) => void;

export class DecodingChannel implements DecodingModel {
  readonly #model: DecodingModel;
  readonly #kernel: Transport;
  readonly #start: (code: Blob) => Decoder;
  readonly #receivers = new Set<Callback>();
  /** Requests are passed on in the order in which they were made, though some wait for the worker. */
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;
  #decoder: Promise<Decoder> | null = null;
  #state: State | null = null;
  /** What the worker has seen, or is being shown, and when it has. */
  #seen = { key: "", done: Promise.resolve() };
  readonly #signal: AbortSignal;

  /** `start` makes a worker of its code. */
  constructor(
    model: DecodingModel,
    signal: AbortSignal,
    start: (code: Blob) => Decoder = (code) => new DecodingWorker(code),
  ) {
    this.#model = model;
    this.#signal = signal;
    this.#start = start;
    const ignore = (): void => {};
    this.#kernel = new Transport(model, { whole: ignore, update: ignore, heard: ignore, lost: ignore }, signal);
    signal.addEventListener("abort", () => void this.#decoder?.then((decoder) => decoder.close()), { once: true });
  }

  get(key: string): unknown {
    return this.#model.get(key);
  }

  on(event: string, callback: Callback): void {
    if (event === "msg:custom") this.#receivers.add(callback);
    this.#model.on(event, callback);
  }

  off(event: string, callback: Callback): void {
    this.#receivers.delete(callback);
    this.#model.off(event, callback);
  }

  /** Follow the kernel's state: show the worker what it shows. */
  follow(state: State): void {
    this.#state = state;
    if (state.image && state.status !== "loading" && state.status !== "error") void this.#look(state, state.image);
  }

  send(content: unknown, callbacks?: unknown, buffers?: ArrayBufferView[]): void {
    const request = content as Request;
    if (request.type === "preview") return void this.#preview(request);
    const decodes = request.type === "predict" && !isEmpty(request.prompt);
    if (!decodes && (this.#waiting === 0 || request.type === "tile" || request.type === "hello"))
      return void this.#model.send(content, callbacks, buffers);
    this.#waiting++;
    this.#turn = this.#turn
      .then(async () => {
        if (decodes) await this.#predict(request);
        else this.#model.send(content, callbacks, buffers);
      })
      .catch((error: unknown) => this.#refuse(request, error))
      .finally(() => this.#waiting--);
  }

  async #preview(request: Request & { type: "preview" }): Promise<void> {
    const { client, seq, prompt } = request;
    try {
      const { settings } = await this.#shown();
      if (isEmpty(prompt)) return this.#answer(request, "done");
      const decoder = await this.#opened();
      const { runs, ...mask } = await decoder.ask<Previewed>({ preview: prompt, settings });
      this.#receive({ type: "preview_mask", client, seq, ...mask }, [runs]);
    } catch (error) {
      this.#refuse(request, error);
    }
  }

  async #predict({ client, seq, prompt }: Request & { type: "predict" }): Promise<void> {
    const { image, rendering } = await this.#shown();
    const decoder = await this.#opened();
    const { best, scores, logits } = await decoder.ask<Predicted>({ predict: prompt });
    const told: Request = { type: "decoded", client, seq, image: image.hash, rendering, prompt, best };
    this.#model.send(told, undefined, [scores, logits]);
  }

  /** Wait until the worker has seen what is shown. */
  async #shown(): Promise<State & { image: ImageData }> {
    const state = this.#state;
    if (!state?.image) throw new Error("the photo is not open yet");
    await this.#look(state, state.image);
    return { ...state, image: state.image };
  }

  #look(state: State, image: ImageData): Promise<void> {
    const key = JSON.stringify([image.hash, state.rendering]);
    if (key === this.#seen.key) return this.#seen.done;
    const done = this.#seen.done.catch(() => {}).then(() => this.#encode(state, image));
    this.#seen = { key, done };
    done.catch((error: unknown) => {
      // The next request tries again.
      if (this.#seen.done === done) this.#seen.key = "";
      void this.#ask({ type: "undecodable", reason: `This page cannot run the model: ${reason(error)}`.slice(0, 900) });
    });
    return done;
  }

  async #encode({ rendering }: State, { hash, width, height }: ImageData): Promise<void> {
    const { name, bytes } = await this.#file({ type: "pixels", image: hash, rendering });
    const decoder = await this.#opened();
    const known = name === "features";
    const photo = { width, height, pixels: known ? null : bytes, features: known ? bytes : null };
    const { milliseconds, features } = await decoder.ask<Encoded>({ photo });
    // With its buffers, and thus not through the transport, which sends none.
    this.#model.send(
      { type: "encoded", client: this.#kernel.client, seq: -1, image: hash, rendering, milliseconds },
      undefined,
      [...features],
    );
  }

  #opened(): Promise<Decoder> {
    this.#decoder ??= this.#open();
    this.#decoder.catch(() => {
      this.#decoder = null;
    });
    return this.#decoder;
  }

  async #open(): Promise<Decoder> {
    const { code, parts } = await partsOf(async (name) => (await this.#file({ type: "part", name })).bytes);
    this.#signal.throwIfAborted();
    const decoder = this.#start(code);
    await decoder.ask({ parts });
    return decoder;
  }

  async #file(body: Body): Promise<{ name: string; bytes: Uint8Array }> {
    const { content, error } = await this.#ask(body);
    if (content?.message.type !== "file") throw new Error(error ?? "the kernel sent nothing");
    return { name: content.message.name, bytes: content.bytes };
  }

  #ask(body: Body): Promise<Reception> {
    return this.#kernel.send(body).answer;
  }

  #answer({ client, seq }: Request, outcome: Answer["outcome"], error: string | null = null): void {
    this.#receive({ type: "answer", client, seq, outcome, error, revision: 0 }, []);
  }

  #refuse(request: Request, error: unknown): void {
    this.#answer(request, "error", reason(error));
  }

  #receive(message: Reply, buffers: Uint8Array[]): void {
    for (const callback of [...this.#receivers]) (callback as (...args: unknown[]) => void)(message, buffers);
  }
}

/** The worker, and its answers. */
class DecodingWorker implements Decoder {
  readonly #worker: Worker;
  readonly #open = new Map<number, { resolve: (found: never) => void; reject: (error: Error) => void }>();
  #asked = 0;

  constructor(code: Blob) {
    const address = URL.createObjectURL(code);
    this.#worker = new Worker(address);
    this.#worker.addEventListener("message", ({ data }: MessageEvent<FromDecoder>) => {
      URL.revokeObjectURL(address);
      const asked = this.#open.get(data.id);
      this.#open.delete(data.id);
      if ("failed" in data) asked?.reject(new Error(data.failed));
      else asked?.resolve(data.found as never);
    });
    this.#worker.addEventListener("error", ({ message }) => {
      for (const { reject } of this.#open.values()) reject(new Error(message || "its worker failed"));
      this.#open.clear();
    });
  }

  ask<Found>(question: Question): Promise<Found> {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
      this.#worker.postMessage({ ...question, id });
    });
  }

  close(): void {
    this.#worker.terminate();
  }
}

type PartName = (Body & { type: "part" })["name"];

let fetched: Promise<{ code: Blob; parts: Parts }> | null = null;

/** What a worker is made of. It is fetched once for all widgets of a page. */
function partsOf(fetch: (name: PartName) => Promise<Uint8Array>): NonNullable<typeof fetched> {
  const fetchAll = async (): NonNullable<typeof fetched> => {
    const names = ["runtime", "worker", "runtime.wasm", "encoder", "encoder weights", "decoder weights"] as const;
    const [runtime, worker, wasm, encoder, encoderWeights, decoderWeights] = await Promise.all(names.map(fetch));
    const code = new Blob([runtime, ";\n", worker] as BlobPart[], { type: "text/javascript" });
    return { code, parts: { wasm, encoder, encoderWeights, decoderWeights } };
  };
  fetched ??= fetchAll();
  fetched.catch(() => {
    fetched = null;
  });
  return fetched;
}

function isEmpty({ points, boxes, strokes, mask, words }: PromptData): boolean {
  return points.length + boxes.length + strokes.length === 0 && mask === null && !words;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
