/** Whether a part of the photo is worth a separate embedding, and when one is computed automatically. Pure: no DOM. */

import type { Size } from "../geometry/geometry";
import type { BoxData } from "../protocol";

/** The margin that is embedded around the visible part, as a share of it; the same as the kernel's. */
const MARGIN = 0.25;
/** Automatically, a part of the photo is embedded only if that shows it finer by this factor, */
const WORTH = 2;
/** and only if the last embedding is coarser than possible by more than this factor. */
const COARSE = 2;
/** Milliseconds for which the view must be at rest first. */
export const REST = 400;

/** How many times finer an embedding of the visible part is than that of the whole photo. */
export function gain(seen: BoxData, image: Size): number {
  return Math.max(image.width, image.height) / (longest(seen) * (1 + 2 * MARGIN));
}

/** Whether the last embedded part covers the visible part, about as finely as a new one would. */
export function suits(crop: BoxData | null, seen: BoxData): boolean {
  if (!crop) return false;
  const holds = crop.x0 <= seen.x0 && crop.y0 <= seen.y0 && crop.x1 >= seen.x1 && crop.y1 >= seen.y1;
  return holds && longest(crop) <= COARSE * (1 + 2 * MARGIN) * longest(seen);
}

function longest({ x0, y0, x1, y1 }: BoxData): number {
  return Math.max(x1 - x0, y1 - y0);
}

/** What `follow` must know about the rest of the view. */
export interface Situation {
  readonly on: boolean;
  readonly ready: boolean;
  readonly image: Size | null;
  /** The visible part of the photo. */
  readonly seen: BoxData | null;
  /** The part that was embedded last. */
  readonly crop: BoxData | null;
}

/** Requests the visible part once the view is at rest, one request at a time. */
export class Sharpener {
  readonly #ask: (region: BoxData) => Promise<void>;
  #situation: Situation | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = false;
  /** The view came to rest elsewhere before the last answer. */
  #again = false;
  /** The part requested last; requesting it again would change nothing. */
  #asked = "";

  constructor(ask: (region: BoxData) => Promise<void>, signal: AbortSignal) {
    this.#ask = ask;
    signal.addEventListener("abort", () => clearTimeout(this.#timer), { once: true });
  }

  /** Follow changes in the rest of the view. Moving the view restarts the rest period. */
  follow(situation: Situation): void {
    const before = this.#situation;
    this.#situation = situation;
    if (before && same(before, situation)) return;
    clearTimeout(this.#timer);
    if (situation.on && situation.ready) this.#timer = setTimeout(() => void this.#rest(), REST);
  }

  async #rest(): Promise<void> {
    const { image, seen, crop } = this.#situation ?? {};
    this.#again = this.#asking;
    if (this.#asking || !image || !seen || gain(seen, image) < WORTH || suits(crop ?? null, seen)) return;
    const wanted = JSON.stringify([image, seen, crop]);
    if (wanted === this.#asked) return;
    this.#asked = wanted;
    this.#asking = true;
    await this.#ask(seen);
    this.#asking = false;
    if (this.#again) await this.#rest();
  }
}

function same(a: Situation, b: Situation): boolean {
  const where = ({ image, seen, crop }: Situation): string => JSON.stringify([image, seen, crop]);
  return a.on === b.on && a.ready === b.ready && where(a) === where(b);
}
