/** The prompt drawn over the photo, at the same size at any zoom. Shapes repeat the information in colours. */

import { toFrame, type Vec, type View } from "../geometry/geometry";
import { BACKGROUND, FOREGROUND } from "../palette";
import type { PromptData } from "../protocol";
import type { Ui } from "../state/ui";
import { drawHandles, drawLines } from "./lines";

const RADIUS = 8;

type Context2D = CanvasRenderingContext2D;

/** Draw points, box, rubber band and keyboard cursor; the context's unit is the CSS pixel. */
export function drawOverlay(context: Context2D, prompt: PromptData, ui: Ui, focused: boolean): void {
  const { view } = ui;
  for (const { x0, y0, x1, y1 } of prompt.boxes) {
    drawBox(
      context,
      toFrame(view, { x: x0, y: y0 }),
      toFrame(view, { x: x1, y: y1 }),
      ui.opposite !== null && ui.anchor !== null && !ui.several,
    );
  }
  drawLines(context, prompt, ui);
  if (ui.anchor && ui.opposite) drawBand(context, view, ui.anchor, ui.opposite);
  else if (ui.anchor) drawCorner(context, toFrame(view, ui.anchor));
  if (ui.cursor && focused) drawCursor(context, toFrame(view, ui.cursor));
  for (const point of prompt.points) drawPoint(context, toFrame(view, point), point.label);
  drawHandles(context, prompt, ui);
}

function drawPoint(context: Context2D, { x, y }: Vec, label: 0 | 1): void {
  const disc = (radius: number, color: string): void => {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = color;
    context.fill();
  };
  disc(RADIUS + 2.5, "rgb(0 0 0 / .35)");
  disc(RADIUS + 1.5, "#fff");
  disc(RADIUS, label ? FOREGROUND : BACKGROUND);
  context.beginPath();
  context.moveTo(x - 4, y);
  context.lineTo(x + 4, y);
  if (label) {
    context.moveTo(x, y - 4);
    context.lineTo(x, y + 4);
  }
  stroke(context, "#fff", 2.2);
}

function drawBox(context: Context2D, a: Vec, b: Vec, replaced: boolean): void {
  context.globalAlpha = replaced ? 0.4 : 1;
  context.beginPath();
  context.rect(a.x, a.y, b.x - a.x, b.y - a.y);
  stroke(context, "#fff", 4);
  stroke(context, FOREGROUND, 2);
  context.globalAlpha = 1;
}

function drawBand(context: Context2D, view: View, from: Vec, to: Vec): void {
  const [a, b] = [toFrame(view, from), toFrame(view, to)];
  context.beginPath();
  context.rect(a.x, a.y, b.x - a.x, b.y - a.y);
  context.fillStyle = "rgb(255 255 255 / .12)";
  context.fill();
  stroke(context, "#fff", 3);
  context.setLineDash([6, 4]);
  stroke(context, "#111", 1.5);
  context.setLineDash([]);
}

function drawCorner(context: Context2D, { x, y }: Vec): void {
  context.beginPath();
  context.moveTo(x + 12, y);
  context.lineTo(x, y);
  context.lineTo(x, y + 12);
  stroke(context, "#fff", 4);
  stroke(context, "#111", 2);
}

function drawCursor(context: Context2D, { x, y }: Vec): void {
  context.beginPath();
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ]) {
    context.moveTo(x + 4 * dx, y + 4 * dy);
    context.lineTo(x + 14 * dx, y + 14 * dy);
  }
  stroke(context, "#fff", 4);
  stroke(context, "#111", 1.8);
  context.beginPath();
  context.arc(x, y, 1.3, 0, 2 * Math.PI);
  stroke(context, "#fff", 1.5);
}

function stroke(context: Context2D, color: string, width: number): void {
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
}
