/** What this view shows of the photo, and how. */

import {
  centre,
  fitView,
  pan,
  pinch,
  type Size,
  seenOf,
  toFrame,
  type Vec,
  type View,
  zoom,
} from "../geometry/geometry";
import type { Hover } from "../preview/hover";
import { gain } from "../preview/sharpen";
import type { BoxData, RenderingData } from "../protocol";
import type { Display } from "../state/display";
import { MASK_STYLES } from "../state/display";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";
import type { ActionContext } from "./context";

const ZOOM_STEP = 1.4;
/** How many times finer than in the photo things have to be seen for sharpening to be worth it. */
const FINER = 1.05;

/** Look around. */
export class ViewActions {
  readonly #store: Store;
  readonly #ui: Ui;
  readonly #hover: Hover;
  readonly #display: Display;

  constructor({ store, ui, hover, display }: ActionContext) {
    this.#store = store;
    this.#ui = ui;
    this.#hover = hover;
    this.#display = display;
  }

  /** Zoom about a point of the frame: the keyboard cursor or the middle unless told. */
  zoom(factor: number, about?: Vec): void {
    this.look((view, image, frame) => zoom(view, factor, about ?? this.#focus(frame), image, frame));
  }

  zoomIn(): void {
    this.zoom(ZOOM_STEP);
  }

  zoomOut(): void {
    this.zoom(1 / ZOOM_STEP);
  }

  fit(): void {
    this.look((_, image, frame) => fitView(image, frame));
  }

  /** One pixel of the photo to one of the page. */
  actualSize(): void {
    this.zoom(1 / this.#ui.view.scale);
  }

  /** Bring a point of the photo to the middle. */
  centre(at: Vec): void {
    this.look((view, image, frame) => centre(view, at, image, frame));
  }

  /** What two fingers held is where they are now, in frame coordinates. */
  pinch(from: readonly [Vec, Vec], to: readonly [Vec, Vec]): void {
    this.look((view, image, frame) => pinch(view, from, to, image, frame));
  }

  pan(dx: number, dy: number): void {
    this.look((view, image, frame) => pan(view, dx, dy, image, frame));
  }

  #focus(frame: Size): Vec {
    const { cursor, cursorMoved, view } = this.#ui;
    if (cursor && cursorMoved) return toFrame(view, cursor);
    return { x: frame.width / 2, y: frame.height / 2 };
  }

  look(change: (view: View, image: Size, frame: Size) => View): void {
    const image = this.#store.state.image;
    const { frame, view } = this.#ui;
    // What is under the pointer has moved away, or the keyboard is at work instead.
    this.#hover.leave();
    if (image && frame) this.#ui.set({ view: change(view, image, frame) });
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
}
