/** Whether the kernel is busy with something else: it leaves edits of a view unanswered for long. */

import type { State } from "../protocol";

/** Milliseconds, plus ten times what a decode takes, after which the kernel must be busy with something else. */
const BUSY = 2000;

export class Watch {
  busy = false;

  /** Open requests that change something. */
  #edits = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #state: () => State;
  readonly #changed: () => void;
  readonly #signal: AbortSignal;

  constructor(state: () => State, changed: () => void, signal: AbortSignal) {
    this.#state = state;
    this.#changed = changed;
    this.#signal = signal;
    signal.addEventListener("abort", () => clearTimeout(this.#timer), { once: true });
  }

  /** So many edits have been sent. */
  sent(edits: number): void {
    this.#edits += edits;
    this.#restart();
  }

  /** So many edits have been answered. */
  answered(edits: number): void {
    this.#edits -= edits;
    this.#restart();
  }

  #restart(): void {
    clearTimeout(this.#timer);
    this.busy = false;
    if (this.#edits === 0 || this.#signal.aborted) return;
    const tire = (): void => {
      // Work of the kernel for this widget, such as embedding, is shown in its status.
      this.busy = this.#state().status === "ready";
      this.#changed();
    };
    this.#timer = setTimeout(tire, BUSY + 10 * (this.#state().decode_ms ?? 0));
  }
}
