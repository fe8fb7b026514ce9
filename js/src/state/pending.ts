/** A value that this view has asked for. It replaces the kernel's until the request that asks for it is answered. */
export class Pending<T> {
  #asked: { readonly seq: number; readonly value: T } | null = null;

  get value(): T | null {
    return this.#asked?.value ?? null;
  }

  /** Request `seq` asks for a value; an earlier one is forgotten. */
  ask(seq: number, value: T): void {
    this.#asked = { seq, value };
  }

  /** Request `seq` has been answered. A later request's value stays. */
  settle(seq: number): void {
    if (this.#asked?.seq === seq) this.#asked = null;
  }

  drop(): void {
    this.#asked = null;
  }
}
