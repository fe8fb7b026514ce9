/**
 * Accepted objects, on a canvas of their own, so that a click draws none of them. Few are drawn in every frame in which
 * the view moves; many move as one picture, and are drawn again when the view comes to rest.
 */

import type { Size, View } from "../geometry/geometry";
import { createLayer, fitLayer, hasChanged, type Layer, show, start } from "./layer";
import { drawOutlines, type Look, Painter } from "./masks";

/** So many objects are drawn within a frame. */
export const MANY = 100;
/** Milliseconds without a move after which the view is at rest. */
const REST = 120;
/** How far the picture reaches beyond the frame, as a share of it, so that a move shows what was outside. */
const MARGIN = 0.25;

interface Picture {
  readonly looks: readonly Look[];
  readonly view: View;
  readonly frame: Size;
  readonly ratio: number;
}

export class ObjectLayer {
  readonly #layer = createLayer("objects");
  readonly element = this.#layer.element;
  readonly #sheet: Layer = createLayer("sheet");
  readonly #painter = new Painter();
  readonly #redraw: () => void;
  #picture: Picture | null = null;
  #rest: ReturnType<typeof setTimeout> | undefined;
  #resting = false;

  /** `redraw` asks for another frame. */
  constructor(redraw: () => void, signal: AbortSignal) {
    this.#redraw = redraw;
    signal.addEventListener("abort", () => clearTimeout(this.#rest), { once: true });
  }

  draw(looks: readonly Look[], view: View, frame: Size, ratio: number): void {
    fitLayer(this.#layer, frame.width, frame.height, ratio);
    const resting = this.#resting;
    this.#resting = false;
    if (!hasChanged(this.#layer, [looks, view, frame, ratio]) && !resting) return;
    show(this.#layer, looks.length > 0);
    const pen = start(this.#layer, ratio);
    if (looks.length === 0) return;
    if (looks.length <= MANY) {
      this.#picture = null;
      this.#paint(pen, looks, view, frame, ratio);
      return;
    }
    const known = this.#picture;
    const moves = known?.looks === looks && known.frame === frame && known.ratio === ratio && !resting;
    if (moves) this.#waitForRest();
    else this.#picture = this.#draw(looks, view, frame, ratio);
    this.#place(pen, view, ratio);
  }

  /** Draw the objects in the frame and around it. */
  #draw(looks: readonly Look[], view: View, frame: Size, ratio: number): Picture {
    // In whole device pixels: at rest the picture is copied, not resampled.
    const [left, top] = [frame.width, frame.height].map((side) => Math.round(MARGIN * side * ratio) / ratio);
    const size = { width: frame.width + 2 * left, height: frame.height + 2 * top };
    fitLayer(this.#sheet, size.width, size.height, ratio);
    const shifted = { ...view, x: view.x + left, y: view.y + top };
    this.#paint(start(this.#sheet, ratio), looks, shifted, size, ratio);
    return { looks, view: shifted, frame, ratio };
  }

  #paint(pen: CanvasRenderingContext2D, looks: readonly Look[], view: View, frame: Size, ratio: number): void {
    if (looks.some((look) => look.fill > 0)) this.#painter.fill(pen, looks, view, ratio);
    drawOutlines(pen, looks, view, frame, ratio);
  }

  /** Put the picture where a view has it. */
  #place(pen: CanvasRenderingContext2D, view: View, ratio: number): void {
    if (!this.#picture) return;
    const { view: then } = this.#picture;
    const { width, height } = this.#sheet.element;
    const scale = view.scale / then.scale;
    pen.setTransform(scale, 0, 0, scale, ratio * (view.x - then.x * scale), ratio * (view.y - then.y * scale));
    pen.drawImage(this.#sheet.element, 0, 0, width, height);
  }

  #waitForRest(): void {
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => {
      this.#resting = true;
      this.#redraw();
    }, REST);
  }
}
