/** Accepted objects: change one or those picked, find everything, export. */

import type { Vec } from "../geometry/geometry";
import { objectsAt, picked } from "../geometry/picking";
import { download } from "../kernel/download";
import type { Export } from "../protocol";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";
import type { ActionContext } from "./context";

/** Change the objects. */
export class ObjectActions {
  readonly #store: Store;
  readonly #ui: Ui;

  constructor({ store, ui }: ActionContext) {
    this.#store = store;
    this.#ui = ui;
  }

  remove(object: string): void {
    void this.#store.remove([object]);
  }

  rename(object: string, label: string): void {
    void this.#store.rename([object], label);
  }

  recolor(object: string, color: number): void {
    void this.#store.recolor(object, color);
  }

  /** Edit an accepted object again; by default the newest. */
  editObject(object = this.#store.state.objects.at(-1)?.id): void {
    this.#ui.set({ selected: null, label: "" });
    if (object !== undefined) void this.#store.editObject(object);
  }

  /** Mark or unmark an object in the list. */
  mark(object: string, marked: boolean): void {
    const others = this.#ui.marked.filter((id) => id !== object);
    this.#ui.set({ marked: marked ? [...others, object] : others });
  }

  /** Pick the object at a point; a second pick there takes the next larger one. `several` toggles it instead. */
  pick(at: Vec, several = this.#ui.pickSeveral): void {
    this.#ui.set({ marked: picked(this.#objectsAt(at), this.#ui.marked, several) });
  }

  pickAll(): void {
    this.#ui.set({ marked: this.#store.state.objects.map((object) => object.id) });
  }

  /** Highlight the object that a click at this point would pick. */
  pointAt(at: Vec | null): void {
    const highlight = at ? (this.#objectsAt(at)[0] ?? null) : null;
    if (highlight !== this.#ui.highlight) this.#ui.set({ highlight });
  }

  #objectsAt(at: Vec): string[] {
    return objectsAt(this.#store.state.objects, (id) => this.#store.mask(id), at);
  }

  /** Merge the picked objects. */
  merge(): void {
    const { marked } = this.#ui;
    if (marked.length < 2) return;
    // The first one becomes the merged object.
    this.#ui.set({ marked: marked.slice(0, 1) });
    void this.#store.merge([...marked]);
  }

  /** Subtract the second picked object from the first. */
  subtract(): void {
    const [object, other] = this.#ui.marked;
    this.#ui.set({ marked: [] });
    void this.#store.subtract(object, other);
  }

  /** Give the picked objects a label. */
  label(label: string): void {
    if (label.trim() && this.#ui.marked.length) void this.#store.rename([...this.#ui.marked], label.trim());
  }

  /** Remove the picked objects. */
  removeMarked(): void {
    const { marked } = this.#ui;
    if (!marked.length) return;
    this.#ui.set({ marked: [] });
    void this.#store.remove([...marked]);
  }

  /** Remove all objects except the picked ones. */
  keepMarked(): void {
    const { marked } = this.#ui;
    const others = this.#store.state.objects.map((object) => object.id).filter((id) => !marked.includes(id));
    if (!marked.length || !others.length) return;
    void this.#store.remove(others);
  }

  everything(): void {
    void this.#store.everything(this.#ui.grid);
  }

  /** Stop the search for everything; the masks found so far are kept. */
  cancel(): void {
    void this.#store.cancel();
  }

  /** Download the objects in a format. */
  async export(format: Export["format"]): Promise<void> {
    const file = await this.#store.export(format);
    if (file) download(file);
  }

  /** Pick the next or the previous object. */
  pickNext(step: 1 | -1): void {
    const ids = this.#store.state.objects.map((object) => object.id);
    const last = ids.indexOf(this.#ui.marked.at(-1) ?? "");
    const next = last < 0 ? (step > 0 ? 0 : ids.length - 1) : (last + step + ids.length) % ids.length;
    this.#ui.set({ marked: ids.slice(next, next + 1) });
  }
}
