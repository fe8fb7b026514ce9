/** The masks that the state refers to, with reference counts, so that the cost of an update depends on its changes. */

import type { Mask } from "../geometry/runs";

/** Anything with a mask. */
type Named = { readonly mask: string };

export class NamedMasks {
  readonly #masks = new Map<string, Mask>();
  readonly #names = new Map<string, number>();
  /** Names of missing masks. */
  readonly #lacking = new Set<string>();

  get(id: string): Mask | null {
    return this.#masks.get(id) ?? null;
  }

  /** Whether a mask is missing. */
  get lacking(): boolean {
    return this.#lacking.size > 0;
  }

  lacks(id: string): boolean {
    return this.#lacking.has(id);
  }

  /** Store a mask that the state refers to. */
  set(id: string, mask: Mask): void {
    this.#masks.set(id, mask);
    this.#lacking.delete(id);
  }

  /** Add references. */
  name(items: readonly Named[]): void {
    for (const { mask: id } of items) {
      this.#names.set(id, (this.#names.get(id) ?? 0) + 1);
      if (!this.#masks.has(id)) this.#lacking.add(id);
    }
  }

  /** Remove references; a mask without references is dropped. */
  release(items: readonly Named[]): void {
    for (const { mask: id } of items) {
      const left = (this.#names.get(id) ?? 0) - 1;
      if (left > 0) this.#names.set(id, left);
      else {
        this.#names.delete(id);
        this.#masks.delete(id);
        this.#lacking.delete(id);
      }
    }
  }
}
