/** What a person can do, whatever they do it with: pointer, keyboard and buttons all end here. */

import {
  centre,
  clamp,
  clampPoint,
  contains,
  distance,
  fitView,
  normaliseBox,
  pan,
  pinch,
  reveal,
  type Size,
  seenOf,
  toFrame,
  toImage,
  type Vec,
  type View,
  zoom,
} from "./geometry/geometry";
import {
  allHandles,
  type Handle,
  handleName,
  hasHandle,
  moved,
  placeOf,
  removed,
  sameHandle,
} from "./geometry/handles";
import { objectsAt, picked } from "./geometry/picking";
import { flat, simplify } from "./geometry/strokes";
import { download } from "./kernel/download";
import { asksAtPress, type Hover, onByDefault } from "./preview/hover";
import { gain } from "./preview/sharpen";
import type { BoxData, Export, PromptData, RenderingData, SettingsData } from "./protocol";
import { type Display, MASK_STYLES } from "./state/display";
import type { Gallery } from "./state/gallery";
import type { Store } from "./state/store";
import type { Tool, Ui } from "./state/ui";

const ZOOM_STEP = 1.4;
const BRUSH_STEP = 1.25;
/** How many times finer than in the photo things have to be seen, to be worth a press of a button. */
const FINER = 1.05;
/** Limits of the brush's diameter in CSS pixels. */
export const BRUSH_SIZES = { min: 2, max: 160 };
/** How far, in CSS pixels, a line that was drawn may be straightened. */
const STRAIGHT = 0.75;
/** How near, in CSS pixels, the last corner of a lasso has to come to the first to close it. */
const CLOSES = 10;

export class Actions {
  readonly #store: Store;
  readonly #ui: Ui;
  readonly #hover: Hover;
  readonly #display: Display;
  readonly #gallery: Gallery;

  constructor(store: Store, ui: Ui, hover: Hover, display: Display, gallery: Gallery) {
    this.#display = display;
    this.#store = store;
    this.#ui = ui;
    this.#hover = hover;
    this.#gallery = gallery;
  }

  /** A button is down where its release would add a point, in image pixels. */
  promise(at: Vec, label: 0 | 1): void {
    const { image, decode_ms } = this.#store.state;
    const asks = image !== null && contains(image, at) && asksAtPress(decode_ms);
    this.#hover.press(asks ? { ...clampPoint(image, at), label } : null, this.#ui.view.scale);
  }

  /** Add a point, in image pixels; outside the photo there is nothing to add it to. */
  point(at: Vec, label: 0 | 1): void {
    const image = this.#store.state.image;
    if (!image || !contains(image, at)) return;
    this.#ui.set({ cursorMoved: false, anchor: null, opposite: null, selected: null });
    const point = this.#hover.take({ ...clampPoint(image, at), label }, this.#ui.view.scale);
    void this.#store.edit((prompt) => ({ ...prompt, points: [...prompt.points, point] }));
  }

  /** Draw a box around the part of the photo between two corners, in image pixels: in place of others, or beside them. */
  box(a: Vec, b: Vec, add = this.#ui.several): void {
    const image = this.#store.state.image;
    const box = image && normaliseBox(a, b, image);
    this.#ui.set({ cursorMoved: false, anchor: null, opposite: null, selected: null });
    const boxes = (old: BoxData[], next: BoxData): BoxData[] => (add ? [...old, next] : [next]);
    if (box) void this.#store.edit((prompt) => ({ ...prompt, boxes: boxes(prompt.boxes, box) }));
  }

  /** Set the first corner of a box, or the second if the first is set: a box without dragging. */
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

  remove(object: string): void {
    void this.#store.remove([object]);
  }

  rename(object: string, label: string): void {
    void this.#store.rename([object], label);
  }

  tool(tool: Tool): void {
    this.#hover.leave();
    this.#ui.set({ tool, anchor: null, opposite: null, line: [], overHandle: false, highlight: null });
  }

  // ------------------------------------------------------------------------------------------------ lines

  /** What the brush or the lasso says of what it touches. */
  get strokeLabel(): 0 | 1 {
    return this.#ui.erase ? 0 : 1;
  }

  toggleErase(): void {
    this.#ui.set({ erase: !this.#ui.erase });
  }

  brushSize(diameter: number): void {
    this.#ui.set({ brushSize: Math.round(clamp(diameter, BRUSH_SIZES.min, BRUSH_SIZES.max)) });
  }

  brushLarger(): void {
    this.brushSize(Math.max(this.#ui.brushSize + 1, this.#ui.brushSize * BRUSH_STEP));
  }

  brushSmaller(): void {
    this.brushSize(Math.min(this.#ui.brushSize - 1, this.#ui.brushSize / BRUSH_STEP));
  }

  /** A line has been drawn: paint with it, or make it part of the prompt. */
  stroke(drawn: readonly Vec[], label: 0 | 1 = this.strokeLabel): void {
    const { image } = this.#store.state;
    const { scale } = this.#ui.view;
    const line = image ? simplify(drawn, STRAIGHT / scale).map((v) => clampPoint(image, v)) : [];
    this.#ui.set({ line: [], opposite: null, cursorMoved: false });
    if (!line.length) return;
    if (this.#ui.tool === "brush" && this.#store.canAccept) void this.#paint(line, label);
    else if (this.#ui.tool === "brush" || !this.#ui.encloses) this.#say(line, label, false);
    else if (line.length > 2) this.#say(line, label, true);
  }

  /** Add a corner to the lasso; back at the first one, it closes. */
  vertex(at: Vec): void {
    const { line, view, encloses } = this.#ui;
    if (!encloses) this.stroke([at]);
    else if (line.length && distance(line[0], at) * view.scale <= CLOSES) this.closeLasso();
    else
      this.#ui.set({
        line: [...line, at],
        lineLabel: line.length ? this.#ui.lineLabel : this.strokeLabel,
        cursorMoved: false,
      });
  }

  closeLasso(): void {
    this.stroke(this.#ui.line, this.#ui.lineLabel);
  }

  async #paint(line: readonly Vec[], label: 0 | 1): Promise<void> {
    const painting = { line, radius: this.#ui.brushSize / 2 / this.#ui.view.scale, label };
    this.#ui.set({ painting });
    await this.#store.brush(flat(line), painting.radius, label);
    if (this.#ui.painting === painting) this.#ui.set({ painting: null });
  }

  #say(line: readonly Vec[], label: 0 | 1, closed: boolean): void {
    const stroke = { vertices: flat(line), label, closed };
    void this.#store.edit((prompt) => ({ ...prompt, strokes: [...prompt.strokes, stroke] }));
  }

  // ------------------------------------------------------------------------------------------------ handles

  /** What is selected, if it is still there. */
  get selected(): Handle | null {
    const { selected } = this.#ui;
    return selected && hasHandle(this.prompt, selected) ? selected : null;
  }

  /** The prompt as it is to be drawn. */
  get prompt(): PromptData {
    return this.#ui.moving ?? this.#store.prompt;
  }

  select(handle: Handle | null): void {
    this.#hover.leave();
    this.#ui.set({ selected: handle, cursorMoved: false });
  }

  /** Select the next point, corner, box or stroke, and bring it into view; with the pick tool, pick the next object. */
  selectNext(step: 1 | -1): void {
    if (this.#ui.tool === "pick") {
      const ids = this.#store.state.objects.map((object) => object.id);
      const last = ids.indexOf(this.#ui.marked.at(-1) ?? "");
      const next = last < 0 ? (step > 0 ? 0 : ids.length - 1) : (last + step + ids.length) % ids.length;
      this.#ui.set({ marked: ids.slice(next, next + 1) });
      return;
    }
    const { prompt } = this;
    const all = allHandles(prompt);
    if (!all.length) return;
    const from = all.findIndex((handle) => sameHandle(handle, this.selected));
    const to = from < 0 ? (step > 0 ? 0 : all.length - 1) : (from + step + all.length) % all.length;
    this.select(all[to]);
    this.#look((view, image, frame) => reveal(view, placeOf(prompt, all[to]), image, frame));
  }

  /** Move a handle by image pixels, to be seen but not to count before `drop`; its mask is asked for on the way. */
  carry(from: PromptData, handle: Handle, by: Vec): void {
    const { image } = this.#store.state;
    if (!image) return;
    const moving = moved(from, handle, by, image);
    this.#ui.set({ moving, selected: handle, cursorMoved: false });
    if (this.hovering) this.#hover.probe(moving);
  }

  /** Let go of what has been carried: now it counts, as one edit; or, if it does not, it is where it was. */
  drop(counts = true): void {
    const { moving } = this.#ui;
    if (!moving) return;
    this.#hover.endProbe(counts);
    this.#ui.set({ moving: null });
    if (counts) void this.#store.edit(() => moving);
  }

  /** Remove what is selected from the prompt; with the pick tool, the picked objects. */
  removeSelected(): void {
    if (this.#ui.tool === "pick") {
      this.removeMarked();
      return;
    }
    const { selected } = this;
    if (!selected) return;
    this.drop(false);
    this.#ui.set({ selected: null });
    void this.#store.edit((prompt) => (hasHandle(prompt, selected) ? removed(prompt, selected) : prompt));
  }

  get selectedName(): string {
    return this.selected ? handleName(this.prompt, this.selected) : "";
  }

  // ------------------------------------------------------------------------------------------------ mask and objects

  refine(): void {
    void this.#store.refine();
  }

  adjust(change: Partial<SettingsData>, gesture: string): void {
    void this.#store.adjust(change, gesture);
  }

  /** Take up an accepted object again: the newest unless told. */
  editObject(object = this.#store.state.objects.at(-1)?.id): void {
    this.#ui.set({ selected: null, label: "" });
    if (object !== undefined) void this.#store.editObject(object);
  }

  /** Mark an object in the list, or take its mark away. */
  mark(object: string, marked: boolean): void {
    const others = this.#ui.marked.filter((id) => id !== object);
    this.#ui.set({ marked: marked ? [...others, object] : others });
  }

  /** Pick the object at a point of the photo, and again there the next larger one; or one more, or one less. */
  pick(at: Vec, several = this.#ui.pickSeveral): void {
    this.#ui.set({ marked: picked(this.#objectsAt(at), this.#ui.marked, several) });
  }

  pickAll(): void {
    this.#ui.set({ marked: this.#store.state.objects.map((object) => object.id) });
  }

  /** The pointer is at a point of the photo with the pick tool: show what a click would pick. */
  pointAt(at: Vec | null): void {
    const highlight = at ? (this.#objectsAt(at)[0] ?? null) : null;
    if (highlight !== this.#ui.highlight) this.#ui.set({ highlight });
  }

  #objectsAt(at: Vec): string[] {
    return objectsAt(this.#store.state.objects, (id) => this.#store.mask(id), at);
  }

  /** Unite the picked objects. */
  merge(): void {
    const { marked } = this.#ui;
    if (marked.length < 2) return;
    // The first of them becomes all of them.
    this.#ui.set({ marked: marked.slice(0, 1) });
    void this.#store.merge([...marked]);
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

  /** Remove all objects but those picked. */
  keepMarked(): void {
    const { marked } = this.#ui;
    const others = this.#store.state.objects.map((object) => object.id).filter((id) => !marked.includes(id));
    if (!marked.length || !others.length) return;
    void this.#store.remove(others);
  }

  everything(): void {
    void this.#store.everything(this.#ui.grid);
  }

  /** Stop looking for everything; what has been found stays. */
  cancel(): void {
    void this.#store.cancel();
  }

  /** Download the objects in a format. */
  async export(format: Export["format"]): Promise<void> {
    const file = await this.#store.export(format);
    if (file) download(file);
  }

  /** Take from the object marked first what the other covers. */
  subtract(): void {
    const [object, other] = this.#ui.marked;
    this.#ui.set({ marked: [] });
    void this.#store.subtract(object, other);
  }

  recolor(object: string, color: number): void {
    void this.#store.recolor(object, color);
  }

  // ------------------------------------------------------------------------------------------------ looking

  /** Whether the mask under the pointer is shown. */
  get hovering(): boolean {
    return this.#ui.hover ?? onByDefault(this.#store.state.decode_ms);
  }

  toggleHover(): void {
    this.#ui.set({ hover: !this.hovering });
  }

  /** The pointer is at a point of the photo, or beside it, with no button pressed. */
  hover(at: Vec, label: 0 | 1): void {
    const image = this.#store.state.image;
    if (!image || !contains(image, at)) this.#hover.leave();
    else this.#hover.move({ ...clampPoint(image, at), label }, this.#ui.view.scale);
  }

  toggleHelp(): void {
    this.#display.set({ open: false });
    this.#ui.set({ helpOpen: !this.#ui.helpOpen });
  }

  /** Whether there are other images to go to. */
  get inGallery(): boolean {
    return this.#gallery.open;
  }

  /** Show another image of the gallery. */
  show(index: number): void {
    if (!(index in this.#gallery.names) || index === this.#store.index(this.#gallery.place.index)) return;
    this.#hover.leave();
    if (this.#ui.moving) this.drop(false);
    this.select(null);
    this.#ui.set({ cursor: null, cursorMoved: false, anchor: null, opposite: null, line: [] });
    void this.#store.show(index);
  }

  /** Show the next image, or the one before. */
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

  /**
   * Give up what is under way, innermost first: the help, a move, a line or box half drawn, a selection, the search for
   * everything, what is picked, the prompt.
   */
  escape(): void {
    const { helpOpen, overviewOpen, moving, anchor, line, marked, tool } = this.#ui;
    if (helpOpen) this.#ui.set({ helpOpen: false });
    else if (overviewOpen) this.#ui.set({ overviewOpen: false });
    else if (moving) this.drop(false);
    else if (anchor || line.length) this.#ui.set({ anchor: null, opposite: null, line: [] });
    else if (this.selected) this.select(null);
    else if (this.#store.state.everything || this.#store.searching) this.cancel();
    else if (tool === "pick" && marked.length) this.#ui.set({ marked: [] });
    else this.clear();
  }

  /** Enter: use the tool where the cursor has been moved to, else close the lasso or accept. */
  confirm(): void {
    const { cursor, cursorMoved, tool, line } = this.#ui;
    if (!cursor || !cursorMoved) {
      if (line.length) this.closeLasso();
      else this.accept();
    } else if (tool === "box") this.corner(cursor);
    else if (tool === "brush") this.stroke([cursor]);
    else if (tool === "lasso") this.vertex(cursor);
    else if (tool === "pick") this.pick(cursor);
    else this.point(cursor, 1);
  }

  /** Place a background point under the keyboard cursor; with the pick tool, pick one more object there. */
  background(): void {
    if (this.#ui.cursor && this.#ui.tool === "pick") this.pick(this.#ui.cursor, true);
    else if (this.#ui.cursor) this.point(this.#ui.cursor, 0);
  }

  /** Move what is selected by image pixels, or the keyboard cursor, which at first is in the middle of what is seen. */
  moveCursor(dx: number, dy: number): void {
    const { selected } = this;
    if (selected) {
      this.carry(this.prompt, selected, { x: dx, y: dy });
      return;
    }
    this.#look((view, image, frame) => {
      const from = this.#ui.cursor ?? toImage(view, { x: frame.width / 2, y: frame.height / 2 });
      // Pixel centres, so that a step is a pixel whatever the zoom.
      const inside = {
        x: Math.min(Math.max(Math.floor(from.x) + dx, 0), image.width - 1) + 0.5,
        y: Math.min(Math.max(Math.floor(from.y) + dy, 0), image.height - 1) + 0.5,
      };
      this.#ui.set({ cursor: inside, cursorMoved: true, opposite: this.#ui.anchor && inside });
      return reveal(view, inside, image, frame);
    });
  }

  /** Zoom about a point of the frame: the keyboard cursor or the middle unless told. */
  zoom(factor: number, about?: Vec): void {
    this.#look((view, image, frame) => zoom(view, factor, about ?? this.#focus(frame), image, frame));
  }

  zoomIn(): void {
    this.zoom(ZOOM_STEP);
  }

  zoomOut(): void {
    this.zoom(1 / ZOOM_STEP);
  }

  fit(): void {
    this.#look((_, image, frame) => fitView(image, frame));
  }

  /** One pixel of the photo to one of the page. */
  actualSize(): void {
    this.zoom(1 / this.#ui.view.scale);
  }

  /** Bring a point of the photo to the middle. */
  centre(at: Vec): void {
    this.#look((view, image, frame) => centre(view, at, image, frame));
  }

  /** What two fingers held is where they are now, in frame coordinates. */
  pinch(from: readonly [Vec, Vec], to: readonly [Vec, Vec]): void {
    this.#look((view, image, frame) => pinch(view, from, to, image, frame));
  }

  /** How the photo's values become colours here. */
  get rendering(): RenderingData {
    return this.#display.rendering ?? this.#store.state.rendering;
  }

  /** Let the model see the photo as this view does. */
  shareRendering(): void {
    void this.#store.render(this.rendering);
    // What the model sees is what is shown from now on, until somebody says otherwise here.
    this.#display.set({ rendering: null });
  }

  /** The part of the photo that is to be seen; null before anything is. */
  get seen(): BoxData | null {
    const { image } = this.#store.state;
    const { view, frame } = this.#ui;
    return image && frame ? seenOf(view, image, frame) : null;
  }

  /** Whether an embedding of what is seen would be finer than that of the photo. */
  get finer(): boolean {
    const { image } = this.#store.state;
    return image !== null && this.seen !== null && gain(this.seen, image) > FINER;
  }

  /** Whether what is seen can be sharpened; or, where it is all of the photo, what was is given up. */
  get canSharpen(): boolean {
    const { lost, saved } = this.#store;
    return !lost && !saved && this.#store.tiles.ready && (this.finer || this.#store.state.crop !== null);
  }

  /** Let what is seen answer the prompts in it; with all of the photo in view, let the photo answer again. */
  sharpen(): void {
    if (this.canSharpen) void this.#store.sharpen(this.finer ? this.seen : null);
  }

  toggleSharpens(): void {
    this.#ui.set({ sharpens: !this.#ui.sharpens });
  }

  nextMaskStyle(): void {
    const next = (MASK_STYLES.indexOf(this.#display.masks) + 1) % MASK_STYLES.length;
    this.#display.set({ masks: MASK_STYLES[next] });
  }

  togglePhoto(): void {
    this.#display.set({ photo: !this.#display.photo });
  }

  toggleFull(): void {
    this.#display.set({ full: !this.#display.full });
  }

  toggleOptions(): void {
    this.#ui.set({ helpOpen: false });
    this.#display.set({ open: !this.#display.open });
  }

  pan(dx: number, dy: number): void {
    this.#look((view, image, frame) => pan(view, dx, dy, image, frame));
  }

  #focus(frame: Size): Vec {
    const { cursor, cursorMoved, view } = this.#ui;
    if (cursor && cursorMoved) return toFrame(view, cursor);
    return { x: frame.width / 2, y: frame.height / 2 };
  }

  #look(change: (view: View, image: Size, frame: Size) => View): void {
    const image = this.#store.state.image;
    const { frame, view } = this.#ui;
    // What is under the pointer has moved away, or the keyboard is at work instead.
    this.#hover.leave();
    if (image && frame) this.#ui.set({ view: change(view, image, frame) });
  }
}
