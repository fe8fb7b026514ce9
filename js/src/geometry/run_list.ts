/** Collects the row runs of a mask in a buffer that is used again; plain arrays were most of a click's garbage. Pure. */

export class RunList {
  #values = new Uint32Array(1024);
  #length = 0;

  /** Start again, with nothing collected. */
  empty(): this {
    this.#length = 0;
    return this;
  }

  push(start: number, length: number): void {
    if (this.#length === this.#values.length) {
      const grown = new Uint32Array(2 * this.#length);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length++] = start;
    this.#values[this.#length++] = length;
  }

  /** Lengthen the last run, if this one begins where it ends, in the same row of a mask of this width. */
  join(start: number, length: number, width: number): void {
    const last = this.#length - 2;
    if (last >= 0 && start % width && this.#values[last] + this.#values[last + 1] === start)
      this.#values[last + 1] += length;
    else this.push(start, length);
  }

  /** A copy of the runs, as in `Mask.runs`. */
  get runs(): Uint32Array {
    return this.#values.slice(0, this.#length);
  }
}
