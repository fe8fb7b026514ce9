/** The images of a gallery. */

import type { Hover } from "../preview/hover";
import type { Gallery } from "../state/gallery";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";
import type { ActionContext } from "./context";
import type { HandleActions } from "./handles";

/** Navigate the images. */
export class GalleryActions {
  readonly #store: Store;
  readonly #ui: Ui;
  readonly #hover: Hover;
  readonly #gallery: Gallery;
  readonly #handles: HandleActions;

  constructor({ store, ui, hover, gallery }: ActionContext, handles: HandleActions) {
    this.#store = store;
    this.#ui = ui;
    this.#hover = hover;
    this.#gallery = gallery;
    this.#handles = handles;
  }

  /** Whether there are other images. */
  get open(): boolean {
    return this.#gallery.open;
  }

  /** Show another image of the gallery. */
  show(index: number): void {
    if (!(index in this.#gallery.names) || index === this.#store.index(this.#gallery.place.index)) return;
    this.leave();
    void this.#store.show(index);
  }

  /** Forget what belongs to the image that is shown. */
  leave(): void {
    this.#hover.leave();
    if (this.#ui.moving) this.#handles.drop(false);
    this.#handles.select(null);
    this.#ui.set({ cursor: null, cursorMoved: false, anchor: null, opposite: null, line: [] });
    this.#ui.set({ like: [], instance: null, pointed: null, marked: [] });
  }

  /** Show the next or the previous image. */
  step(by: 1 | -1): void {
    this.show(this.#store.index(this.#gallery.place.index) + by);
  }

  toggleDone(): void {
    const { done, index } = this.#gallery.place;
    void this.#store.mark(!done.includes(index));
  }

  toggleOverview(): void {
    this.#ui.set({ overviewOpen: !this.#ui.overviewOpen });
  }
}
