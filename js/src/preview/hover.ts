/**
 * Previews before an edit: while the pointer moves with no button down, and when a button is pressed, which predicts
 * the request of its release. Pure: no DOM, no clock.
 */

import { distance, type Vec } from "../geometry/geometry";
import type { PointData, PromptData } from "../protocol";
import { NO_PROMPT, samePrompt } from "../state/prompt";
import type { Preview } from "../state/store";

/** The answer for a place: to the current prompt with a point there. */
interface Known extends Preview {
  readonly point: PointData;
}

/** What `follow` must know about the rest of the view. */
export interface Situation {
  readonly prompt: PromptData;
  /** Whether hovering is switched on and the current tool prompts. */
  readonly active: boolean;
  /** Whether the kernel is free. */
  readonly ready: boolean;
  /** Whether the masks of the prompt have not arrived yet. */
  readonly pending: boolean;
  /** Identifies the source of answers; those of another source are dropped. */
  readonly source: string;
}

/** Hovering is on by default if an answer takes at most this long, in milliseconds. */
const FAST = 80;
/** A press requests early if an answer takes at most this long, in milliseconds: a drag's request waits for it. */
const PROMPT = 250;
/**
 * Distance, in CSS pixels, within which a known answer is good enough. Less than the pixel by which a mouse moves, so
 * that it only absorbs trembling, and a click that moves to the place of a known answer does not visibly move.
 */
const NEAR = 0.75;
/** After a click the pointer has to move this far, in CSS pixels, before more is asked. */
const REST = 4;
/** Number of answers remembered for the current prompt. */
const MOST_KNOWN = 32;

export function onByDefault(decodeMs: number | null): boolean {
  return decodeMs !== null && decodeMs <= FAST;
}

/** Whether a press asks for the mask of its point before the release. */
export function asksAtPress(decodeMs: number | null): boolean {
  return decodeMs !== null && decodeMs <= PROMPT;
}

/** The place of a probe's answer, which belongs to a whole prompt and not to a point. */
const NOWHERE: PointData = { x: -1, y: -1, label: 1 };

/** What must be redrawn: the mask under the pointer, or that of the prompt. */
export type Stale = "hover" | "masks";

/** Where the pointer is, as far as hovering goes. */
type Pointer =
  /** Not over the photo, or busy with something else. */
  | { readonly name: "away" }
  | { readonly name: "over"; readonly point: PointData }
  /** At a click just made: it must move slightly before the next request. */
  | { readonly name: "resting"; readonly from: Vec };

/** What decides which mask is shown. */
type Phase =
  /** The place of the pointer. */
  | { readonly name: "free" }
  /** A button that is down, and the point that its release may add. */
  | { readonly name: "pressed"; readonly promised: PointData | null }
  /**
   * A click has changed the prompt: what is shown stays until the new prompt's own masks are there. If the answer to
   * what the press promised arrives before those, it is shown until then.
   */
  | { readonly name: "held"; readonly promised: PointData | null }
  /** A prompt that is being changed by hand, and the version of it last asked about. */
  | { readonly name: "probing"; readonly prompt: PromptData; readonly asked: PromptData | null };

const FREE: Phase = { name: "free" };
const AWAY: Pointer = { name: "away" };

/** While the pointer moves, at most one request is open and one waiting, which asks about where the pointer is then. */
export class Hover {
  /** The mask to show under the pointer. */
  shown: Known | null = null;
  /** The mask to show for the prompt that a click has made, until that prompt's own masks are there. */
  taken: Known | null = null;
  readonly #ask: (prompt: PromptData) => Promise<Preview | null>;
  readonly #changed: (stale: Stale) => void;
  readonly #later: (go: () => void) => void;
  #prompt = NO_PROMPT;
  #source = "";
  #active = false;
  #ready = false;
  /** CSS pixels per image pixel. */
  #scale = 1;
  #pointer = AWAY;
  #phase = FREE;
  /** The request about the pointer's place or about a probe: scheduled, or sent and not yet answered. */
  #request: "none" | "due" | "open" = "none";
  /** Answers to the current prompt with one more point, newest first. */
  #known: Known[] = [];

  /**
   * @param ask Asks the kernel for the mask of a prompt.
   * @param changed Told what has to be redrawn.
   * @param later Calls back when it is time for the next request, at once if waiting gains nothing.
   */
  constructor(
    ask: (prompt: PromptData) => Promise<Preview | null>,
    changed: (stale: Stale) => void,
    later: (go: () => void) => void = (go) => go(),
  ) {
    this.#ask = ask;
    this.#changed = changed;
    this.#later = later;
  }

  /** Where the pointer is, in image pixels; null while nothing is asked about it. */
  get at(): PointData | null {
    return this.#pointer.name === "over" ? this.#pointer.point : null;
  }

  /** Follow changes in the rest of the view; send a request if they make it possible. */
  follow({ prompt, active, ready, pending, source }: Situation): void {
    this.#active = active;
    this.#ready = ready;
    if (!samePrompt(prompt, this.#prompt) || source !== this.#source) {
      this.#prompt = prompt;
      this.#source = source;
      this.#known = [];
      if (!this.#held) this.#show(null);
    }
    if (!pending) {
      this.#take(null);
      if (this.#held) {
        this.#phase = FREE;
        this.#show(null);
      }
    }
    if (!active) this.#rise();
    this.#pump();
  }

  /** The pointer is here, and no button is down. */
  move(point: PointData, scale: number): void {
    if (!this.#active) return;
    if (this.#phase.name === "pressed") this.#phase = FREE;
    if (this.#pointer.name === "resting" && distance(this.#pointer.from, point) * scale <= REST) return;
    if (!this.at) this.#changed("hover");
    this.#pointer = { name: "over", point };
    this.#scale = scale;
    this.#pump();
  }

  /** The label of a click has changed. */
  relabel(label: 0 | 1): void {
    if (this.at && this.at.label !== label) this.move({ ...this.at, label }, this.#scale);
  }

  /** The pointer is gone, or busy with something else. */
  leave(): void {
    if (this.#phase.name === "pressed") this.#phase = FREE;
    this.#rise();
  }

  /**
   * A button is down: stop asking where the pointer moves. What is shown stays until it is clear what the press means.
   * If it may add a point, ask for its mask at once: a button is held longer than the answer takes.
   */
  press(point: PointData | null = null, scale = this.#scale): void {
    this.#lift();
    this.#scale = scale;
    if (this.#phase.name === "probing") return;
    if (this.#held) {
      this.#phase = { name: "held", promised: point };
      return;
    }
    this.#phase = { name: "pressed", promised: point };
    if (!point) return;
    const known = this.#find(point);
    if (!known && this.#ready) void this.#promise(point);
    else if (known && this.#active) this.#show(known);
  }

  /**
   * A point is about to be added to the prompt. Returns it, or the nearby point whose answer is known: its mask then is
   * the prompt's, until that prompt's own masks are there. Anything else that is shown stays as long.
   */
  take(point: PointData, scale: number): PointData {
    this.#scale = scale;
    const known = this.#find(point);
    const promised = known ? null : this.#promised;
    const kept = promised?.label === point.label && this.#near(promised, point) ? promised : null;
    const shown = this.shown?.point.label === point.label;
    const held = known !== undefined || kept !== null || this.taken !== null || shown;
    this.#phase = held ? { name: "held", promised: kept } : FREE;
    this.#pointer = { name: "resting", from: point };
    if (known || !shown) this.#show(null);
    if (known) this.#take(known);
    return known?.point ?? point;
  }

  /** Show what a prompt gives while it is being changed by hand, such as by dragging one of its points. */
  probe(prompt: PromptData): void {
    if (!this.#active) return;
    this.#lift();
    this.#phase = { name: "probing", prompt, asked: this.#phase.name === "probing" ? this.#phase.asked : null };
    this.#pump();
  }

  /** The change is over. If it counts, what is shown stays until the new prompt's masks are there. */
  endProbe(counts: boolean): void {
    if (this.#phase.name !== "probing") return;
    this.#phase = counts && this.shown ? { name: "held", promised: null } : FREE;
    if (!this.#held) this.#show(null);
  }

  get #held(): boolean {
    return this.#phase.name === "held";
  }

  get #promised(): PointData | null {
    return this.#phase.name === "pressed" || this.#phase.name === "held" ? this.#phase.promised : null;
  }

  #find(point: PointData): Known | undefined {
    return this.#known.find((known) => known.point.label === point.label && this.#near(known.point, point));
  }

  #near(a: Vec, b: Vec): boolean {
    return distance(a, b) <= NEAR / this.#scale;
  }

  /** Stop requesting masks for the pointer's place. */
  #lift(): void {
    if (!this.at) return;
    this.#changed("hover");
    this.#pointer = AWAY;
  }

  /** Nothing is under the pointer now. */
  #rise(): void {
    this.#lift();
    if (!this.#held) this.#show(null);
  }

  #show(known: Known | null): void {
    if (this.shown === known) return;
    this.shown = known;
    this.#changed("hover");
  }

  #take(known: Known | null): void {
    if (this.taken === known) return;
    this.taken = known;
    this.#changed("masks");
  }

  #pump(): void {
    if (this.#phase.name === "probing") {
      const { prompt, asked } = this.#phase;
      if (this.#ready && this.#request !== "open" && prompt !== asked) void this.#askProbe(prompt);
      return;
    }
    const { at } = this;
    if (!at || this.#held) return;
    const known = this.#find(at);
    if (known) this.#show(known);
    else if (this.#ready && this.#request === "none") {
      this.#request = "due";
      this.#later(() => {
        if (this.#request !== "due") return;
        this.#request = "none";
        this.#go();
      });
    }
  }

  /** Request the mask at the pointer's current place, if it is still over the photo. */
  #go(): void {
    const { at } = this;
    if (at && this.#ready && !this.#held && this.#phase.name !== "probing" && !this.#find(at)) void this.#askPoint(at);
  }

  async #askPoint(point: PointData): Promise<void> {
    const [prompt, source] = [this.#prompt, this.#source];
    this.#request = "open";
    const preview = await this.#ask(withPoint(prompt, point));
    this.#request = "none";
    if (prompt === this.#prompt && source === this.#source) this.#learn(point, preview);
    this.#pump();
  }

  async #askProbe(prompt: PromptData): Promise<void> {
    this.#request = "open";
    this.#phase = { name: "probing", prompt, asked: prompt };
    const preview = await this.#ask(prompt);
    this.#request = "none";
    if (preview && this.#phase.name === "probing") this.#show({ ...preview, point: NOWHERE });
    this.#pump();
  }

  /** Request the mask that a press promises, regardless of other requests. */
  async #promise(point: PointData): Promise<void> {
    const [prompt, source] = [this.#prompt, this.#source];
    const preview = await this.#ask(withPoint(prompt, point));
    if (!preview || source !== this.#source) return;
    const promised = this.#promised === point;
    if (promised && this.#held) {
      // The button was released before the answer came; the prompt's masks come later still.
      this.#show(null);
      this.#take({ ...preview, point });
    } else if (prompt === this.#prompt) {
      this.#learn(point, preview);
      if (promised && this.#active) this.#show(this.#known[0]);
    }
  }

  #learn(point: PointData, preview: Preview | null): void {
    if (!preview) {
      // Refused or superseded: asking the same again would not help.
      if (this.at === point) this.leave();
      return;
    }
    const known = { ...preview, point };
    this.#known.unshift(known);
    this.#known.splice(MOST_KNOWN);
    // The pointer may have moved on: until that place has an answer, this is the newest.
    if (this.at && !this.#held && !this.#find(this.at)) this.#show(known);
  }
}

function withPoint(prompt: PromptData, point: PointData): PromptData {
  return { ...prompt, points: [...prompt.points, point] };
}
