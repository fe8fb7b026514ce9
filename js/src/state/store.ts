/** The requests of one view, and their expected effects until they are answered. */

import type { Mask } from "../geometry/runs";
import type { Download } from "../kernel/download";
import { unpackMask } from "../kernel/maskcodec";
import type { Body, Reception } from "../kernel/transport";
import type { BoxData, Export, PromptData, RenderingData, SettingsData, State } from "../protocol";
import { Pending } from "./pending";
import { isEmpty, NO_PROMPT, samePrompt } from "./prompt";
import { SearchRequests } from "./search";
import type { RemoteSession } from "./session";
import { Tiles } from "./tiles";
import { Watch } from "./watch";

/** The mask that the kernel would choose for a prompt, and its predicted score. */
export interface Preview {
  readonly mask: Mask;
  readonly score: number;
}

/** What can be asked of a data engine. */
export type Steering = Extract<
  Body,
  { type: "go_to_stage" | "tune" | "run_automatic" | "cancel_job" | "finish" | "start_check" | "right" }
>;

/** Requests that are answered at the end of something long. */
const SEARCHES: ReadonlySet<string> = new Set(["everything", "find", "find_in_all"]);

export class Store<Bitmap = ImageBitmap> {
  /** The parts of the photo that this view has loaded. */
  readonly tiles: Tiles<Bitmap>;
  /** The requests about the search by words and examples. */
  readonly find: SearchRequests;
  readonly #session: RemoteSession<Bitmap>;
  readonly #changed: () => void;
  readonly #draft = new Pending<PromptData>();
  readonly #choice = new Pending<number>();
  readonly #settings = new Pending<SettingsData>();
  /** The image of a gallery that is about to be shown. */
  readonly #going = new Pending<number>();
  /** The kernel's last refusal in its own words, until a request succeeds. */
  #refusal: string | null = null;
  #answered = 0;
  #open = 0;
  /** Searches for everything requested by this view. */
  #searches = 0;
  readonly #watch: Watch;
  /** Open requests such as undo and redo, after which only the kernel knows the prompt. */
  #unknownPrompt: Promise<unknown> | null = null;

  constructor(session: RemoteSession<Bitmap>, changed: () => void, signal: AbortSignal) {
    this.#session = session;
    this.#changed = changed;
    this.#watch = new Watch(() => this.state, changed, signal);
    this.find = new SearchRequests({
      request: (body, sent) => this.#request(body, sent),
      lead: (body) => this.#lead(body),
      search: () => this.state.search,
      changed,
    });
    this.tiles = new Tiles({
      ask: (place, rendering) => session.tile(place, rendering),
      close: (bitmap) => session.releaseTile(bitmap),
      changed,
    });
    let { lost } = session;
    const update = (): void => {
      if (lost && !session.lost) {
        this.#refusal = null;
        this.tiles.retry();
      }
      lost = session.lost;
      this.tiles.show(session.state.image);
      changed();
    };
    session.subscribe(update, signal);
    this.tiles.show(session.state.image);
    signal.addEventListener("abort", () => this.tiles.close(), { once: true });
  }

  get state(): State {
    return this.#session.state;
  }

  /** The kernel has left an edit of this view unanswered for a while: it runs a cell, and the edit waits for it. */
  get busy(): boolean {
    return this.#watch.busy;
  }

  get lost(): boolean {
    return this.#session.lost;
  }

  get saved(): boolean {
    return this.#session.saved;
  }

  /** Whether requests of a type are answered here; a page without a kernel answers some. */
  answers(type: Body["type"]): boolean {
    return this.#session.abilities?.requests.includes(type) ?? true;
  }

  /** Whether files of a format are exported here. */
  exports(format: Export["format"]): boolean {
    return this.#session.abilities?.formats.includes(format) ?? true;
  }

  /** Whether a prompt may have strokes. */
  get takesStrokes(): boolean {
    return this.#session.abilities?.strokes ?? true;
  }

  get unanswered(): boolean {
    return this.#session.unanswered;
  }

  /** The error to display, until a request succeeds. */
  get failure(): string | null {
    return this.#session.failure ?? this.#refusal;
  }

  /** The number of the last own request whose answer, and the state it led to, have arrived. */
  get answered(): number {
    return Math.max(this.#answered, this.#session.greeted);
  }

  /** The prompt to draw and to build on: the one last requested, else the kernel's. */
  get prompt(): PromptData {
    return this.#draft.value ?? this.state.prompt;
  }

  get chosen(): number | null {
    const index = this.#choice.value ?? this.state.chosen;
    return index !== null && index < this.state.candidates.length ? index : null;
  }

  /** Whether the kernel has not answered the drawn prompt yet. */
  get predicting(): boolean {
    return this.#draft.value !== null && !isEmpty(this.#draft.value);
  }

  /** Whether the masks of the drawn prompt have not arrived yet. */
  get pending(): boolean {
    return this.#draft.value !== null && !samePrompt(this.#draft.value, this.state.prompt);
  }

  get canAccept(): boolean {
    return !this.saved && (this.chosen !== null || this.predicting);
  }

  get canClear(): boolean {
    if (this.saved) return false;
    return !isEmpty(this.prompt) || this.state.candidates.length > 0 || this.state.editing !== null;
  }

  /** Whether the kernel could open the image; if not, its message gives the reason, and the tools are disabled. */
  get failed(): boolean {
    return this.state.status === "error";
  }

  /** Whether this view's search for everything is under way. */
  get searching(): boolean {
    return this.#searches > 0;
  }

  get canSearch(): boolean {
    return !this.saved && !this.lost && this.state.image !== null && this.state.status === "ready";
  }

  /** What the view is busy with. */
  get status(): State["status"] {
    if (this.lost) return "error";
    if (this.saved) return this.tiles.ready ? "ready" : this.failure ? "error" : "loading";
    if (this.state.status !== "ready") return this.state.status;
    if (this.state.image && !this.tiles.ready) return this.failure ? "error" : "loading";
    return this.#open || this.#session.opening ? "predicting" : "ready";
  }

  /** Whether a mask that the state names has not arrived. */
  get lacking(): boolean {
    return this.#session.lacking;
  }

  mask(id: string): Mask | null {
    return this.#session.mask(id);
  }

  /** Change the prompt and ask for its masks; it is drawn at once. */
  async edit(change: (prompt: PromptData) => PromptData): Promise<void> {
    while (this.#unknownPrompt) await this.#unknownPrompt;
    if (this.failed) return;
    const prompt = change(this.prompt);
    await this.#request({ type: "predict", prompt }, (seq) => this.#draft.ask(seq, prompt));
  }

  /** Preview the mask of a prompt; null if that is not possible now. Shown neither as an edit nor as activity. */
  async preview(prompt: PromptData): Promise<Preview | null> {
    if (!this.#asks) return null;
    const { content } = await this.#session.send({ type: "preview", prompt }).answer;
    if (content?.message.type !== "preview_mask") return null;
    const { width, height, score } = content.message;
    try {
      return { mask: unpackMask(content.bytes, width, height), score };
    } catch {
      return null;
    }
  }

  /** Change the rendering of the photo for the model. */
  async render(rendering: RenderingData): Promise<void> {
    await this.#request({ type: "render", rendering });
  }

  /** Use a crop of the photo for the prompts inside it; null for the whole photo. */
  async sharpen(region: BoxData | null): Promise<void> {
    await this.#request({ type: "sharpen", region, later: false });
  }

  /** The same for future prompts only: nothing waits for it, and it is not an edit. */
  async sharpenLater(region: BoxData): Promise<void> {
    if (!this.#asks) return;
    const { outcome, error } = await this.#session.send({ type: "sharpen", region, later: true }).answer;
    if (outcome !== "error" || this.lost) return;
    this.#refusal = error;
    this.#changed();
  }

  async choose(index: number): Promise<void> {
    if (index === this.chosen || index >= this.state.candidates.length) return;
    await this.#request({ type: "choose", index }, (seq) => this.#choice.ask(seq, index));
  }

  async accept(label: string): Promise<void> {
    if (this.canAccept) await this.#request({ type: "accept", label }, (seq) => this.#draft.ask(seq, NO_PROMPT));
  }

  async clear(): Promise<void> {
    if (this.canClear) await this.#request({ type: "clear" }, (seq) => this.#draft.ask(seq, NO_PROMPT));
  }

  async undo(): Promise<void> {
    while (this.#unknownPrompt) await this.#unknownPrompt;
    if (this.state.can_undo || this.#draft.value) await this.#lead({ type: "undo" });
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

  /** How masks are made from logits: what was last requested, else the kernel's. */
  get settings(): SettingsData {
    return this.#settings.value ?? this.state.settings;
  }

  /** Change how masks are made from logits. Requests of one gesture are undone together. */
  async adjust(change: Partial<SettingsData>, gesture: string): Promise<void> {
    const settings = { ...this.settings, ...change };
    await this.#request({ type: "adjust", settings, gesture }, (seq) => this.#settings.ask(seq, settings));
  }

  /** Edit an accepted object again. */
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

  /** Find everything; the state reports progress. Returns when it has ended; other requests are not held up. */
  async everything(points_per_side: number): Promise<void> {
    if (!this.canSearch || this.searching || this.state.everything) return;
    this.#searches++;
    await this.#request({ type: "everything", points_per_side });
    this.#searches--;
    this.#changed();
  }

  /** Stop the search for everything. */
  async cancel(): Promise<void> {
    await this.#request({ type: "cancel" });
  }

  /** The objects as a file; null if the kernel refuses. */
  async export(format: Export["format"]): Promise<Download | null> {
    const content = (await this.#request({ type: "export", format }))?.content;
    if (content?.message.type !== "file") return null;
    const { name, mime } = content.message;
    return { name, mime, bytes: content.bytes };
  }

  /** Go to another image of the gallery; until it is loaded, this one cannot be edited. */
  async show(index: number): Promise<void> {
    await this.#request({ type: "show", index }, (seq) => {
      this.#going.ask(seq, index);
      this.#draft.drop();
      this.#choice.drop();
    });
  }

  /** Mark the image of the gallery as done, or as not done. */
  async mark(done: boolean): Promise<void> {
    await this.#request({ type: "mark", done });
  }

  /** Ask something of a data engine; it may show another image. */
  async steer(body: Steering): Promise<void> {
    const leaves = body.type === "finish" || body.type === "start_check" || body.type === "right";
    await this.#request(body, () => {
      if (!leaves) return;
      this.#draft.drop();
      this.#choice.drop();
    });
  }

  /** The number of the image last requested, else of the one that is shown. */
  index(there: number): number {
    return this.#going.value ?? there;
  }

  /** Whether there is a kernel to ask about the image that is shown. */
  get #asks(): boolean {
    return !this.lost && !this.saved && this.#going.value === null;
  }

  /** Request a change of the prompt whose result only the kernel knows; the next edit waits for it. */
  async #lead(body: Body): Promise<void> {
    this.#draft.drop();
    const done = this.#request(body);
    this.#unknownPrompt = done;
    await done;
    if (this.#unknownPrompt === done) this.#unknownPrompt = null;
  }

  /** Send a request. Returns its answer once the state it led to has arrived too; null if it cannot be sent now. */
  async #request(body: Body, sent?: (seq: number) => void): Promise<Reception | null> {
    if (!this.#asks && (this.lost || this.saved || body.type !== "show")) return null;
    const { seq, answer } = this.#session.send(body);
    sent?.(seq);
    // A search may take long, and nothing waits for it.
    const counts = SEARCHES.has(body.type) ? 0 : 1;
    this.#open += counts;
    this.#changed();
    this.#watch.sent(counts);
    const heard = await answer;
    this.#watch.answered(counts);
    await this.#session.until(heard.revision);
    this.#open -= counts;
    this.#settle(heard, body);
    this.#changed();
    return heard;
  }

  #settle({ seq, outcome, error }: Reception, body: Body): void {
    this.#answered = Math.max(this.#answered, seq);
    for (const pending of [this.#draft, this.#choice, this.#settings, this.#going, this.find.sifting])
      pending.settle(seq);
    // Words that are not known are reported next to the field.
    if (body.type === "find" || (body.type === "find_in_all" && body.words.length > 0)) return;
    if (outcome === "error" && !this.lost)
      this.#refusal = error ?? "The kernel refused the request and gave no reason.";
    else if (outcome === "done" && !this.lost) {
      this.#refusal = null;
      this.#session.failure = null;
    }
  }
}
