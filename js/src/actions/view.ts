/** The visible part of the photo, and its rendering. */

import {
  centre,
  fitView,
  pan,
  pinch,
  type Size,
  seenOf,
  showBox,
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
/** Sharpening is offered only if its resolution exceeds that of the whole photo by this factor. */
const FINER = 1.05;

/** Navigate the photo. */
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

  /** Zoom about a point of the frame; by default the keyboard cursor or the middle. */
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

  /** Show one pixel of the photo as one CSS pixel. */
  actualSize(): void {
    this.zoom(1 / this.#ui.view.scale);
  }

  /** Centre a point of the photo. */
  centre(at: Vec): void {
    this.look((view, image, frame) => centre(view, at, image, frame));
  }

  /** Bring all of a box into view, if it is not visible already. */
  show(box: BoxData): void {
    this.look((view, image, frame) => showBox(view, box, image, frame));
  }

  /** Two fingers have moved, in frame coordinates: keep the photo under them. */
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
    // The photo moves away under the pointer, or the keyboard is in use instead.
    this.#hover.leave();
    if (image && frame) this.#ui.set({ view: change(view, image, frame) });
  }

  /** How this view maps the photo's values to colours. */
  get rendering(): RenderingData {
    return this.#display.rendering ?? this.#store.state.rendering;
  }

  /** Use this view's rendering for the model. */
  shareRendering(): void {
    void this.#store.render(this.rendering);
    // From now on this view follows the model's rendering, until it is changed again.
    this.#display.set({ rendering: null });
  }

  /** The visible part of the photo; null before there is one. */
  get seen(): BoxData | null {
    const { image } = this.#store.state;
    const { view, frame } = this.#ui;
    return image && frame ? seenOf(view, image, frame) : null;
  }

  /** Whether an embedding of the visible part would be finer than that of the photo. */
  get finer(): boolean {
    const { image } = this.#store.state;
    return image !== null && this.seen !== null && gain(this.seen, image) > FINER;
  }

  /** Whether the visible part can be sharpened or, with the whole photo in view, sharpening can be ended. */
  get canSharpen(): boolean {
    const { lost, saved } = this.#store;
    return !lost && !saved && this.#store.tiles.ready && (this.finer || this.#store.state.crop !== null);
  }

  /** Use a crop of the visible part for prompts inside it; with the whole photo in view, use the whole photo again. */
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
