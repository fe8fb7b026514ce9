/** The labels of objects on the photo: those given by the user, as far as there is space. */

import { type Size, toFrame, type View } from "../geometry/geometry";
import { objectColor } from "../palette";
import type { ObjectData } from "../protocol";
import { isGiven } from "../state/labels";

const HEIGHT = 18;
const PADDING = 6;
/** Width of the coloured bar at the left, which tells whose name it is. */
const BAR = 4;
const WIDEST = 140;

/** A label and the object that it is drawn on. */
export type NamedBox = Pick<ObjectData, "id" | "label" | "box" | "area" | "color">;

/** Draw a name at the top of each object, the largest first, unless it would cover another name. */
export function drawNames(
  pen: CanvasRenderingContext2D,
  objects: readonly NamedBox[],
  lit: (id: string) => boolean,
  view: View,
  frame: Size,
): void {
  pen.font = "500 12px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const drawn: { x: number; y: number; width: number }[] = [];
  const order = objects
    .filter(({ id, label }) => isGiven(label) || lit(id))
    .sort((a, b) => Number(lit(b.id)) - Number(lit(a.id)) || b.area - a.area);
  for (const { label, box, color } of order) {
    const top = toFrame(view, { x: (box.x0 + box.x1) / 2, y: box.y0 });
    const bottom = toFrame(view, { x: 0, y: box.y1 }).y;
    if (bottom < 0 || top.y > frame.height || top.x < 0 || top.x > frame.width) continue;
    const width = Math.min(WIDEST, Math.ceil(pen.measureText(label).width) + 2 * PADDING + BAR);
    const x = Math.round(Math.min(Math.max(top.x - width / 2, 2), frame.width - width - 2));
    const y = Math.round(Math.min(Math.max(top.y + 2, 2), frame.height - HEIGHT - 2));
    const covers = drawn.some(
      (other) => Math.abs(other.y - y) < HEIGHT && x < other.x + other.width && other.x < x + width,
    );
    if (covers) continue;
    drawn.push({ x, y, width });
    pen.fillStyle = "rgb(12 15 20 / .78)";
    pen.fillRect(x, y, width, HEIGHT);
    pen.fillStyle = objectColor(color);
    pen.fillRect(x, y, BAR, HEIGHT);
    pen.fillStyle = "#fff";
    pen.fillText(label, x + BAR + PADDING, y + HEIGHT / 2 + 1, width - BAR - 2 * PADDING);
  }
}
