/** The ring that shows the size of the brush, instead of the mouse pointer. */

import { placeIn } from "../input/place";
import type { Ui } from "../state/ui";
import { h, setAttributes } from "./dom";

export class BrushCursor {
  readonly element = h("div", { class: "sam-brush", "aria-hidden": "true", hidden: true });
  #inside = false;
  #inHand = false;
  #size = 0;
  /** Where the pointer is in the window. */
  #at = { clientX: 0, clientY: 0 };
  #canvas: HTMLElement | null = null;

  /** Whether the ring replaces the pointer. */
  get shown(): boolean {
    return this.#inside && this.#inHand;
  }

  /** Follow a mouse or a pen over the canvas, without redrawing anything. */
  follow(canvas: HTMLElement, signal: AbortSignal): void {
    this.#canvas = canvas;
    const move = (event: PointerEvent): void => {
      if (event.pointerType === "touch") return;
      this.#inside = true;
      this.#at = { clientX: event.clientX, clientY: event.clientY };
      this.#place();
    };
    const leave = (): void => {
      this.#inside = false;
      this.#place();
    };
    canvas.addEventListener("pointermove", move, { signal });
    canvas.addEventListener("pointerleave", leave, { signal });
  }

  update({ tool, brushSize, spaceHeld, panning }: Ui): void {
    this.#inHand = tool === "brush" && !spaceHeld && !panning;
    if (brushSize !== this.#size) {
      this.#size = brushSize;
      this.element.style.width = this.element.style.height = `${brushSize}px`;
    }
    this.#place();
  }

  #place(): void {
    setAttributes(this.element, { hidden: !this.shown });
    // Not with other tools: asking where the canvas is at every move would lay out the page each time.
    if (!this.shown || !this.#canvas) return;
    const { x, y } = placeIn(this.#canvas, this.#at);
    this.element.style.translate = `${x - this.#size / 2}px ${y - this.#size / 2}px`;
  }
}
