/** The button that sharpens the visible part, and the outline of the sharpened part. */

import { toFrame, type View } from "../geometry/geometry";
import { shortcutFor } from "../input/keyboard";
import type { BoxData } from "../protocol";
import type { Context, Part } from "./context";
import { iconButton, setAttributes } from "./dom";

export function createSharpen(
  { store, actions, signal }: Pick<Context, "store" | "actions" | "signal">,
  focusCanvas: () => void,
): Part {
  const element = iconButton("sharpen", "Sharpen here", "");
  element.addEventListener("click", () => actions.view.sharpen(), { signal });
  return {
    element,
    update() {
      const stops = !actions.view.finer && store.state.crop !== null;
      const able = actions.view.canSharpen;
      const name = stops ? "Stop sharpening" : "Sharpen here";
      const why = able ? "" : store.saved || store.lost ? ": needs a kernel" : ": zoom in first";
      if (!able && element.matches(":focus")) focusCanvas();
      element.disabled = !able;
      setAttributes(element, { hidden: !store.answers("sharpen") });
      setAttributes(element, { "aria-label": name, title: `${name} (${shortcutFor("Sharpen here")})${why}` });
    },
  };
}

/**
 * Draw an edge around the part of the photo that answers prompts in it, and around the part that made the chosen mask
 * if that is a different one. Dashes for future answers, a line for past ones; the unit is the CSS pixel.
 */
export function drawCrops(
  context: CanvasRenderingContext2D,
  crop: BoxData | null,
  answered: BoxData | null,
  view: View,
): void {
  const apart = crop && JSON.stringify(crop) !== JSON.stringify(answered);
  if (apart) drawEdge(context, crop, view, [8, 6]);
  if (answered) drawEdge(context, answered, view, []);
}

function drawEdge(context: CanvasRenderingContext2D, { x0, y0, x1, y1 }: BoxData, view: View, dashes: number[]): void {
  const [a, b] = [toFrame(view, { x: x0, y: y0 }), toFrame(view, { x: x1, y: y1 })];
  // Light on dark, so that it is visible on any photo.
  for (const [color, width, dash] of [
    ["rgb(0 0 0 / .55)", 3.5, []],
    ["#fff", 1.5, dashes],
  ] as const) {
    context.setLineDash([...dash]);
    context.strokeStyle = color;
    context.lineWidth = width;
    context.strokeRect(a.x, a.y, b.x - a.x, b.y - a.y);
  }
  context.setLineDash([]);
}
