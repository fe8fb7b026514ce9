/** A Web Worker in the kernel's place, for a view. */

import type { FromWorker, ToWorker } from "../local/worker";
import type { PlaceData, Request } from "../protocol";

/** The worker's first message. */
type Opened = Extract<FromWorker, { state: unknown }>;
type Callback = (...args: unknown[]) => void;

/** The part of an anywidget model that the front end uses. */
export class PageModel {
  readonly #worker: Worker;
  readonly #traits: Record<string, unknown>;
  readonly #listeners = new Map<string, Set<Callback>>();

  /** A page with several photos is a gallery, with the photos' names. */
  constructor(worker: Worker, { state, place, abilities }: Opened, names: readonly string[]) {
    this.#worker = worker;
    this.#traits = { state, abilities, ...(names.length > 1 && { place, gallery: { names } }) };
  }

  get(key: string): unknown {
    return this.#traits[key];
  }

  setPlace(place: PlaceData): void {
    if (!("place" in this.#traits)) return;
    this.#traits.place = place;
    this.emit("change:place");
  }

  send(request: unknown): void {
    post(this.#worker, { request: request as Request });
  }

  /** Let prompts name a mask, given its logits; the event `named` has the name. */
  addLogits(logits: Float32Array): void {
    post(this.#worker, { logits });
  }

  on(event: string, callback: Callback): void {
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(callback));
  }

  off(event: string, callback: Callback): void {
    this.#listeners.get(event)?.delete(callback);
  }

  emit(event: string, ...args: unknown[]): void {
    for (const callback of this.#listeners.get(event) ?? []) callback(...args);
  }
}

export function post(worker: Worker, message: ToWorker, given: readonly Uint8Array[] = []): void {
  worker.postMessage(
    message,
    given.map(({ buffer }) => buffer as ArrayBuffer),
  );
}
