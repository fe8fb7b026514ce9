/** The prompt of one mask: points and boxes, the candidates for them, and their acceptance. */

import { clampPoint, contains, normaliseBox, type Vec } from "../geometry/geometry";
import type { Hover } from "../preview/hover";
import type { BoxData, SettingsData } from "../protocol";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";
import type { ActionContext } from "./context";

/** Change the prompt and what is made of it. */
export class PromptActions {
  readonly #store: Store;
  readonly #ui: Ui;
  readonly #hover: Hover;

  constructor({ store, ui, hover }: ActionContext) {
    this.#store = store;
    this.#ui = ui;
    this.#hover = hover;
  }

  /** Add a point, in image pixels. Points outside the photo are ignored. */
  point(at: Vec, label: 0 | 1): void {
    const image = this.#store.state.image;
    if (!image || !contains(image, at)) return;
    this.#ui.set({ cursorMoved: false, anchor: null, opposite: null, selected: null });
    const point = this.#hover.take({ ...clampPoint(image, at), label }, this.#ui.view.scale);
    void this.#store.edit((prompt) => ({ ...prompt, points: [...prompt.points, point] }));
  }

  /** Draw a box between two corners, in image pixels. It replaces the earlier ones, or with `add` joins them. */
  box(a: Vec, b: Vec, add = this.#ui.several): void {
    const image = this.#store.state.image;
    const box = image && normaliseBox(a, b, image);
    this.#ui.set({ cursorMoved: false, anchor: null, opposite: null, selected: null });
    const boxes = (old: BoxData[], next: BoxData): BoxData[] => (add ? [...old, next] : [next]);
    if (box) void this.#store.edit((prompt) => ({ ...prompt, boxes: boxes(prompt.boxes, box) }));
  }

  /** Set the first corner of a box, then the second: a box without dragging. */
  corner(at: Vec): void {
    const image = this.#store.state.image;
    if (!image || !contains(image, at)) return;
    if (this.#ui.anchor) this.box(this.#ui.anchor, at);
    else this.#ui.set({ anchor: clampPoint(image, at), opposite: null, cursorMoved: false });
  }

  accept(): void {
    this.#ui.set({ selected: null });
    void this.#store.accept(this.#ui.label.trim());
  }

  choose(index: number): void {
    void this.#store.choose(index);
  }

  undo(): void {
    void this.#store.undo();
  }

  redo(): void {
    void this.#store.redo();
  }

  clear(): void {
    this.#ui.set({ cursorMoved: false, anchor: null, opposite: null, line: [], selected: null });
    void this.#store.clear();
  }

  refine(): void {
    void this.#store.refine();
  }

  adjust(change: Partial<SettingsData>, gesture: string): void {
    void this.#store.adjust(change, gesture);
  }
}
