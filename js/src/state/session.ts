/** The kernel's session as this page knows it: state, masks and photo, decoded once for all views of a widget. */

import type { Mask } from "../geometry/runs";
import { type Abilities, abilitiesOf } from "../kernel/abilities";
import { unpackMask } from "../kernel/maskcodec";
import { type Body, type Channel, type Reception, Transport } from "../kernel/transport";
import type { FoundChange, FoundData, MaskData, RenderingData, Saved, State, Update, Whole } from "../protocol";
import { NamedMasks } from "./masks";
import { BitmapPool } from "./pool";
import { NO_PROMPT } from "./prompt";
import { type Place, USUAL } from "./tiles";

/** The part of an anywidget model that the session uses. */
export interface Model extends Channel {
  get(key: "state" | "saved" | "abilities"): unknown;
}

const NO_STATE: State = {
  revision: -1,
  status: "loading",
  message: "",
  model: "",
  image: null,
  prompt: NO_PROMPT,
  candidates: [],
  chosen: null,
  objects: [],
  settings: { threshold: 0, holes: 0, islands: 0, smoothing: 0, specks: true },
  painted: false,
  editing: null,
  refines: false,
  takes_words: false,
  can_undo: false,
  can_redo: false,
  decode_ms: null,
  everything: null,
  search: null,
  label: "",
  rendering: USUAL,
  crop: null,
  autosave: null,
  direct: null,
  meanwhile: "",
};

/** Milliseconds after which a silent kernel is reported. */
const PATIENCE = 10_000;

export interface SessionOptions<Bitmap> {
  model: Model;
  decode: (bytes: Uint8Array, mime: string) => Promise<Bitmap>;
  /** Free a bitmap's memory. */
  close: (bitmap: Bitmap) => void;
  /** Ends the session with its model. */
  signal: AbortSignal;
  /** The base address of direct lines to the kernel; see `Direct`. */
  direct?: string | null;
}

export class RemoteSession<Bitmap = ImageBitmap> {
  state: State;
  readonly #masks = new NamedMasks();
  /** Why something from the kernel could not be read, or that the kernel is gone; until a request succeeds. */
  failure: string | null = null;
  /** The kernel's side is gone, so no answer can come. */
  lost = false;
  /** The first message has not been answered for long: the kernel is busy or gone. */
  unanswered = false;
  /** This is a saved page, without a kernel. */
  readonly saved: boolean = false;
  /** What can be asked; null if everything can. */
  readonly abilities: Abilities | null;
  /** The number of the last `hello` that has been answered. */
  greeted = 0;

  readonly #transport: Transport;
  readonly #decode: SessionOptions<Bitmap>["decode"];
  readonly #pool: BitmapPool<Bitmap>;
  readonly #listeners = new Set<() => void>();
  #hello = { open: false, revision: Number.NaN };
  /** The whole photo, in a saved page. */
  readonly #picture: { bytes: Uint8Array; mime: string } | null = null;
  /** Promises of a state that has not arrived yet. */
  #expected: { revision: number; arrive: () => void }[] = [];

  constructor({ model, decode, close, signal, direct }: SessionOptions<Bitmap>) {
    this.#decode = decode;
    this.#pool = new BitmapPool(close);
    this.state = readState(model);
    this.abilities = abilitiesOf(model);
    this.#masks.name(masksOf(this.state));
    const update = (): void => this.#setState(readState(model));
    model.on("change:state", update);
    signal.addEventListener("abort", () => model.off("change:state", update), { once: true });
    const handlers = {
      whole: (message: Whole, buffers: Uint8Array[]) => this.#setState(message.state, message.masks, buffers),
      update: (message: Update, buffers: Uint8Array[]) => this.#update(message, buffers),
      heard: () => this.#found(),
      lost: (reason: string) => this.#lose(reason),
    };
    this.#transport = new Transport(model, handlers, signal, direct);
    const saved = model.get("saved") as Partial<Saved> | null | undefined;
    if (saved?.picture) {
      this.saved = true;
      this.#picture = { bytes: fromBase64(saved.picture), mime: saved.mime ?? "" };
      // Without a kernel nothing is running, even if something was when the page was saved.
      this.state = {
        ...this.state,
        status: "ready",
        everything: null,
        search: null,
        can_undo: false,
        can_redo: false,
        refines: false,
        takes_words: false,
      };
      for (const { id, width, height, runs } of saved.masks ?? [])
        this.#masks.set(id, unpackMask(fromBase64(runs), width, height));
      return;
    }
    this.#transport.follow(this.state.direct);
    void this.#sayHello();
  }

  /** Call `listener` at every change, until the signal aborts. */
  subscribe(listener: () => void, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
  }

  /** Notify every view of a change. */
  readonly changed = (): void => {
    for (const listener of [...this.#listeners]) listener();
  };

  /** Whether some of the state's masks have been requested and not arrived yet. */
  get opening(): boolean {
    return this.#hello.open;
  }

  mask(id: string): Mask | null {
    return this.#masks.get(id);
  }

  /** Whether a mask that the state names has not arrived. */
  get lacking(): boolean {
    return this.#masks.lacking;
  }

  send(body: Body): { seq: number; answer: Promise<Reception> } {
    return this.#transport.send(body);
  }

  /** Wait until the state has this revision, or none will come. */
  async until(revision: number): Promise<void> {
    if (revision > this.state.revision && !this.lost)
      await new Promise<void>((arrive) => this.#expected.push({ revision, arrive }));
  }

  /** A tile of the photo, decoded; null if that fails. Release it after use. */
  async tile(place: Place, rendering: RenderingData): Promise<Bitmap | null> {
    const key = JSON.stringify([this.state.image?.hash, place, rendering]);
    return await this.#pool.acquire(key, () => this.#fetchTile(place, rendering));
  }

  releaseTile(bitmap: Bitmap): void {
    this.#pool.release(bitmap);
  }

  async #fetchTile(place: Place, rendering: RenderingData): Promise<Bitmap | null> {
    if (this.#picture) {
      const whole = place.level === (this.state.image?.levels ?? 0) - 1;
      return whole ? await this.#decodeTile(this.#picture.bytes, this.#picture.mime) : null;
    }
    if (this.lost) return null;
    const { outcome, error, content } = await this.send({ type: "tile", ...place, rendering }).answer;
    if (content?.message.type === "tile_picture") return await this.#decodeTile(content.bytes, content.message.mime);
    if (outcome === "error" && !this.lost) this.failure = error;
    return null;
  }

  async #decodeTile(bytes: Uint8Array, mime: string): Promise<Bitmap | null> {
    try {
      return await this.#decode(bytes, mime);
    } catch (error) {
      this.failure = `A part of the photo (${mime}) could not be decoded: ${reason(error)}`;
      return null;
    }
  }

  async #sayHello(): Promise<void> {
    this.#hello = { open: true, revision: this.state.revision };
    const tire = (): void => {
      this.unanswered = true;
      this.changed();
    };
    const patience = setTimeout(tire, PATIENCE);
    const { seq, answer } = this.send({ type: "hello" });
    const { outcome, error, revision } = await answer;
    await this.until(revision);
    clearTimeout(patience);
    this.unanswered = false;
    this.greeted = seq;
    this.#hello.open = false;
    if (outcome === "error" && !this.lost) this.failure = error;
    this.#resync();
    this.changed();
  }

  /** Apply a whole state, unless it has already arrived: the trait repeats earlier messages. */
  #setState(state: State, masks: MaskData[] = [], buffers: Uint8Array[] = []): void {
    const news = state.revision > this.state.revision;
    if (news) this.#masks.name(masksOf(state));
    this.#receiveMasks(masks, buffers);
    if (!news) {
      if (masks.length > 0) this.changed();
      return;
    }
    this.#masks.release(masksOf(this.state));
    this.#arrive(state);
  }

  /** Apply an update. Unchanged parts are not visited, so the cost does not depend on the number of objects. */
  #update({ since, fields, objects: splice, found, masks }: Update, buffers: Uint8Array[]): void {
    const before = this.state;
    if ((fields.revision ?? 0) <= before.revision) return;
    if (since !== before.revision) {
      // A message is missing; the answer to the open `hello` will contain it.
      if (!this.#hello.open && !this.lost) void this.#sayHello();
      return;
    }
    const objects = splice ? [...before.objects] : before.objects;
    const removed = splice ? objects.splice(splice.start, splice.removed, ...splice.added) : [];
    const state: State = { ...before, ...fields, objects };
    const news = changedFound(before.everything, state.everything, found);
    if (fields.everything) state.everything = { ...fields.everything, found: news.found };
    this.#masks.name([...passing(state), ...(splice?.added ?? []), ...news.added]);
    this.#receiveMasks(masks, buffers);
    this.#masks.release([...passing(before), ...removed, ...news.removed]);
    this.#arrive(state);
  }

  #arrive(state: State): void {
    this.state = state;
    this.#found();
    if (!this.saved) this.#transport.follow(state.direct);
    this.#expected = this.#expected.filter(({ revision, arrive }) => {
      if (revision <= state.revision) arrive();
      return revision > state.revision;
    });
    this.#resync();
    this.changed();
  }

  /** Request missing masks of the state again, once for each state. */
  #resync(): void {
    const { revision } = this.state;
    if (this.#masks.lacking && !this.#hello.open && this.#hello.revision !== revision && !this.lost)
      void this.#sayHello();
  }

  #receiveMasks(masks: MaskData[], buffers: Uint8Array[]): void {
    masks.forEach(({ id, width, height }: MaskData, i) => {
      if (!this.#masks.lacks(id)) return;
      try {
        this.#masks.set(id, unpackMask(buffers[i], width, height));
      } catch (error) {
        this.failure = `A mask from the kernel could not be read: ${reason(error)}`;
      }
    });
  }

  #lose(why: string): void {
    this.lost = true;
    this.failure = why;
    for (const { arrive } of this.#expected.splice(0)) arrive();
    this.changed();
  }

  #found(): void {
    if (!this.lost) return;
    this.failure = null;
    this.lost = false;
    this.changed();
  }
}

/** Temporary references to masks: candidates, and what a search has found. */
function passing(state: State): { mask: string }[] {
  return [...state.candidates, ...(state.search?.instances ?? [])];
}

function masksOf(state: State): { mask: string }[] {
  return [...passing(state), ...(state.everything?.found ?? []), ...state.objects];
}

/** What everything mode has found after a change, and what the change adds and removes. */
function changedFound(
  before: State["everything"],
  now: State["everything"],
  change: FoundChange | null,
): { found: FoundData[]; added: FoundData[]; removed: FoundData[] } {
  const had = before?.found ?? [];
  if (!now) return { found: [], added: [], removed: had };
  if (!change) return { found: had, added: [], removed: [] };
  const names = new Set(change.removed);
  const removed = had.filter(({ mask }) => names.has(mask));
  const kept = names.size > 0 ? had.filter(({ mask }) => !names.has(mask)) : had;
  return { found: [...kept, ...change.added], added: change.added, removed };
}

/** The trait may be empty: before the kernel's first message, or in a notebook saved without its widgets. */
function readState(model: Model): State {
  const state = model.get("state") as State | null | undefined;
  return typeof state?.revision === "number" ? state : NO_STATE;
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
