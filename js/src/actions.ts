/** What a person can do, whatever they do it with: pointer, keyboard and buttons all end here. */

import { type Display, MASK_STYLES } from "./display";
import {
  centre,
  clampPoint,
  contains,
  fitView,
  normaliseBox,
  pan,
  pinch,
  reveal,
  type Size,
  toFrame,
  toImage,
  type Vec,
  type View,
  zoom,
} from "./geometry";
import { type Hover, onByDefault } from "./hover";
import type { RenderingData } from "./protocol";
import type { Store } from "./store";
import type { Tool, Ui } from "./ui";

const ZOOM_STEP = 1.4;

export class Actions {
  readonly #store: Store;
  readonly #ui: Ui;
  readonly #hover: Hover;
  readonly #display: Display;

  constructor(store: Store, ui: Ui, hover: Hover, display: Display) {
    this.#display = display;
    this.#store = store;
    this.#ui = ui;
    this.#hover = hover;
  }

  /** Add a point, in image pixels; outside the photo there is nothing to add it to. */
  point(at: Vec, label: 0 | 1): void {
    const image = this.#store.state.image;
    if (!image || !contains(image, at)) return;
    this.#ui.set({ cursorMoved: false, anchor: null, opposite: null });
    const point = this.#hover.take({ ...clampPoint(image, at), label }, this.#ui.view.scale);
    void this.#store.edit((prompt) => ({ ...prompt, points: [...prompt.points, point] }));
  }

  /** Set the box to the part of the photo between two corners, in image pixels. */
  box(a: Vec, b: Vec): void {
    const image = this.#store.state.image;
    const box = image && normaliseBox(a, b, image);
    this.#ui.set({ cursorMoved: false, anchor: null, opposite: null });
    if (box) void this.#store.edit((prompt) => ({ ...prompt, boxes: [box] }));
  }

  /** Set the first corner of a box, or the second if the first is set: a box without dragging. */
  corner(at: Vec): void {
    const image = this.#store.state.image;
    if (!image || !contains(image, at)) return;
    if (this.#ui.anchor) this.box(this.#ui.anchor, at);
    else this.#ui.set({ anchor: clampPoint(image, at), opposite: null, cursorMoved: false });
  }

  accept(): void {
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
    this.#ui.set({ cursorMoved: false, anchor: null, opposite: null });
    void this.#store.clear();
  }

  remove(object: string): void {
    void this.#store.remove(object);
  }

  rename(object: string, label: string): void {
    void this.#store.rename(object, label);
  }

  tool(tool: Tool): void {
    this.#hover.leave();
    this.#ui.set({ tool, anchor: null, opposite: null });
  }

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

  /** Give up what is under way, innermost first: the help, a box half drawn, the prompt. */
  escape(): void {
    if (this.#ui.helpOpen) this.#ui.set({ helpOpen: false });
    else if (this.#ui.anchor) this.#ui.set({ anchor: null, opposite: null });
    else this.clear();
  }

  /** Enter: place a point where the cursor has been moved to, else accept. */
  confirm(): void {
    const { cursor, cursorMoved, tool } = this.#ui;
    if (!cursor || !cursorMoved) this.accept();
    else if (tool === "box") this.corner(cursor);
    else this.point(cursor, 1);
  }

  /** Place a background point under the keyboard cursor. */
  background(): void {
    if (this.#ui.cursor) this.point(this.#ui.cursor, 0);
  }

  /** Move the keyboard cursor by image pixels; at first it shows up in the middle of what is seen. */
  moveCursor(dx: number, dy: number): void {
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
