/**
 * Schedules requests so that answers arrive just before the next frame. An earlier answer has to wait, and then shows
 * the mask of an outdated pointer position. Pure: no DOM, no clock; all times are in milliseconds.
 */

/** Time between frames, unless a shorter time is measured. */
const PERIOD = 1000 / 60;
/** Shorter times are two callbacks of one frame. */
const SHORTEST = 1.5;
/** A period counts once this many have been as short. */
const BELIEVED = 3;
/** Time that the page needs between an answer and the frame that shows it. */
const MARGIN = 1;
/** How many of the last answers are needed, and used, for an estimate. */
const FEWEST = 6;
const MOST = 16;
/** Frames to watch in a row at first, to measure the time between them. */
const WATCHED = 8;

export class FrameScheduler {
  /** How long answers took, the newest last. */
  readonly #trips: number[] = [];
  /** The shortest times between frames, sorted. Unchanged frames make no callback, so most times are longer. */
  #periods: number[] = Array(BELIEVED).fill(PERIOD);
  /** When the last frame began. */
  #frame = 0;
  #frames = 0;

  /** Whether to request the next frame only to measure when it comes. */
  get watches(): boolean {
    return this.#frames < WATCHED;
  }

  get #period(): number {
    return this.#periods[BELIEVED - 1];
  }

  /** A frame begins. */
  frame(time: number): void {
    const period = time - this.#frame;
    if (period > SHORTEST) this.#periods = [...this.#periods, period].sort((a, b) => a - b).slice(0, BELIEVED);
    this.#frame = time;
    this.#frames++;
  }

  /** An answer took this long, from the request to the page being able to show it. */
  answered(trip: number): void {
    this.#trips.push(trip);
    if (this.#trips.length > MOST) this.#trips.shift();
  }

  /** How long to wait before asking. */
  wait(now: number): number {
    if (this.#trips.length < FEWEST) return 0;
    const early = (now + this.#allowance() + MARGIN - this.#frame) % this.#period;
    return early === 0 ? 0 : this.#period - early;
  }

  /**
   * The lead time of a request before its frame: the one that would have minimised the average age of the last answers
   * when shown. An answer that takes longer is shown in a later frame.
   */
  #allowance(): number {
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const allowance of this.#trips) {
      let age = 0;
      for (const trip of this.#trips)
        age += allowance + this.#period * Math.ceil(Math.max(0, trip - allowance) / this.#period);
      if (age < least) [least, best] = [age, allowance];
    }
    return best;
  }
}
