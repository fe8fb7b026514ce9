/** The prompt of one mask: points and boxes, the candidates for them, and their acceptance. */

import { clampPoint, contains, normaliseBox, type Vec } from "../geometry/geometry";
import type { Hover } from "../preview/hover";
import type { BoxData, PromptData, SettingsData } from "../protocol";
import { recentLabels } from "../state/labels";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";
import type { ActionContext } from "./context";
import type { HoverActions } from "./hovering";

/** Change the prompt, choose and accept candidates. */
export class PromptActions {
  /** The recent labels, and what they were found in. */
  #recent: { objects: unknown; given: unknown; labels: string[] } = { objects: null, given: null, labels: [] };
  readonly #store: Store;
  readonly #ui: Ui;
  readonly #hover: Hover;
  readonly #hovering: HoverActions;

  constructor({ store, ui, hover }: ActionContext, hovering: HoverActions) {
    this.#store = store;
    this.#ui = ui;
    this.#hover = hover;
    this.#hovering = hovering;
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
    this.#hover.endProbe(box !== null);
    this.#ui.set({ cursorMoved: false, anchor: null, opposite: null, selected: null });
    if (box) void this.#store.edit((prompt) => withBox(prompt, box, add));
  }

  /** Draw a box from its first corner to the pointer, and request previews of its mask. */
  stretch(anchor: Vec, opposite: Vec, add = this.#ui.several): void {
    const image = this.#store.state.image;
    const box = image && normaliseBox(anchor, opposite, image);
    this.#ui.set({ anchor, opposite });
    if (box && this.#hovering.on) this.#hover.probe(withBox(this.#store.prompt, box, add));
  }

  /** Cancel a box that is being drawn. */
  dropBox(): void {
    this.#hover.endProbe(false);
    this.#ui.set({ anchor: null, opposite: null });
  }

  /** Set the first corner of a box, then the second: a box without dragging. */
  corner(at: Vec): void {
    const image = this.#store.state.image;
    if (!image || !contains(image, at)) return;
    if (this.#ui.anchor) this.box(this.#ui.anchor, at);
    else this.#ui.set({ anchor: clampPoint(image, at), opposite: null, cursorMoved: false });
  }

  /** Accept the chosen mask with the label, which is kept for the next one. */
  accept(): void {
    const label = this.#ui.label.trim();
    const labels = this.#ui.labels.includes(label) || !label ? this.#ui.labels : [...this.#ui.labels, label];
    this.#ui.set({ selected: null, labels });
    void this.#store.accept(label);
  }

  /** The labels to choose from. */
  get labels(): string[] {
    const [objects, given] = [this.#store.state.objects, this.#ui.labels];
    if (this.#recent.objects !== objects || this.#recent.given !== given) {
      const labels = recentLabels(
        given,
        objects.map(({ label }) => label),
      );
      this.#recent = { objects, given, labels };
    }
    return this.#recent.labels;
  }

  /** Use one of the recent labels for the next object. */
  useLabel(index: number): void {
    const label = this.labels[index];
    if (label !== undefined) this.#ui.set({ label });
  }

  /** Move the focus to the label field. */
  editLabel(): void {
    this.#ui.set({ focusesLabel: true });
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

function withBox(prompt: PromptData, box: BoxData, add: boolean): PromptData {
  return { ...prompt, boxes: add ? [...prompt.boxes, box] : [box] };
}
