/**
 * When to ask, so that an answer comes just before the screen is drawn anew. One that comes earlier waits to be seen,
 * and is by then about where the pointer was. Pure: no DOM, no clock; all times are in milliseconds.
 */

/** Time from one frame to the next, unless they are seen to come sooner. */
const PERIOD = 1000 / 60;
/** No screen is as fast: two callbacks of one frame have about the same time. */
const SHORTEST = 1.5;
/** So many times have to be as short before one is believed. */
const BELIEVED = 3;
/** What an answer needs on the page before the frame that shows it. */
const MARGIN = 1;
/** With fewer answers there is nothing to go by; of older ones nothing is to be learned. */
const FEWEST = 6;
const MOST = 16;
/** Frames that are to be watched in a row, to see how far apart they are. */
const WATCHED = 8;

export class FrameScheduler {
  /** How long answers took, the newest last. */
  readonly #trips: number[] = [];
  /** The shortest times from one frame to the next, sorted. A frame in which nothing changes is none: most are longer. */
  #periods: number[] = Array(BELIEVED).fill(PERIOD);
  /** When the last frame began. */
  #frame = 0;
  #frames = 0;

  /** Whether the next frame is worth waiting for, only to see how soon it comes. */
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

  /** An answer took this long, from the question to the page that can show it. */
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
   * How long before its frame to ask: the time that makes masks least old on average when they are seen, had the last
   * answers taken as long as they did. An answer that takes longer is seen with a later frame.
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
