/** The photos of a page: each has a session, and one is shown. Answers a gallery's requests, and passes on the others. */

import type { PlaceData, Reply, Request, State } from "../protocol";
import type { LocalKernel, Send } from "./kernel";

/** A photo's session while the page is open. */
export interface OpenPhoto {
  readonly kernel: LocalKernel;
  /** Let the decoder answer for this photo. */
  look(): void;
  /** The bytes of its session file. */
  save(): Uint8Array;
}

export interface PhotosOptions {
  /** The photos' numbers of objects, before one is opened. */
  readonly objects: readonly number[];
  /** The indices of those that are marked as done. */
  readonly done: readonly number[];
  /** Open a photo, whose messages go to `send`. Called once for each photo, unless it fails. */
  readonly open: (index: number, send: Send) => Promise<OpenPhoto>;
  readonly send: Send;
  /** Called when the place has changed. */
  readonly placed: (place: PlaceData) => void;
}

export class Photos {
  readonly #options: PhotosOptions;
  readonly #opened = new Map<number, Promise<OpenPhoto>>();
  #place: PlaceData;
  /** What is shown; null until the first photo is open. */
  #shown: OpenPhoto | null = null;
  /** Requests are answered one after the other while a photo is opened. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: PhotosOptions) {
    this.#options = options;
    this.#place = { index: 0, objects: [...options.objects], done: [...options.done], failed: [] };
  }

  get place(): PlaceData {
    return this.#place;
  }

  /** Open the first photo; returns its state. */
  async first(): Promise<State> {
    this.#shown = await this.#open(0);
    return this.#shown.kernel.state;
  }

  /** Pass on a message of the photo that replaced the one shown. */
  pass(message: Reply, buffers: Uint8Array[]): void {
    void this.#pass(this.#place.index, message, buffers);
  }

  /** Show another photo in the place of the one that is shown, which is gone then, once that has answered. */
  replace(open: () => Promise<OpenPhoto>): Promise<void> {
    const replaced = this.#turn.then(async () => {
      const before = this.#shown;
      await before?.kernel.idle;
      try {
        const opened = await open();
        this.#opened.set(this.#place.index, Promise.resolve(opened));
        this.#shown = opened;
      } finally {
        this.#shown?.look();
      }
      this.#shown?.kernel.showAfter(before?.kernel.state.revision ?? 0);
      this.#setPlace({ objects: this.#place.objects.map((count, i) => (i === this.#place.index ? 0 : count)) });
    });
    this.#turn = replaced.catch(() => {});
    return replaced;
  }

  receive(request: Request): void {
    this.#turn = this.#turn.then(() => this.#serve(request));
  }

  /** Let prompts for the shown photo name a mask, given its logits; returns the name. */
  async addLogits(values: Float32Array): Promise<string> {
    await this.#turn;
    if (!this.#shown) throw new Error("no photo is open yet");
    return this.#shown.kernel.addLogits(values);
  }

  /** The session file of each photo that was opened. */
  async save(): Promise<Map<number, Uint8Array>> {
    await this.#turn;
    const saved = new Map<number, Uint8Array>();
    for (const [index, opened] of this.#opened) saved.set(index, (await opened).save());
    return saved;
  }

  async #serve(request: Request): Promise<void> {
    if (request.type === "show") return this.#show(request);
    if (request.type !== "mark") return this.#shown?.kernel.receive(request);
    const { done, index } = this.#place;
    const others = done.filter((each) => each !== index);
    this.#setPlace({ done: request.done ? [...others, index].sort((a, b) => a - b) : others });
    this.#answer(request, null);
  }

  async #show(request: Request & { type: "show" }): Promise<void> {
    const { index } = request;
    const before = this.#shown;
    await before?.kernel.idle;
    try {
      if (!(index in this.#options.objects)) throw new Error(`there is no photo ${index + 1} in this page`);
      const next = await this.#open(index);
      if (next !== before) {
        next.look();
        this.#shown = next;
        this.#setPlace({ index });
        next.kernel.showAfter(before?.kernel.state.revision ?? 0);
      }
      this.#answer(request, null);
    } catch (error) {
      if (index in this.#options.objects) this.#setPlace({ failed: [...new Set([...this.#place.failed, index])] });
      this.#answer(request, error instanceof Error ? error.message : String(error));
    }
  }

  #open(index: number): Promise<OpenPhoto> {
    const known = this.#opened.get(index);
    if (known) return known;
    const opening = this.#options.open(index, (message, buffers) => this.#pass(index, message, buffers));
    this.#opened.set(index, opening);
    opening.catch(() => this.#opened.delete(index));
    return opening;
  }

  /** Pass on a message of a photo's session. A photo that is no longer shown still answers what was asked before. */
  async #pass(index: number, message: Reply, buffers: Uint8Array[]): Promise<void> {
    if (index === this.#place.index || (message.type !== "update" && message.type !== "whole"))
      this.#options.send(message, buffers);
    const objects = (await this.#opened.get(index))?.kernel.objects;
    if (objects !== undefined && objects !== this.#place.objects[index])
      this.#setPlace({ objects: this.#place.objects.map((count, i) => (i === index ? objects : count)) });
  }

  #setPlace(change: Partial<PlaceData>): void {
    this.#place = { ...this.#place, ...change };
    this.#options.placed(this.#place);
  }

  #answer({ client, seq }: Request, error: string | null): void {
    const revision = this.#shown?.kernel.state.revision ?? 0;
    const outcome = error === null ? ("done" as const) : ("error" as const);
    this.#options.send({ type: "answer", client, seq, outcome, error, revision }, []);
  }
}
