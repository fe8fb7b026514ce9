/**
 * What is asked and shown before an edit is: while the pointer moves and no button is pressed, and when one is, for then
 * it is known what its release will ask. Pure: no DOM, no clock.
 */

import { distance, type Vec } from "../geometry/geometry";
import type { PointData, PromptData } from "../protocol";
import { NO_PROMPT, samePrompt } from "../state/prompt";
import type { Preview } from "../state/store";

/** The answer for a place: the prompt that stands, and a point there. */
interface Known extends Preview {
  readonly point: PointData;
}

/** What `follow` must know of the rest of the view. */
export interface Situation {
  readonly prompt: PromptData;
  /** Whether a hover means anything now: it is switched on, and the tool in hand prompts. */
  readonly active: boolean;
  /** Whether the kernel has nothing else to do. */
  readonly ready: boolean;
  /** Whether the masks of the prompt are still to come. */
  readonly pending: boolean;
  /** What answers, in words: answers of another are of no use any more. */
  readonly source: string;
}

/** Hovering is on by default where an answer takes no longer than this, in milliseconds. */
const FAST = 80;
/** A press is worth a question where the answer takes no longer, in milliseconds: what a drag asks would wait for it. */
const PROMPT = 250;
/**
 * How near, in CSS pixels, an answer is good enough. Less than the pixel by which a mouse moves, so that only trembling
 * is spared; and no one sees a click take the place of an answer as near as that, as it does to need no other.
 */
const NEAR = 0.75;
/** After a click, in CSS pixels, the pointer has to move this far to ask for more: until then it points at what is there. */
const REST = 4;
/** Answers remembered for the prompt that stands. */
const MOST_KNOWN = 32;

export function onByDefault(decodeMs: number | null): boolean {
  return decodeMs !== null && decodeMs <= FAST;
}

/** Whether what a press would add is to be asked for before its release. */
export function asksAtPress(decodeMs: number | null): boolean {
  return decodeMs !== null && decodeMs <= PROMPT;
}

/** Where a probe points: nowhere, since it shows what a whole prompt gives. */
const NOWHERE: PointData = { x: -1, y: -1, label: 1 };

/** What has to be drawn anew: the mask under the pointer, or that of the prompt. */
export type Stale = "hover" | "masks";

/** While the pointer moves, at most one request under way and one waiting: for where the pointer is by then. */
export class Hover {
  /** What is to be seen under the pointer. */
  shown: Known | null = null;
  /** What is to be seen as the mask of the prompt that a click has made, until that prompt's own masks are there. */
  taken: Known | null = null;
  /** Where the pointer is, in image pixels; null while that is not to be asked about. */
  at: PointData | null = null;
  readonly #ask: (prompt: PromptData) => Promise<Preview | null>;
  readonly #changed: (stale: Stale) => void;
  readonly #later: (go: () => void) => void;
  #prompt = NO_PROMPT;
  #source = "";
  #active = false;
  #ready = false;
  /** CSS pixels to an image pixel. */
  #scale = 1;
  #asking = false;
  /** A request is to be made as soon as it is time. */
  #due = false;
  /** Answers to the prompt that stands with one more point, newest first. */
  #known: Known[] = [];
  /** A click has made a prompt of what is shown or asked for: it stays until that prompt's own masks are there. */
  #held = false;
  /** What a button that is down would add to the prompt; and after its release, until the prompt's masks are there. */
  #promised: PointData | null = null;
  #rest: Vec | null = null;
  /** A prompt that is being changed by hand, which is asked about in place of what is under the pointer. */
  #probe: PromptData | null = null;
  /** The probe last asked about. */
  #probed: PromptData | null = null;

  /**
   * @param ask Asks the kernel for the mask of a prompt.
   * @param changed Told of what has to be drawn anew.
   * @param later Calls back when it is time for the next request; at once, if nothing is gained by waiting.
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

  /** Take note of what has changed around; ask, if that makes it possible. */
  follow({ prompt, active, ready, pending, source }: Situation): void {
    this.#active = active;
    this.#ready = ready;
    if (!samePrompt(prompt, this.#prompt) || source !== this.#source) {
      this.#prompt = prompt;
      this.#source = source;
      this.#known = [];
      if (!this.#held) this.#show(null);
    }
    if (this.#held && !pending) {
      this.#held = false;
      this.#promised = null;
      this.#show(null);
      this.#take(null);
    }
    if (!active) this.#rise();
    this.#pump();
  }

  /** The pointer is here. */
  move(point: PointData, scale: number): void {
    if (!this.#active) return;
    if (this.#rest && distance(this.#rest, point) * scale <= REST) return;
    this.#rest = null;
    if (!this.at) this.#changed("hover");
    this.at = point;
    this.#scale = scale;
    this.#pump();
  }

  /** The label that a click would have is another one now. */
  relabel(label: 0 | 1): void {
    if (this.at && this.at.label !== label) this.move({ ...this.at, label }, this.#scale);
  }

  /** The pointer is gone, or busy with something else. */
  leave(): void {
    if (!this.#held) this.#promised = null;
    this.#rise();
  }

  /**
   * A button is down: ask no more for where the pointer moves, but what is shown stays until it is clear what the press
   * means. If it may add a point, the answer to that is asked for at once: people hold a button longer than it takes.
   */
  press(point: PointData | null = null, scale = this.#scale): void {
    if (this.at) this.#changed("hover");
    this.at = null;
    this.#promised = point;
    this.#scale = scale;
    if (!point || this.#held) return;
    const known = this.#find(point);
    if (!known && this.#ready) void this.#promise(point);
    else if (known && this.#active) this.#show(known);
  }

  /**
   * A point is about to be added to the prompt. Returns it, or the point in its place of which the answer is known: its
   * mask is then the prompt's, until that prompt's own masks are there. What else is shown stays as long.
   */
  take(point: PointData, scale: number): PointData {
    this.#scale = scale;
    const known = this.#find(point);
    const promised = this.#promised;
    if (known || promised?.label !== point.label || !this.#near(promised, point)) this.#promised = null;
    const shown = this.shown?.point.label === point.label;
    this.#held = known !== undefined || this.#promised !== null || this.taken !== null || shown;
    this.at = null;
    this.#rest = point;
    if (known || !shown) this.#show(null);
    if (known) this.#take(known);
    return known?.point ?? point;
  }

  /** Show what a prompt gives while it is being changed by hand, such as by dragging one of its points. */
  probe(prompt: PromptData): void {
    if (!this.#active) return;
    this.press();
    this.#probe = prompt;
    this.#pump();
  }

  /** The change is over. If it counts, what is shown stays until the new prompt's masks are there. */
  endProbe(counts: boolean): void {
    if (!this.#probe) return;
    this.#probe = null;
    this.#probed = null;
    this.#held = counts && this.shown !== null;
    if (!this.#held) this.#show(null);
  }

  #find(point: PointData): Known | undefined {
    return this.#known.find((known) => known.point.label === point.label && this.#near(known.point, point));
  }

  #near(a: Vec, b: Vec): boolean {
    return distance(a, b) <= NEAR / this.#scale;
  }

  /** Nothing is under the pointer any more. */
  #rise(): void {
    if (this.at) this.#changed("hover");
    this.at = null;
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
    if (this.#probe) {
      if (this.#ready && !this.#asking && this.#probe !== this.#probed) void this.#try(this.#probe);
      return;
    }
    if (!this.at || this.#held) return;
    const known = this.#find(this.at);
    if (known) this.#show(known);
    else if (this.#ready && !this.#asking && !this.#due) {
      this.#due = true;
      this.#later(() => {
        this.#due = false;
        this.#go();
      });
    }
  }

  /** Ask for where the pointer is by now, if that still means anything. */
  #go(): void {
    if (!this.at || this.#held || this.#probe || this.#asking || !this.#ready || this.#find(this.at)) return;
    void this.#request(this.at);
  }

  async #request(point: PointData): Promise<void> {
    const [prompt, source] = [this.#prompt, this.#source];
    this.#asking = true;
    const preview = await this.#ask({ ...prompt, points: [...prompt.points, point] });
    this.#asking = false;
    if (prompt === this.#prompt && source === this.#source) this.#learn(point, preview);
    this.#pump();
  }

  /** Ask what a press promises, whatever else is under way. */
  async #promise(point: PointData): Promise<void> {
    const [prompt, source] = [this.#prompt, this.#source];
    const preview = await this.#ask({ ...prompt, points: [...prompt.points, point] });
    if (!preview || source !== this.#source) return;
    const promised = this.#promised === point;
    if (promised && this.#held) {
      // The button was quicker than the answer, which the prompt's masks still follow.
      this.#show(null);
      this.#take({ ...preview, point });
    } else if (prompt === this.#prompt) {
      this.#learn(point, preview);
      if (promised && this.#active) this.#show(this.#known[0]);
    }
  }

  async #try(prompt: PromptData): Promise<void> {
    this.#asking = true;
    this.#probed = prompt;
    const preview = await this.#ask(prompt);
    this.#asking = false;
    if (preview && this.#probe) this.#show({ ...preview, point: NOWHERE });
    this.#pump();
  }

  #learn(point: PointData, preview: Preview | null): void {
    if (!preview) {
      // Refused, or something else came first: to ask the same again would lead nowhere.
      if (this.at === point) this.leave();
      return;
    }
    const known = { ...preview, point };
    this.#known.unshift(known);
    this.#known.splice(MOST_KNOWN);
    // The pointer may be further by now: until there is an answer for there, this one is the newest.
    if (this.at && !this.#held && !this.#find(this.at)) this.#show(known);
  }
}
