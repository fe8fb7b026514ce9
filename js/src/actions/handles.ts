/** Parts of the prompt that can be selected, moved and removed. */

import { reveal, type Vec } from "../geometry/geometry";
import {
  allHandles,
  type Handle,
  handleName,
  hasHandle,
  moved,
  placeOf,
  removed,
  sameHandle,
} from "../geometry/handles";
import type { Hover } from "../preview/hover";
import type { PromptData } from "../protocol";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";
import type { ActionContext } from "./context";
import type { HoverActions } from "./hovering";
import type { ViewActions } from "./view";

/** Select, move and remove parts of the prompt. */
export class HandleActions {
  readonly #store: Store;
  readonly #ui: Ui;
  readonly #hover: Hover;
  readonly #hovering: HoverActions;
  readonly #view: ViewActions;

  constructor({ store, ui, hover }: ActionContext, hovering: HoverActions, view: ViewActions) {
    this.#store = store;
    this.#ui = ui;
    this.#hover = hover;
    this.#hovering = hovering;
    this.#view = view;
  }

  /** The selected handle, if it still exists. */
  get selected(): Handle | null {
    const { selected } = this.#ui;
    return selected && hasHandle(this.prompt, selected) ? selected : null;
  }

  /** The prompt as drawn, including the move of a handle. */
  get prompt(): PromptData {
    return this.#ui.moving ?? this.#store.prompt;
  }

  select(handle: Handle | null): void {
    this.#hover.leave();
    this.#ui.set({ selected: handle, cursorMoved: false });
  }

  /** Show a handle moved by image pixels, and request previews of the mask. Nothing changes before `drop`. */
  carry(from: PromptData, handle: Handle, by: Vec): void {
    const { image } = this.#store.state;
    if (!image) return;
    const moving = moved(from, handle, by, image);
    this.#ui.set({ moving, selected: handle, cursorMoved: false });
    if (this.#hovering.on) this.#hover.probe(moving);
  }

  /** End the move: commit it as one edit, or revert it. */
  drop(counts = true): void {
    const { moving } = this.#ui;
    if (!moving) return;
    this.#hover.endProbe(counts);
    this.#ui.set({ moving: null });
    if (counts) void this.#store.edit(() => moving);
  }

  get selectedName(): string {
    return this.selected ? handleName(this.prompt, this.selected) : "";
  }

  /** Select the next point, corner, box or stroke, and bring it into view. */
  selectNext(step: 1 | -1): void {
    const { prompt } = this;
    const all = allHandles(prompt);
    if (!all.length) return;
    const from = all.findIndex((handle) => sameHandle(handle, this.selected));
    const to = from < 0 ? (step > 0 ? 0 : all.length - 1) : (from + step + all.length) % all.length;
    this.select(all[to]);
    this.#view.look((view, image, frame) => reveal(view, placeOf(prompt, all[to]), image, frame));
  }

  /** Remove the selection from the prompt. */
  removeSelected(): void {
    const { selected } = this;
    if (!selected) return;
    this.#ui.set({ selected: null });
    void this.#store.edit((prompt) => (hasHandle(prompt, selected) ? removed(prompt, selected) : prompt));
  }
}
