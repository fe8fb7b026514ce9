/** Lines drawn by hand: strokes of the brush, scribbles and lassos. */

import { clamp, clampPoint, distance, type Vec } from "../geometry/geometry";
import { flat, simplify } from "../geometry/strokes";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";
import type { ActionContext } from "./context";

const BRUSH_STEP = 1.25;
/** Limits of the brush's diameter in CSS pixels. */
export const BRUSH_SIZES = { min: 2, max: 160 };
/** Tolerance, in CSS pixels, when simplifying a drawn line. */
const STRAIGHT = 0.75;
/** A lasso closes when a corner comes this close to the first, in CSS pixels. */
const CLOSES = 10;

/** Draw lines. */
export class LineActions {
  readonly #store: Store;
  readonly #ui: Ui;

  constructor({ store, ui }: ActionContext) {
    this.#store = store;
    this.#ui = ui;
  }

  /** The label of strokes of the brush or the lasso. */
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

  /** Add a corner to the lasso; a corner at the first one closes it. */
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
}
