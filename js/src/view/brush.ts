/** The ring that shows how much the brush covers, in place of the mouse pointer. */

import type { Ui } from "../ui";
import { h, setAttributes } from "./dom";

export class BrushCursor {
  readonly element = h("div", { class: "sam-brush", "aria-hidden": "true", hidden: true });
  #inside = false;
  #inHand = false;
  #size = 0;
  #at = { x: 0, y: 0 };

  /** Whether the ring stands for the pointer. */
  get shown(): boolean {
    return this.#inside && this.#inHand;
  }

  /** Go where a mouse or a pen goes over the canvas. It moves without anything being drawn anew. */
  follow(canvas: HTMLElement, signal: AbortSignal): void {
    const move = (event: PointerEvent): void => {
      if (event.pointerType === "touch") return;
      const { left, top } = canvas.getBoundingClientRect();
      this.#inside = true;
      this.#at = { x: event.clientX - left, y: event.clientY - top };
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
    const { x, y } = this.#at;
    this.element.style.translate = `${x - this.#size / 2}px ${y - this.#size / 2}px`;
  }
}
