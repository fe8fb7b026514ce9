/** A data engine: its stages, jobs and check. */

import type { Vec } from "../geometry/geometry";
import { objectsAt } from "../geometry/picking";
import type { EngineData } from "../protocol";
import type { Engine } from "../state/engine";
import type { Gallery } from "../state/gallery";
import type { Steering, Store } from "../state/store";
import type { Ui } from "../state/ui";
import type { ActionContext } from "./context";
import type { GalleryActions } from "./gallery";

export type Button = EngineData["buttons"][number];

export class EngineActions {
  readonly #store: Store;
  readonly #ui: Ui;
  readonly #gallery: Gallery;
  readonly #engine: Engine;
  readonly #images: GalleryActions;

  constructor({ store, ui, gallery, engine }: ActionContext, images: GalleryActions) {
    this.#store = store;
    this.#ui = ui;
    this.#gallery = gallery;
    this.#engine = engine;
    this.#images = images;
  }

  /** Whether filled-in masks can be rejected with a key: not while it has another meaning. */
  get rejects(): boolean {
    return (this.#engine.data?.stage ?? 1) > 1 && this.#ui.tool !== "brush" && this.#ui.tool !== "lasso";
  }

  stage(stage: number): void {
    void this.#store.steer({ type: "go_to_stage", stage });
  }

  press(button: Button): void {
    if (button === "done" || button === "next") this.finish();
    else if (button === "tune") void this.#store.steer({ type: "tune" });
    else if (button === "run") void this.#store.steer({ type: "run_automatic" });
    else this.#leave(button === "check" ? { type: "start_check" } : { type: "right" });
  }

  cancel(): void {
    void this.#store.steer({ type: "cancel_job" });
  }

  /** Mark the image as done, and go to the next; an image that is done already is only left. */
  finish(): void {
    this.#leave({ type: "finish" });
  }

  #leave(body: Steering): void {
    this.#images.leave();
    void this.#store.steer(body);
  }

  /** Key "mark as done": also the way back, for an image that is done. */
  toggleDone(): void {
    const { done, index } = this.#gallery.place;
    if (this.#engine.open && !done.includes(index)) this.finish();
    else this.#images.toggleDone();
  }

  /** Remove the object under the pointer, else the one that is picked. */
  reject(): void {
    const { pointer, marked } = this.#ui;
    const there = pointer ? this.#objectsAt(pointer)[0] : undefined;
    const object = there ?? this.#ui.highlight ?? marked.at(-1);
    if (object === undefined) return;
    this.#ui.set({ marked: marked.filter((id) => id !== object), highlight: null });
    void this.#store.remove([object]);
  }

  /** Work on the mask that is being checked. */
  correct(): void {
    const object = this.#engine.checked(this.#gallery.place.index);
    if (object !== null) void this.#store.editObject(object);
  }

  #objectsAt(at: Vec): string[] {
    const { objects } = this.#store.state;
    return objectsAt(objects, (id) => this.#store.mask(id), at);
  }
}
