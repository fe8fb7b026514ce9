/** Whether a part of the photo is worth an embedding of its own, and when one is made by itself. Pure: no DOM. */

import type { Size } from "../geometry/geometry";
import type { BoxData } from "../protocol";

/** As the kernel's own: of what is seen, how much more is embedded on each side. */
const MARGIN = 0.25;
/** By itself, a part of the photo is embedded where it is seen finer by this factor, at least. */
const WORTH = 2;
/** And where the one embedded last is coarser than could be by more than this factor. */
const COARSE = 2;
/** Milliseconds for which the view has to rest before. */
export const REST = 400;

/** How many times finer than in the whole photo things are in an embedding of what is seen. */
export function gain(seen: BoxData, image: Size): number {
  return Math.max(image.width, image.height) / (longest(seen) * (1 + 2 * MARGIN));
}

/** Whether the part embedded last shows all that is seen, and about as finely as another one would. */
export function suits(crop: BoxData | null, seen: BoxData): boolean {
  if (!crop) return false;
  const holds = crop.x0 <= seen.x0 && crop.y0 <= seen.y0 && crop.x1 >= seen.x1 && crop.y1 >= seen.y1;
  return holds && longest(crop) <= COARSE * (1 + 2 * MARGIN) * longest(seen);
}

function longest({ x0, y0, x1, y1 }: BoxData): number {
  return Math.max(x1 - x0, y1 - y0);
}

/** What `follow` must know of the rest of the view. */
export interface Situation {
  readonly on: boolean;
  readonly ready: boolean;
  readonly image: Size | null;
  /** The part of the photo that is to be seen. */
  readonly seen: BoxData | null;
  /** The part that was embedded last. */
  readonly crop: BoxData | null;
}

/** Asks for what is seen once the view rests, one request at a time. */
export class Sharpener {
  readonly #ask: (region: BoxData) => Promise<void>;
  #situation: Situation | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = false;
  /** The view came to rest elsewhere while an answer was waited for. */
  #again = false;
  /** The part asked for last: what came of it is as good as it gets. */
  #asked = "";

  constructor(ask: (region: BoxData) => Promise<void>, signal: AbortSignal) {
    this.#ask = ask;
    signal.addEventListener("abort", () => clearTimeout(this.#timer), { once: true });
  }

  /** Take note of what has changed around; a view that moves begins to rest anew. */
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
