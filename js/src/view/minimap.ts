/** The whole photo in small while only a part is in view, with a frame around it. Drag in it to look elsewhere. */

import { fitView, isZoomed, minimapSize, seenOf } from "../geometry/geometry";
import { placeIn } from "../input/place";
import type { Context } from "./context";
import { h, setAttributes } from "./dom";
import { createLayer, fitLayer, hasChanged, start } from "./layer";
import { type Look, Painter } from "./masks";

export interface Minimap {
  readonly element: HTMLElement;
  /** Draw objects and candidates. */
  draw(those: readonly Look[], offered: readonly Look[]): void;
}

export function createMinimap({ store, ui, display, actions, signal }: Omit<Context, "focusCanvas">): Minimap {
  const layer = createLayer("minimap");
  const marks = createLayer("minimap-masks");
  const painter = new Painter();
  const frame = h("div", { class: "sam-minimap-frame" });
  // For the pointer only: the keyboard has arrow keys, plus and minus.
  const element = h(
    "div",
    { class: "sam-minimap", "aria-hidden": "true", hidden: true },
    layer.element,
    marks.element,
    frame,
  );
  const look = (event: PointerEvent): void => {
    const { image } = store.state;
    if (!image) return;
    const { x, y } = placeIn(layer.element, event);
    const scale = layer.element.offsetHeight / image.height;
    actions.view.centre({ x: x / scale, y: y / scale });
  };
  const down = (event: PointerEvent): void => {
    element.setPointerCapture(event.pointerId);
    look(event);
  };
  const move = (event: PointerEvent): void => {
    if (element.hasPointerCapture(event.pointerId)) look(event);
  };
  element.addEventListener("pointerdown", down, { signal });
  element.addEventListener("pointermove", move, { signal });
  // The focus stays where it is.
  element.addEventListener("mousedown", (event) => event.preventDefault(), { signal });

  return {
    element,
    draw(those, offered) {
      const { image } = store.state;
      const whole = store.tiles.whole;
      const shown = image && whole && ui.frame && isZoomed(ui.view, image, ui.frame);
      setAttributes(element, { hidden: !shown });
      if (!shown || !image || !whole || !ui.frame) return;
      const size = minimapSize(image, ui.frame);
      const ratio = window.devicePixelRatio || 1;
      for (const one of [layer, marks]) fitLayer(one, size.width, size.height, ratio);
      const { style } = element;
      [style.width, style.height] = [`${size.width}px`, `${size.height}px`];
      if (hasChanged(layer, [whole.bitmap, size.width, size.height, ratio, display.photo])) {
        const pen = start(layer, ratio);
        pen.imageSmoothingQuality = "high";
        if (display.photo) pen.drawImage(whole.bitmap, 0, 0, size.width, size.height);
      }
      const from = [those, ...offered.flatMap((one) => [one.mask, one.color]), size.width, size.height, ratio];
      if (hasChanged(marks, from)) {
        const filled = [...those, ...offered].map((one) => ({ ...one, fill: one.dashed ? 0 : 0.6 }));
        painter.fill(start(marks, ratio), filled, fitView(image, size), ratio);
      }
      const seen = seenOf(ui.view, image, ui.frame);
      const scale = size.width / image.width;
      frame.style.translate = `${seen.x0 * scale}px ${seen.y0 * scale}px`;
      frame.style.width = `${Math.max(6, (seen.x1 - seen.x0) * scale)}px`;
      frame.style.height = `${Math.max(6, (seen.y1 - seen.y0) * scale)}px`;
    },
  };
}
