/** A value that this view has requested. It overrides the kernel's value until the request is answered. */
export class Pending<T> {
  #asked: { readonly seq: number; readonly value: T } | null = null;

  get value(): T | null {
    return this.#asked?.value ?? null;
  }

  /** Set the value of request `seq`, replacing an earlier one. */
  ask(seq: number, value: T): void {
    this.#asked = { seq, value };
  }

  /** Request `seq` has been answered. The value of a later request is kept. */
  settle(seq: number): void {
    if (this.#asked?.seq === seq) this.#asked = null;
  }

  drop(): void {
    this.#asked = null;
  }
}
