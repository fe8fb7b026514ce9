/** The mask under the pointer, faint, on a layer of its own, and its score in a tag next to its point. */

import { type Size, toFrame, type View } from "../geometry/geometry";
import { CANDIDATE } from "../palette";
import type { Hover } from "../preview/hover";
import type { Display } from "../state/display";
import { h, setAttributes, setText } from "./dom";
import { createLayer, fitLayer, hasChanged, show, start } from "./layer";
import { drawOutlines, type Look, Painter } from "./masks";

/** Opacity of the fill, as a share of the chosen mask's. */
const FILL = 0.7;
const LINE = 1.25;
const OUTLINE_OPACITY = 0.8;
/** Room for the tag, in CSS pixels: it is below and to the right of the pointer if there is this much. */
const TAG = { width: 56, height: 44, right: 14, left: -50, below: 16, above: -32 };

export class HoverLayer {
  readonly #layer = createLayer("hover");
  readonly element = this.#layer.element;
  /** Hidden from screen readers, which would announce it at every move. */
  readonly tag = h("div", { class: "sam-tag", "aria-hidden": "true", hidden: true });
  readonly #painter = new Painter();

  draw({ shown, at }: Hover, view: View, frame: Size, display: Display): void {
    const ratio = window.devicePixelRatio || 1;
    fitLayer(this.#layer, frame.width, frame.height, ratio);
    if (hasChanged(this.#layer, [shown, view, frame, ratio, display.masks, display.opacity])) {
      const pen = start(this.#layer, ratio);
      if (shown) {
        const fill = display.masks === "outline" ? 0 : FILL * display.opacity;
        const look: Look[] = [{ mask: shown.mask, color: CANDIDATE, fill, line: LINE }];
        this.#painter.fill(pen, look, view, ratio);
        pen.globalAlpha = OUTLINE_OPACITY;
        drawOutlines(pen, look, view, frame, ratio);
        pen.globalAlpha = 1;
      }
      show(this.#layer, shown !== null);
    }
    if (shown && at) {
      // It moves with the mask, not with the pointer: between two masks nothing has to be drawn.
      const { x, y } = toFrame(view, shown.point);
      const left = x + (x + TAG.width + TAG.right > frame.width ? TAG.left : TAG.right);
      const top = y + (y + TAG.height > frame.height ? TAG.above : TAG.below);
      this.tag.style.translate = `${left}px ${top}px`;
      setText(this.tag, shown.score.toFixed(2));
    }
    setAttributes(this.tag, { hidden: !shown || !at });
  }
}
