/** The masks that the state names, counted by how often it does: a change costs what it changes. */

import type { Mask } from "../geometry/runs";

/** What has a mask. */
type Named = { readonly mask: string };

export class NamedMasks {
  readonly #masks = new Map<string, Mask>();
  readonly #names = new Map<string, number>();
  /** Named, and not here. */
  readonly #lacking = new Set<string>();

  get(id: string): Mask | null {
    return this.#masks.get(id) ?? null;
  }

  /** Whether a mask that is named is not here. */
  get lacking(): boolean {
    return this.#lacking.size > 0;
  }

  lacks(id: string): boolean {
    return this.#lacking.has(id);
  }

  /** Keep a mask that is named. */
  set(id: string, mask: Mask): void {
    this.#masks.set(id, mask);
    this.#lacking.delete(id);
  }

  /** Count further names. */
  name(items: readonly Named[]): void {
    for (const { mask: id } of items) {
      this.#names.set(id, (this.#names.get(id) ?? 0) + 1);
      if (!this.#masks.has(id)) this.#lacking.add(id);
    }
  }

  /** Take names back; a mask without a name is forgotten. */
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
