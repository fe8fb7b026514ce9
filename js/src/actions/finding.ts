/** Find by words and examples: the field, the threshold, and what is done with the instances. */

import type { Vec } from "../geometry/geometry";
import { covers, picked } from "../geometry/picking";
import { areaOf } from "../geometry/runs";
import type { InstanceData, ObjectData } from "../protocol";
import type { Gallery } from "../state/gallery";
import { newGesture } from "../state/gesture";
import { shownInstances, wordsIn } from "../state/search";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";
import type { ActionContext } from "./context";

/** Milliseconds without typing after which the words are searched for. */
export const PAUSE = 300;

export class FindActions {
  readonly #store: Store;
  readonly #ui: Ui;
  readonly #gallery: Gallery;
  #typing = newGesture();
  #pause: ReturnType<typeof setTimeout> | undefined;
  /** What was last requested, so that a pause does not request it again. */
  #asked = "";

  constructor({ store, ui, gallery }: ActionContext) {
    this.#store = store;
    this.#ui = ui;
    this.#gallery = gallery;
  }

  /** Whether the search is shown: the field, and what was found. */
  get open(): boolean {
    return !this.#store.saved && (this.#ui.finding || this.#store.state.search !== null || this.running);
  }

  /** Whether the image is being searched for the first time. */
  get running(): boolean {
    return this.#store.state.everything?.kind === "find";
  }

  get instances(): readonly InstanceData[] {
    return shownInstances(this.#store.state.search);
  }

  /** The instance that Enter accepts. */
  get selected(): InstanceData | null {
    return this.instances.find(({ id }) => id === this.#ui.instance) ?? null;
  }

  /** The objects that serve as examples. */
  get examples(): ObjectData[] {
    return this.#store.state.objects.filter(({ id }) => this.#ui.like.includes(id));
  }

  /** Move the focus to the field. */
  begin(): void {
    if (this.#store.saved) return;
    this.#typing = newGesture();
    this.#ui.set({ finding: true, focusesWords: true, helpOpen: false });
  }

  /** The field has this text; it is searched for at the next pause. */
  type(words: string): void {
    this.#ui.set({ words });
    this.rest();
    this.#pause = setTimeout(() => this.#find(false), PAUSE);
  }

  /** Do not search at the next pause. */
  rest(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
  }

  /** The field is left: what was typed last is not forgotten. */
  leave(): void {
    if (this.#pause !== undefined) this.#find(false);
    this.#typing = newGesture();
  }

  /** Search for the words in the field at once. */
  search(): void {
    this.#find(true);
    this.#typing = newGesture();
  }

  /** What the field says, for a prompt with points or boxes; null if the model takes no such words, or has them. */
  get phrase(): string | null {
    const { prompt, state } = this.#store;
    const drawn = prompt.points.length + prompt.boxes.length + prompt.strokes.length > 0;
    const words = this.#ui.words.trim();
    return state.takes_words && drawn && words && words !== prompt.words ? words : null;
  }

  /** Segment what the field says where the points and boxes are. */
  withPrompt(): void {
    const words = this.phrase;
    if (words === null) return;
    this.rest();
    void this.#store.edit((prompt) => ({ ...prompt, words }));
  }

  /** Segment whatever is where the points and boxes are. */
  withoutWords(): void {
    void this.#store.edit((prompt) => ({ ...prompt, words: "" }));
  }

  /** Search for more like an object, in addition to the words in the field. */
  more(object: string): void {
    this.#ui.set({ finding: true, like: [...this.#ui.like.filter((id) => id !== object), object] });
    this.search();
  }

  /** Whether there is something to find in all images of a gallery. */
  get canFindInAll(): boolean {
    return this.#gallery.open && (wordsIn(this.#ui.words).length > 0 || this.examples.length > 0);
  }

  /** Find the words and examples in all images of the gallery. */
  inAll(): void {
    if (!this.canFindInAll) return;
    this.rest();
    const like = this.examples.map(({ id }) => id);
    void this.#store.find.findInAll(wordsIn(this.#ui.words), like);
  }

  /** Find more like an object in all images of the gallery. */
  moreInAll(object: string): void {
    if (this.#gallery.open) void this.#store.find.findInAll([], [object]);
  }

  /** Stop finding in all images; what was found is listed. */
  cancelInAll(): void {
    void this.#store.find.stopFindInAll();
  }

  /** No longer list what was found in all images. */
  endInAll(): void {
    void this.#store.find.endFindInAll();
  }

  /** Search without one of the examples. */
  less(object: string): void {
    this.#ui.set({ like: this.#ui.like.filter((id) => id !== object) });
    this.search();
  }

  #find(again: boolean): void {
    this.rest();
    const words = wordsIn(this.#ui.words);
    const like = this.examples.map(({ id }) => id);
    const asked = JSON.stringify([this.#store.state.image?.hash, words, like]);
    if (words.length === 0 && like.length === 0) {
      if (again) void this.#store.find.end();
    } else if (again || asked !== this.#asked || !(this.#store.state.search || this.#store.find.error)) {
      void this.#store.find.find(words, like, this.#typing);
    }
    this.#asked = asked;
  }

  /** End the search, and close the field. */
  end(): void {
    this.rest();
    this.#asked = "";
    if (this.running) void this.#store.cancel();
    this.#ui.set({ finding: false, words: "", like: [], instance: null, pointed: null });
    void this.#store.find.end();
  }

  sift(threshold: number, gesture: string): void {
    if (this.#store.state.search) void this.#store.find.sift(threshold, gesture);
  }

  select(instance: string | null): void {
    this.#ui.set({ instance });
  }

  /** Select the instance so many places further in the list. */
  step(by: number): void {
    const ids = this.instances.map(({ id }) => id);
    const from = ids.indexOf(this.#ui.instance ?? "");
    const to = from < 0 ? 0 : Math.min(Math.max(from + by, 0), ids.length - 1);
    this.select(ids[to] ?? null);
  }

  /** Whether clicks on the photo are about instances; while another mask is being worked on, they are its prompt. */
  get picks(): boolean {
    const { tool, anchor } = this.#ui;
    return (tool === "point" || tool === "box") && !anchor && this.instances.length > 0 && !this.#store.canClear;
  }

  /** The instances that a click here would select: those found first, and the smallest of them first. */
  at(at: Vec): readonly string[] {
    if (!this.picks) return [];
    const there = this.instances.flatMap(({ id, mask: name, found }) => {
      const mask = this.#store.mask(name);
      return mask && covers(mask, at) ? [{ id, found, area: areaOf(mask) }] : [];
    });
    there.sort((a, b) => Number(b.found) - Number(a.found) || a.area - b.area);
    return there.map(({ id }) => id);
  }

  /** Select the instance at a point, or with a second click the next one there; returns whether there is one. */
  pick(at: Vec): boolean {
    const there = this.at(at);
    if (there.length === 0) return false;
    const before = this.#ui.instance === null ? [] : [this.#ui.instance];
    this.#ui.set({ instance: picked(there, before, false)[0], pointed: null, cursorMoved: false });
    return true;
  }

  /** Refuse the instance at a point; returns whether there is one. */
  refuseAt(at: Vec): boolean {
    const there = this.at(at);
    const instance = there.find((id) => id === this.#ui.instance) ?? there[0];
    if (instance === undefined) return false;
    this.#ui.set({ pointed: null, cursorMoved: false });
    this.refuse(instance);
    return true;
  }

  /** Highlight the instance that a click here would select; returns whether there is one. */
  pointAt(at: Vec | null): boolean {
    const pointed = (at && this.at(at)[0]) ?? null;
    if (pointed !== this.#ui.pointed) this.#ui.set({ pointed });
    return pointed !== null;
  }

  /** Accept one instance under its words; by default the selected one. */
  accept(instance = this.#ui.instance): void {
    if (instance === null) return;
    this.#selectAfter(instance);
    void this.#store.find.accept([instance], this.#label);
  }

  /** Accept all that were found. */
  acceptAll(): void {
    if (this.#store.state.search?.instances.some(({ found }) => found)) void this.#store.find.accept([], this.#label);
  }

  /** Make an instance a counter-example; by default the selected one. */
  refuse(instance = this.#ui.instance): void {
    if (instance === null) return;
    this.#selectAfter(instance);
    void this.#store.find.refuse(instance);
  }

  /** Make an instance the prompt, to be corrected by clicks; by default the selected one. */
  refine(instance = this.#ui.instance): void {
    if (instance === null) return;
    // Its words are the label then.
    this.#ui.set({ instance: null, pointed: null, selected: null, label: "" });
    void this.#store.find.refine(instance);
  }

  /** The label of what is found by examples alone: that of the examples. */
  get #label(): string | null {
    const labels = new Set(this.examples.map(({ label }) => label));
    return this.#store.state.search?.words.length || labels.size !== 1 ? null : [...labels][0];
  }

  /** Select what follows an instance that is about to leave the list. */
  #selectAfter(instance: string): void {
    const ids = this.instances.map(({ id }) => id);
    const i = ids.indexOf(instance);
    if (this.#ui.instance === instance) this.select(ids[i + 1] ?? ids[i - 1] ?? null);
  }
}
