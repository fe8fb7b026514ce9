/** Answers a view's messages as the kernel does (`sam_widget/widget/dispatcher.py`), from the page's own session. */

import type { Mask } from "../geometry/runs";
import type { Abilities } from "../kernel/abilities";
import type { Answer, Export, ImageData, ObjectData, Reply, Request, State, Tile } from "../protocol";
import type { Archive } from "./archive";
import { coco, labelMap, MOST_INDEXED } from "./files";
import type { PromptModel } from "./model";
import { packMask } from "./pack";
import { Refusal } from "./predicting";
import { PageSession } from "./session";

/** Sends a message to the view; the buffers are transferred. */
export type Send = (message: Reply, buffers: Uint8Array[]) => void;

/** Encodes a tile of the photo. */
export type TileOf = (tile: Tile) => Promise<{ bytes: Uint8Array; mime: string }>;

export interface KernelOptions {
  readonly archive: Archive;
  readonly decoder: PromptModel;
  readonly image: ImageData;
  readonly model: string;
  /** The photo's name, for files. */
  readonly name: string;
  readonly send: Send;
  readonly tile: TileOf;
  readonly now: () => number;
}

/** What a page does, of all that a kernel does: the view offers nothing else. */
export const ABILITIES: Abilities = {
  requests: [
    "hello",
    "preview",
    "tile",
    "export",
    "predict",
    "choose",
    "accept",
    "clear",
    "undo",
    "redo",
    "rename",
    "recolor",
    "remove",
    "edit",
    "merge",
    "subtract",
    // The gallery's, by `Photos`.
    "show",
    "mark",
  ],
  formats: ["coco", "indexed_png"],
  strokes: false,
};

const NOT_HERE = "This page has no kernel, and cannot do that. Download the session and continue in Jupyter.";

/** A decode that takes as many milliseconds may be one that the browser has not compiled yet. */
const SLOW = 50;

export class LocalKernel {
  readonly #options: KernelOptions;
  readonly #session: PageSession;
  readonly #queue: Request[] = [];
  /** Ends when nothing is queued. */
  #working: Promise<void> | null = null;
  #revision = 1;
  #decodeMs: number | null = null;
  /** The state that views know. */
  #state: State;

  constructor(options: KernelOptions) {
    this.#options = options;
    this.#session = new PageSession(options.archive, options.decoder);
    this.#state = this.#now();
  }

  get state(): State {
    return this.#state;
  }

  /** Ends when every request so far is answered. */
  get idle(): Promise<void> {
    return this.#working ?? Promise.resolve();
  }

  /** Send the whole state, as one that is newer than `revision`, which views have seen. */
  showAfter(revision: number): void {
    this.#revision = Math.max(this.#revision, revision + 1);
    this.#state = this.#now();
    this.#welcome();
  }

  /** The number of accepted objects. */
  get objects(): number {
    return this.#state.objects.length;
  }

  /** Let prompts name a mask, given its logits; returns the name. */
  addLogits(values: Float32Array): string {
    return this.#options.archive.addLogits(values);
  }

  /** Queue a request; the newest preview makes those before it worthless. */
  receive(request: Request): void {
    const last = this.#queue.at(-1);
    if (last && (last.type === "preview" || (last.type === "predict" && request.type === "predict"))) {
      this.#queue.pop();
      this.#answer(last, "superseded");
    }
    this.#queue.push(request);
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    // Let further messages arrive first: the newest may replace this one.
    for (await tick(); this.#queue.length > 0; await tick()) await this.#serve(this.#queue.shift() as Request);
    this.#working = null;
  }

  async #serve(request: Request): Promise<void> {
    try {
      await this.#do(request);
      if (request.type !== "preview") this.#answer(request, "done");
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#answer(request, "error", error instanceof Refusal ? why : `This page failed: ${why}`);
    }
  }

  async #do(request: Request): Promise<void> {
    const session = this.#session;
    const { client, seq } = request;
    switch (request.type) {
      case "hello":
        return this.#welcome();
      case "preview": {
        const best = await session.preview(request.prompt);
        if (!best) return this.#answer(request, "done");
        // The mask is the answer.
        const { width, height } = best.mask;
        const message = { type: "preview_mask" as const, client, seq, width, height, score: best.score };
        return this.#options.send(message, [packMask(best.mask)]);
      }
      case "tile": {
        const { bytes, mime } = await this.#options.tile(request);
        return this.#options.send({ type: "tile_picture", client, seq, mime }, [bytes]);
      }
      case "export": {
        const { name, mime, bytes } = this.#export(request.format);
        return this.#options.send({ type: "file", client, seq, name, mime }, [bytes]);
      }
      case "predict":
        await session.predict(request.prompt);
        break;
      case "choose":
        session.choose(request.index);
        break;
      case "accept":
        session.accept(request.label);
        break;
      case "clear":
        session.clear();
        break;
      case "undo":
        session.undo();
        break;
      case "redo":
        session.redo();
        break;
      case "rename":
        session.rename(request.objects, request.label);
        break;
      case "recolor":
        session.recolor(request.object, request.color);
        break;
      case "remove":
        session.remove(request.objects);
        break;
      case "edit":
        session.edit(request.object);
        break;
      case "merge":
        session.merge(request.objects, request.label);
        break;
      case "subtract":
        session.subtract(request.object, request.other);
        break;
      default:
        throw new Refusal(NOT_HERE);
    }
    this.#publish();
  }

  #export(format: Export["format"]): { name: string; mime: string; bytes: Uint8Array } {
    const { image, name } = this.#options;
    const objects = this.#session.exported;
    const size: Mask = { width: image.width, height: image.height, runs: new Uint32Array() };
    const stem = name.replace(/\.[^.]*$/, "") || "image";
    if (objects.length === 0) throw new Refusal("there are no objects to export; accept a mask first");
    if (format === "coco") return { name: `${stem}.json`, mime: "application/json", bytes: coco(name, size, objects) };
    if (format !== "indexed_png")
      throw new Refusal("this page exports COCO and label maps; continue in Jupyter for other formats");
    if (objects.length > MOST_INDEXED)
      throw new Refusal(`a label map of this page holds ${MOST_INDEXED} objects; export to COCO`);
    return { name: `${stem}.png`, mime: "image/png", bytes: labelMap(size, objects) };
  }

  /** Send what has changed, as `publisher.py` does. */
  #publish(): void {
    const before = this.#state;
    this.#revision++;
    const state = this.#now();
    this.#state = state;
    const fields = Object.fromEntries(
      Object.entries(state).filter(
        ([key, value]) => key !== "objects" && JSON.stringify(value) !== JSON.stringify(before[key as keyof State]),
      ),
    );
    const known = new Set(masksOf(before));
    this.#sendMasks(
      masksOf(state).filter((mask) => !known.has(mask)),
      (masks) => ({
        type: "update",
        since: before.revision,
        fields,
        objects: spliceOf(before.objects, state.objects),
        found: null,
        masks,
      }),
    );
  }

  #welcome(): void {
    this.#sendMasks(masksOf(this.#state), (masks) => ({ type: "whole", masks, state: this.#state }));
  }

  #sendMasks(ids: string[], make: (masks: { id: string; width: number; height: number }[]) => Reply): void {
    const { width, height } = this.#options.image;
    const unique = [...new Set(ids)];
    const buffers = unique.map((id) => this.#options.archive.packed(id).slice());
    this.#options.send(make(unique.map((id) => ({ id, width, height }))), buffers);
  }

  #answer({ client, seq }: Request, outcome: Answer["outcome"], error: string | null = null): void {
    this.#options.send({ type: "answer", client, seq, outcome, error, revision: this.#revision }, []);
  }

  #now(): State {
    return {
      revision: this.#revision,
      status: "ready",
      message: "",
      model: this.#options.model,
      image: this.#options.image,
      refines: false,
      takes_words: false,
      decode_ms: this.#decodeMs,
      everything: null,
      search: null,
      crop: null,
      autosave: null,
      direct: null,
      meanwhile: "",
      ...this.#session.shown,
    };
  }

  /** Decode until the browser has compiled the decoder, and measure. */
  async warmUp(): Promise<void> {
    for (let i = 0; i < 3 && (this.#decodeMs ?? SLOW) >= SLOW; i++) {
      const start = this.#options.now();
      await this.#options.decoder.decode({ points: [{ x: 0.5, y: 0.5, label: 1 }], box: null });
      this.#decodeMs = this.#options.now() - start;
    }
    this.#state = this.#now();
  }
}

function masksOf({ candidates, objects }: State): string[] {
  return [...candidates, ...objects].map(({ mask }) => mask);
}

function spliceOf(
  before: ObjectData[],
  now: ObjectData[],
): { start: number; removed: number; added: ObjectData[] } | null {
  const same = (a: ObjectData | undefined, b: ObjectData | undefined): boolean =>
    JSON.stringify(a) === JSON.stringify(b);
  const shorter = Math.min(before.length, now.length);
  let start = 0;
  while (start < shorter && same(before[start], now[start])) start++;
  if (start === before.length && start === now.length) return null;
  let kept = 0;
  while (kept < shorter - start && same(before.at(-1 - kept), now.at(-1 - kept))) kept++;
  return { start, removed: before.length - kept - start, added: now.slice(start, now.length - kept) };
}

function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
