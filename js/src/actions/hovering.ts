/** Previews before a click: the mask under the pointer, and the answer that a press requests early. */

import { clampPoint, contains, type Vec } from "../geometry/geometry";
import type { Hover } from "../preview/hover";
import { asksAtPress, onByDefault } from "../preview/hover";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";
import type { ActionContext } from "./context";

/** Follow the pointer. */
export class HoverActions {
  readonly #store: Store;
  readonly #ui: Ui;
  readonly #hover: Hover;

  constructor({ store, ui, hover }: ActionContext) {
    this.#store = store;
    this.#ui = ui;
    this.#hover = hover;
  }

  /** Whether the mask under the pointer is shown. */
  get on(): boolean {
    return this.#ui.hover ?? onByDefault(this.#store.state.decode_ms);
  }

  /** The reason why hovering is off by default, as a sentence; empty if it is on or was switched by hand. */
  get why(): string {
    const { decode_ms } = this.#store.state;
    if (this.#ui.hover !== null || decode_ms === null || this.on) return "";
    return ` Hover is off: answers take ${Math.round(decode_ms)} ms here.`;
  }

  toggle(): void {
    this.#ui.set({ hover: !this.on });
  }

  /** The pointer is here, in image pixels, inside or outside the photo, with no button pressed. */
  move(at: Vec, label: 0 | 1): void {
    const image = this.#store.state.image;
    if (!image || !contains(image, at)) this.#hover.leave();
    else this.#hover.move({ ...clampPoint(image, at), label }, this.#ui.view.scale);
  }

  /** A button is down where its release would add a point, in image pixels. */
  promise(at: Vec, label: 0 | 1): void {
    const { image, decode_ms } = this.#store.state;
    const asks = image !== null && contains(image, at) && asksAtPress(decode_ms);
    this.#hover.press(asks ? { ...clampPoint(image, at), label } : null, this.#ui.view.scale);
  }
}
