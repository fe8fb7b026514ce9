/** A data engine: its stage, what to do next, and what was achieved. Closed for other widgets. */

import type { EngineData } from "../protocol";
import type { GalleryModel } from "./gallery";

/** Seconds on one mask after which it is time to move on (paper, section 4). */
export const PATIENCE = 30;

const NUDGE =
  "30 seconds on this mask: accept it as it is, or skip it (Esc) and move on. The paper's annotators did so too.";

export class Engine {
  data: EngineData | null = null;
  /** The ids of the objects that were filled in and not confirmed yet; the same list until it changes. */
  filled: readonly string[] = [];
  readonly #changed: () => void;
  readonly #now: () => number;
  /** When the current mask was begun, in milliseconds; null if no photo is open. */
  #begun: number | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(model: GalleryModel, changed: () => void, signal: AbortSignal, now = (): number => performance.now()) {
    this.#changed = changed;
    this.#now = now;
    const read = (): void => {
      const panel = model.get("panel") as Partial<EngineData> | undefined;
      this.data = Array.isArray(panel?.stages) ? (panel as EngineData) : null;
      const filled = this.data?.filled ?? [];
      if (filled.join() !== this.filled.join()) this.filled = filled;
      this.#follow();
      changed();
    };
    model.on("change:panel", read);
    const end = (): void => {
      model.off("change:panel", read);
      clearTimeout(this.#timer);
    };
    signal.addEventListener("abort", end, { once: true });
    read();
  }

  /** Whether there is a data engine. */
  get open(): boolean {
    return this.data !== null;
  }

  /** Whether the mask that is worked on has taken long. */
  get late(): boolean {
    return this.#begun !== null && this.#now() - this.#begun >= 1000 * PATIENCE;
  }

  /** What to do next; while a mask is worked on for long, to move on. */
  advice(working: boolean): string {
    if (!this.data) return "";
    return working && this.late && this.data.stage < 3 ? NUDGE : this.data.advice;
  }

  /** The object to check next, if it is in this image. */
  checked(image: number): string | null {
    const check = this.data?.check;
    return check && check.image === image ? check.object : null;
  }

  #follow(): void {
    clearTimeout(this.#timer);
    const current = this.data?.current ?? null;
    this.#begun = current === null ? null : this.#now() - 1000 * current;
    if (current !== null && current < PATIENCE) this.#timer = setTimeout(this.#changed, 1000 * (PATIENCE - current));
  }
}
