/** A model whose kernel side is the test. */

import { deflateSync } from "fflate";
import type { Answer, FoundChange, ImageData, Splice, State, Update, Whole } from "../src/protocol";
import { type Model, RemoteSession, type SessionOptions } from "../src/state/session";
import { Store } from "../src/state/store";

type Callback = (...args: never[]) => void;
type Sent = { type: string; client: string; seq: number; [field: string]: unknown };

export const STATE: State = {
  revision: 1,
  status: "ready",
  message: "",
  model: "tiny",
  image: null,
  prompt: { points: [], boxes: [], strokes: [], mask: null },
  candidates: [],
  chosen: null,
  objects: [],
  settings: { threshold: 0, holes: 0, islands: 0, smoothing: 0, specks: true },
  painted: false,
  editing: null,
  refines: true,
  takes_words: false,
  can_undo: false,
  can_redo: false,
  decode_ms: 12,
  everything: null,
  search: null,
  label: "",
  rendering: { channels: [], black: null, white: null, gamma: 1 },
  crop: null,
  autosave: null,
  direct: null,
  meanwhile: "",
};

/** A photo of 8-bit RGB. */
export function imageOf(width: number, height: number, levels = 1, hash = "cat"): ImageData {
  const values = { dtype: "uint8", channels: 3, low: 0, high: 255, black: 0, white: 255, dark: 3, bright: 250 };
  return { hash, width, height, levels, tile: 512, values };
}

export class FakeModel implements Model {
  readonly sent: Sent[] = [];
  state: unknown;
  /** As `_get_embed_state` fills it. */
  saved: unknown = {};
  /** Thrown by `send`, as a host does whose kernel is dead. */
  broken: Error | null = null;
  readonly #listeners = new Map<string, Set<Callback>>();

  constructor(state: unknown = STATE) {
    this.state = state;
  }

  get(key: "state" | "saved" | "abilities"): unknown {
    return { state: this.state, saved: this.saved, abilities: undefined }[key];
  }

  send(content: unknown): void {
    if (this.broken) throw this.broken;
    this.sent.push(content as Sent);
  }

  on(event: string, callback: Callback): void {
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(callback));
  }

  off(event: string, callback: Callback): void {
    this.#listeners.get(event)?.delete(callback);
  }

  get listening(): number {
    return [...this.#listeners.values()].reduce((sum, set) => sum + set.size, 0);
  }

  emit(event: string, ...args: unknown[]): void {
    for (const callback of this.#listeners.get(event) ?? []) callback(...(args as never[]));
  }

  set(values: Partial<State>): void {
    this.state = { ...(this.state as State), ...values };
    this.emit("change:state");
  }

  /** Answer a request, and run everything that waits for the answer. */
  async answer(request: Sent, fields: Partial<Answer> = {}): Promise<void> {
    const { client, seq } = request;
    const answer: Answer = { type: "answer", client, seq, outcome: "done", error: null, revision: 0, ...fields };
    this.emit("msg:custom", answer, []);
    await settled();
  }

  /** Send the whole state, with these masks. */
  masks(...ids: string[]): void {
    const message: Whole = { type: "whole", masks: ids.map(named), state: this.state as State };
    this.emit("msg:custom", message, ids.map(packed));
  }

  /** Send what has changed, with new masks. It follows the last state, unless the test says otherwise. */
  update(
    fields: Partial<State>,
    masks: string[] = [],
    objects: Splice | null = null,
    since?: number,
    found: FoundChange | null = null,
  ): void {
    const before = this.state as State;
    const { objects: _, ...changes } = { revision: before.revision + 1, ...fields };
    const message: Update = {
      type: "update",
      since: since ?? before.revision,
      fields: changes,
      objects,
      found,
      masks: masks.map(named),
    };
    const rows = [...before.objects];
    if (objects) rows.splice(objects.start, objects.removed, ...objects.added);
    this.state = { ...before, ...changes, objects: rows };
    this.emit("msg:custom", message, masks.map(packed));
  }

  last(type: string): Sent {
    const request = this.sent.filter((item) => item.type === type).at(-1);
    if (!request) throw new Error(`no ${type} among ${this.sent.map((item) => item.type)}`);
    return request;
  }

  count(type: string): number {
    return this.sent.filter((item) => item.type === type).length;
  }
}

const named = (id: string) => ({ id, width: 4, height: 4 });
const packed = () => packedMask(3);

type Options<Bitmap> = Omit<SessionOptions<Bitmap>, "signal"> & { signal: AbortSignal; changed?: () => void };

/** A session and one view's store, both of which end with the signal. */
export function openStore<Bitmap>({ changed = () => {}, ...options }: Options<Bitmap>) {
  const session = new RemoteSession(options);
  return { session, store: new Store(session, changed, options.signal) };
}

/** Bytes that begin `offset` bytes into a longer buffer. */
export function bytes(values: ArrayLike<number>, offset = 0): DataView {
  const whole = new Uint8Array(offset + values.length + 5).fill(0xee);
  whole.set(values, offset);
  return new DataView(whole.buffer, offset, values.length);
}

/** A packed mask of 4 x 4 pixels, of which the first two are set. */
export function packedMask(offset = 0): DataView {
  // First row, number of rows, of runs, start, end; zigzag, and in four planes.
  const numbers = [0, 1, 1, 0, 2].map((value) => 2 * value);
  return bytes(deflateSync(Uint8Array.from([...numbers, ...Array(15).fill(0)])), offset);
}

/** Wait until no promise can make progress without the test. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

declare function setImmediate(callback: () => void): void;
