/** What the kernel says, as this view knows it, and what this view has asked and not yet heard back. */

import type { Mask } from "../geometry/runs";
import type { Download } from "../kernel/download";
import { unpackMask } from "../kernel/maskcodec";
import { type Body, type Channel, Transport } from "../kernel/transport";
import type {
  Answer,
  BoxData,
  Export,
  File as FileMessage,
  MaskData,
  Masks,
  PreviewMask,
  PromptData,
  RenderingData,
  Saved,
  SettingsData,
  State,
  TilePicture,
} from "../protocol";
import { type Place, Tiles, USUAL } from "./tiles";

/** What the store needs of an anywidget model. */
export interface Model extends Channel {
  get(key: "state" | "saved"): unknown;
}

/** A mask that the kernel would choose for a prompt, and the score it expects of it. */
export interface Preview {
  readonly mask: Mask;
  readonly score: number;
}

export const NO_PROMPT: PromptData = { points: [], boxes: [], strokes: [], mask: null };

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
  settings: { threshold: 0, holes: 0, islands: 0, smoothing: 0 },
  painted: false,
  editing: null,
  refines: false,
  can_undo: false,
  can_redo: false,
  decode_ms: null,
  everything: null,
  rendering: USUAL,
  crop: null,
  autosave: null,
  direct: null,
};

/** Masks that no state has named yet are kept up to this number: those of superseded requests never get named. */
const MOST_UNNAMED = 32;

/** Milliseconds after which a view that hears nothing says so. */
const PATIENCE = 10_000;
/** Milliseconds, beside ten times what a decode takes, after which the kernel must be busy with something else. */
const BUSY = 2000;

export interface StoreOptions<Bitmap> {
  model: Model;
  decode: (bytes: Uint8Array, mime: string) => Promise<Bitmap>;
  /** Give a bitmap's memory back. */
  close: (bitmap: Bitmap) => void;
  changed: () => void;
  signal: AbortSignal;
  /** Where direct lines to the kernel go; see `Direct`. */
  direct?: string | null;
}

export class Store<Bitmap = ImageBitmap> {
  state: State;
  readonly masks = new Map<string, Mask>();
  /** The photo, as far as it is here. */
  readonly tiles: Tiles<Bitmap>;
  /** The kernel's last refusal in its own words, until a request succeeds. */
  failure: string | null = null;
  /** The kernel's side is gone, so no answer can come. */
  lost = false;
  /** The kernel has left this view's first words unanswered for long: it is busy, or not there. */
  unanswered = false;
  /** The kernel has left an edit of this view unanswered for a while: it runs a cell, and the edit waits for it. */
  busy = false;
  /** This is a page that was saved: there is no kernel, and nothing to ask. */
  readonly saved: boolean = false;
  /** The number of the last own request whose answer, and the state it led to, have arrived. */
  answered = 0;

  readonly #transport: Transport;
  readonly #decode: StoreOptions<Bitmap>["decode"];
  readonly #changed: () => void;
  readonly #signal: AbortSignal;
  /** The prompt last asked for, by the request that asks for it. */
  #draft: { seq: number; prompt: PromptData } | null = null;
  #choice: { seq: number; index: number } | null = null;
  /** The image of a gallery that we are on the way to. */
  #going: { seq: number; index: number } | null = null;
  #open = 0;
  /** Searches for everything that this view has asked for. */
  #searches = 0;
  /** Requests under way that change something. */
  #edits = 0;
  #watching: ReturnType<typeof setTimeout> | undefined;
  #settings: { seq: number; settings: SettingsData } | null = null;
  /** Undo, redo and the like under way: what the prompt will be is the kernel's to say. */
  #unknownPrompt: Promise<unknown> | null = null;
  #hello = { open: false, revision: Number.NaN };
  /** Previews asked for, by number. */
  readonly #previews = new Map<number, (preview: Preview | null) => void>();
  /** Tiles asked for, by number. */
  readonly #pictures = new Map<number, (bytes: Uint8Array, mime: string) => void>();
  /** Files asked for, by number. */
  readonly #files = new Map<number, (file: Download) => void>();
  /** The whole photo, in a saved page. */
  readonly #picture: { bytes: Uint8Array; mime: string } | null = null;
  /** Answers that came before the state they led to. */
  #early: { revision: number; arrive: () => void }[] = [];

  constructor({ model, decode, close, changed, signal, direct }: StoreOptions<Bitmap>) {
    this.#decode = decode;
    this.#changed = changed;
    this.#signal = signal;
    this.state = readState(model);
    const update = (): void => this.#setState(readState(model));
    model.on("change:state", update);
    signal.addEventListener("abort", () => model.off("change:state", update), { once: true });
    const handlers = {
      masks: (message: Masks, buffers: Uint8Array[]) => this.#receiveMasks(message, buffers),
      preview: (message: PreviewMask, buffers: Uint8Array[]) => this.#receivePreview(message, buffers),
      tile: (message: TilePicture, buffers: Uint8Array[]) => this.#receiveTile(message, buffers),
      file: (message: FileMessage, buffers: Uint8Array[]) => this.#receiveFile(message, buffers),
      lost: (reason: string) => this.#lose(reason),
    };
    this.#transport = new Transport(model, handlers, signal, direct);
    this.tiles = new Tiles({ ask: (place, rendering) => this.#tile(place, rendering), close, changed });
    signal.addEventListener("abort", () => this.tiles.close(), { once: true });
    signal.addEventListener("abort", () => clearTimeout(this.#watching), { once: true });
    const saved = model.get("saved") as Partial<Saved> | null | undefined;
    if (saved?.picture) {
      this.saved = true;
      this.#picture = { bytes: fromBase64(saved.picture), mime: saved.mime ?? "" };
      // Whatever the kernel was doing then, nobody does it now.
      this.state = {
        ...this.state,
        status: "ready",
        everything: null,
        can_undo: false,
        can_redo: false,
        refines: false,
      };
      for (const { id, width, height, runs } of saved.masks ?? [])
        this.masks.set(id, unpackMask(fromBase64(runs), width, height));
    }
    this.tiles.show(this.state.image);
    if (this.saved) return;
    this.#transport.follow(this.state.direct);
    void this.#sayHello();
  }

  /** The prompt to draw and to build on: the one last asked for, else the kernel's. */
  get prompt(): PromptData {
    return this.#draft?.prompt ?? this.state.prompt;
  }

  get chosen(): number | null {
    const index = this.#choice?.index ?? this.state.chosen;
    return index !== null && index < this.state.candidates.length ? index : null;
  }

  /** Whether the prompt drawn is one that the kernel has not answered yet. */
  get predicting(): boolean {
    return this.#draft !== null && !isEmpty(this.#draft.prompt);
  }

  /** Whether the masks of the prompt drawn are still to come. */
  get pending(): boolean {
    return this.#draft !== null && !samePrompt(this.#draft.prompt, this.state.prompt);
  }

  get canAccept(): boolean {
    return !this.saved && (this.chosen !== null || this.predicting);
  }

  get canClear(): boolean {
    if (this.saved) return false;
    return !isEmpty(this.prompt) || this.state.candidates.length > 0 || this.state.editing !== null;
  }

  /** Whether this view has asked for everything, and that is not over. */
  get searching(): boolean {
    return this.#searches > 0;
  }

  get canSearch(): boolean {
    return !this.saved && !this.lost && this.state.image !== null && this.state.status === "ready";
  }

  /** What the view is busy with, for people and for tests. */
  get status(): State["status"] {
    if (this.lost) return "error";
    if (this.saved) return this.tiles.ready ? "ready" : this.failure ? "error" : "loading";
    if (this.state.status !== "ready") return this.state.status;
    if (this.state.image && !this.tiles.ready) return this.failure ? "error" : "loading";
    return this.#open ? "predicting" : "ready";
  }

  mask(id: string): Mask | null {
    return this.masks.get(id) ?? null;
  }

  /** Change the prompt that stands and ask for its masks; it is drawn at once. */
  async edit(change: (prompt: PromptData) => PromptData): Promise<void> {
    while (this.#unknownPrompt) await this.#unknownPrompt;
    const prompt = change(this.prompt);
    await this.#request({ type: "predict", prompt }, (seq) => {
      this.#draft = { seq, prompt };
    });
  }

  /** What a prompt would give; null when that cannot be known now. It shows nowhere, neither as an edit nor as work. */
  async preview(prompt: PromptData): Promise<Preview | null> {
    if (this.lost || this.saved || this.#going) return null;
    const { seq, answer } = this.#transport.send({ type: "preview", prompt });
    const none = answer.then(() => null);
    const found = new Promise<Preview | null>((resolve) => this.#previews.set(seq, resolve));
    const preview = await Promise.race([found, none]);
    this.#previews.delete(seq);
    return preview;
  }

  /** Let the model see the photo like this. */
  async render(rendering: RenderingData): Promise<void> {
    await this.#request({ type: "render", rendering });
  }

  /** Let a part of the photo answer the prompts in it, null for all of the photo. */
  async sharpen(region: BoxData | null): Promise<void> {
    await this.#request({ type: "sharpen", region, later: false });
  }

  /** The same, for prompts to come: nobody waits for it, and nothing is undone. */
  async sharpenLater(region: BoxData): Promise<void> {
    if (this.lost || this.saved || this.#going) return;
    const { outcome, error } = await this.#transport.send({ type: "sharpen", region, later: true }).answer;
    if (outcome !== "error" || this.lost) return;
    this.failure = error;
    this.#changed();
  }

  async choose(index: number): Promise<void> {
    if (index === this.chosen || index >= this.state.candidates.length) return;
    await this.#request({ type: "choose", index }, (seq) => {
      this.#choice = { seq, index };
    });
  }

  async accept(label: string): Promise<void> {
    if (this.canAccept) await this.#request({ type: "accept", label }, (seq) => this.#dropPrompt(seq));
  }

  async clear(): Promise<void> {
    if (this.canClear) await this.#request({ type: "clear" }, (seq) => this.#dropPrompt(seq));
  }

  async undo(): Promise<void> {
    while (this.#unknownPrompt) await this.#unknownPrompt;
    if (this.state.can_undo || this.#draft) await this.#lead({ type: "undo" });
  }

  async redo(): Promise<void> {
    while (this.#unknownPrompt) await this.#unknownPrompt;
    if (this.state.can_redo) await this.#lead({ type: "redo" });
  }

  /** Paint on the candidates: `vertices` are x and y in turn, in image pixels. */
  async brush(vertices: number[], radius: number, label: 0 | 1): Promise<void> {
    await this.#request({ type: "brush", vertices, radius, label });
  }

  async refine(): Promise<void> {
    while (this.#unknownPrompt) await this.#unknownPrompt;
    if (this.canAccept && this.state.refines) await this.#lead({ type: "refine" });
  }

  /** How masks are made of logits: what was last asked for, else the kernel's. */
  get settings(): SettingsData {
    return this.#settings?.settings ?? this.state.settings;
  }

  /** Change how masks are made of logits. Requests of one gesture are undone at once. */
  async adjust(change: Partial<SettingsData>, gesture: string): Promise<void> {
    const settings = { ...this.settings, ...change };
    await this.#request({ type: "adjust", settings, gesture }, (seq) => {
      this.#settings = { seq, settings };
    });
  }

  /** Take up an accepted object again. */
  async editObject(object: string): Promise<void> {
    while (this.#unknownPrompt) await this.#unknownPrompt;
    await this.#lead({ type: "edit", object });
  }

  async merge(objects: string[]): Promise<void> {
    await this.#request({ type: "merge", objects });
  }

  async subtract(object: string, other: string): Promise<void> {
    await this.#request({ type: "subtract", object, other });
  }

  async recolor(object: string, color: number): Promise<void> {
    await this.#request({ type: "recolor", object, color });
  }

  async remove(objects: string[]): Promise<void> {
    await this.#request({ type: "remove", objects });
  }

  async rename(objects: string[], label: string): Promise<void> {
    await this.#request({ type: "rename", objects, label });
  }

  /** Find everything; the state says how far it is. Returns once that is over, and all else goes on meanwhile. */
  async everything(points_per_side: number): Promise<void> {
    if (!this.canSearch || this.searching || this.state.everything) return;
    this.#searches++;
    await this.#request({ type: "everything", points_per_side });
    this.#searches--;
    this.#changed();
  }

  /** Stop what looks for everything. */
  async cancel(): Promise<void> {
    await this.#request({ type: "cancel" });
  }

  /** The objects as a file; null where the kernel refuses. */
  async export(format: Export["format"]): Promise<Download | null> {
    let found: Download | null = null;
    let number = 0;
    const sent = (seq: number): void => {
      number = seq;
      this.#files.set(seq, (file) => {
        found = file;
      });
    };
    await this.#request({ type: "export", format }, sent);
    this.#files.delete(number);
    return found;
  }

  /** Go to another image of the gallery; until it is there, nothing is done to this one. */
  async show(index: number): Promise<void> {
    await this.#request({ type: "show", index }, (seq) => {
      this.#going = { seq, index };
      this.#draft = null;
      this.#choice = null;
    });
  }

  /** Say whether the image of the gallery is done. */
  async mark(done: boolean): Promise<void> {
    await this.#request({ type: "mark", done });
  }

  /** The number of the image last asked for, else of the one that is there. */
  index(there: number): number {
    return this.#going?.index ?? there;
  }

  /** Wait for an answer to the edits under way; the kernel must be busy if for long none comes. */
  #watch(): void {
    clearTimeout(this.#watching);
    this.busy = false;
    if (this.#edits === 0 || this.#signal.aborted) return;
    const tire = (): void => {
      // What the kernel does for this widget, such as embedding, it says.
      this.busy = this.state.status === "ready";
      this.#changed();
    };
    this.#watching = setTimeout(tire, BUSY + 10 * (this.state.decode_ms ?? 0));
  }

  #tire(): void {
    this.unanswered = true;
    this.#changed();
  }

  #dropPrompt(seq: number): void {
    this.#draft = { seq, prompt: NO_PROMPT };
  }

  /** Ask for what changes the prompt in a way that only the kernel knows: the next edit waits for it. */
  async #lead(body: Body): Promise<void> {
    this.#draft = null;
    const done = this.#request(body);
    this.#unknownPrompt = done;
    await done;
    if (this.#unknownPrompt === done) this.#unknownPrompt = null;
  }

  async #sayHello(): Promise<void> {
    this.#hello = { open: true, revision: this.state.revision };
    const patience = setTimeout(() => this.#tire(), PATIENCE);
    this.#signal.addEventListener("abort", () => clearTimeout(patience), { once: true });
    await this.#request({ type: "hello" });
    clearTimeout(patience);
    this.unanswered = false;
    this.#hello.open = false;
    this.#resync();
  }

  /** Send a request; returns once its answer and the state it led to have arrived. */
  async #request(body: Body, sent?: (seq: number) => void): Promise<void> {
    if (this.lost || this.saved || (this.#going && body.type !== "show" && body.type !== "hello")) return;
    const { seq, answer } = this.#transport.send(body);
    sent?.(seq);
    // A search takes as long as it takes; that is no work that anybody waits for.
    const search = body.type === "everything";
    const open = search ? 0 : 1;
    this.#open += open;
    this.#changed();
    const edit = body.type === "hello" || search ? 0 : 1;
    this.#edits += edit;
    this.#watch();
    const heard = await answer;
    this.#edits -= edit;
    this.#watch();
    if (heard.revision > this.state.revision && !this.lost)
      await new Promise<void>((arrive) => this.#early.push({ revision: heard.revision, arrive }));
    this.#open -= open;
    this.#settle(heard, body.type === "hello");
    this.#changed();
  }

  #settle(answer: Answer, hello: boolean): void {
    this.answered = Math.max(this.answered, answer.seq);
    if (this.#draft?.seq === answer.seq) this.#draft = null;
    if (this.#choice?.seq === answer.seq) this.#choice = null;
    if (this.#settings?.seq === answer.seq) this.#settings = null;
    if (this.#going?.seq === answer.seq) this.#going = null;
    if (answer.outcome === "error") this.failure = answer.error ?? "The kernel refused the request without saying why.";
    else if (answer.outcome === "done" && !hello && !this.lost) this.failure = null;
  }

  #setState(state: State): void {
    // The trait repeats what came with masks.
    if (state.revision <= this.state.revision) return;
    const before = namedMasks(this.state);
    this.state = state;
    this.#found();
    if (!this.saved) this.#transport.follow(state.direct);
    this.tiles.show(state.image);
    const now = namedMasks(state);
    for (const id of before) if (!now.has(id)) this.masks.delete(id);
    this.#early = this.#early.filter(({ revision, arrive }) => {
      if (revision <= state.revision) arrive();
      return revision > state.revision;
    });
    this.#resync();
    this.#changed();
  }

  /** Ask again for what the state names and this view lacks, once for each state. */
  #resync(): void {
    const { revision } = this.state;
    const lacking = [...namedMasks(this.state)].some((id) => !this.masks.has(id));
    if (lacking && !this.#hello.open && this.#hello.revision !== revision && !this.lost) void this.#sayHello();
  }

  #receiveMasks(message: Masks, buffers: Uint8Array[]): void {
    this.#found();
    message.masks.forEach(({ id, width, height }: MaskData, i) => {
      if (this.masks.has(id)) return;
      try {
        this.masks.set(id, unpackMask(buffers[i], width, height));
      } catch (error) {
        this.failure = `A mask from the kernel could not be read: ${reason(error)}`;
      }
    });
    const named = namedMasks(this.state);
    const unnamed = [...this.masks.keys()].filter((id) => !named.has(id));
    for (const id of unnamed.slice(0, -MOST_UNNAMED)) this.masks.delete(id);
    if (message.state) this.#setState(message.state);
    else this.#changed();
  }

  #receivePreview({ seq, width, height, score }: PreviewMask, [bytes]: Uint8Array[]): void {
    this.#found();
    try {
      this.#previews.get(seq)?.({ mask: unpackMask(bytes, width, height), score });
    } catch {
      // Nothing to show, then; as an answer it ends the wait.
    }
  }

  async #tile(place: Place, rendering: RenderingData): Promise<Bitmap | null> {
    if (this.#picture) {
      const whole = place.level === (this.state.image?.levels ?? 0) - 1;
      return whole ? await this.#decodeTile(this.#picture.bytes, this.#picture.mime) : null;
    }
    if (this.lost) return null;
    const { seq, answer } = this.#transport.send({ type: "tile", ...place, rendering });
    const picture = new Promise<Bitmap | null>((resolve) => {
      this.#pictures.set(seq, (bytes, mime) => resolve(this.#decodeTile(bytes, mime)));
      void answer.then(({ outcome, error }) => {
        // The picture comes before its answer, so whoever still waits now waits in vain.
        if (!this.#pictures.delete(seq)) return;
        if (outcome === "error" && !this.lost) this.failure = error;
        resolve(null);
      });
    });
    return await picture;
  }

  async #decodeTile(bytes: Uint8Array, mime: string): Promise<Bitmap | null> {
    try {
      return await this.#decode(bytes, mime);
    } catch (error) {
      this.failure = `A part of the photo (${mime}) could not be decoded: ${reason(error)}`;
      return null;
    }
  }

  #receiveTile({ seq, mime }: TilePicture, [bytes]: Uint8Array[]): void {
    this.#found();
    const take = this.#pictures.get(seq);
    this.#pictures.delete(seq);
    take?.(bytes, mime);
  }

  #receiveFile({ seq, name, mime }: FileMessage, [bytes]: Uint8Array[]): void {
    this.#found();
    this.#files.get(seq)?.({ name, mime, bytes });
  }

  #lose(why: string): void {
    this.lost = true;
    this.failure = why;
    for (const { arrive } of this.#early.splice(0)) arrive();
    this.#changed();
  }

  /** Something came from the kernel, so it is there. */
  #found(): void {
    if (!this.lost) return;
    this.failure = null;
    this.lost = false;
    this.tiles.retry();
  }
}

export function isEmpty(prompt: PromptData): boolean {
  const { points, boxes, strokes, mask } = prompt;
  return points.length + boxes.length + strokes.length === 0 && mask === null;
}

export function samePrompt(a: PromptData, b: PromptData): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

function namedMasks(state: State): Set<string> {
  const found = state.everything?.found ?? [];
  return new Set([...state.candidates, ...state.objects, ...found].map((item) => item.mask));
}

/** The trait may be empty: before the kernel's first word, or in a notebook saved without its widgets. */
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
