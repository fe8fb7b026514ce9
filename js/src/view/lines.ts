/** Scribbles, lassos and paint as drawn over the photo, and the handles of a prompt. */

import { toFrame, type Vec } from "../geometry/geometry";
import { allHandles, hasHandle, placeOf } from "../geometry/handles";
import { vertices } from "../geometry/strokes";
import { BACKGROUND, CANDIDATE, FOREGROUND } from "../palette";
import type { PromptData } from "../protocol";
import type { Ui } from "../state/ui";

type Context2D = CanvasRenderingContext2D;

const SQUARE = 4;

/** Draw the prompt's lines and the one being drawn; the context's unit is the CSS pixel. */
export function drawLines(context: Context2D, prompt: PromptData, ui: Ui): void {
  prompt.strokes.forEach((stroke, index) => {
    const selected = ui.selected?.kind === "stroke" && ui.selected.index === index;
    drawLine(context, vertices(stroke.vertices), stroke.label, stroke.closed, ui, selected);
  });
  if (ui.painting) drawPaint(context, ui.painting.line, ui.painting.label, 2 * ui.painting.radius * ui.view.scale, ui);
  if (!ui.line.length) return;
  if (ui.tool === "brush") drawPaint(context, ui.line, ui.lineLabel, ui.brushSize, ui);
  else drawLine(context, ui.opposite ? [...ui.line, ui.opposite] : ui.line, ui.lineLabel, ui.encloses, ui, false);
}

function drawLine(
  context: Context2D,
  line: readonly Vec[],
  label: 0 | 1,
  closed: boolean,
  ui: Ui,
  selected: boolean,
): void {
  const color = label ? FOREGROUND : BACKGROUND;
  context.save();
  trace(context, line, ui);
  if (closed) {
    context.closePath();
    context.fillStyle = `${color}2e`;
    context.fill();
  }
  stroke(context, "#fff", selected ? 7 : 5);
  // Dashes mean background, also to those who cannot see the colour.
  if (!label) context.setLineDash([7, 5]);
  stroke(context, color, selected ? 4 : 2.5);
  context.restore();
}

/** The paint that the kernel has yet to apply: added in the candidate's colour, erased in white. */
function drawPaint(context: Context2D, line: readonly Vec[], label: 0 | 1, width: number, ui: Ui): void {
  context.save();
  context.globalAlpha = 0.5;
  trace(context, line, ui);
  stroke(context, label ? CANDIDATE : "#fff", Math.max(width, 1));
  context.restore();
}

function trace(context: Context2D, line: readonly Vec[], { view }: Ui): void {
  context.lineCap = "round";
  context.lineJoin = "round";
  context.beginPath();
  for (const vertex of line) {
    const { x, y } = toFrame(view, vertex);
    context.lineTo(x, y);
  }
  // A single vertex is a dot: a line to itself.
  if (line.length === 1) context.lineTo(toFrame(view, line[0]).x, toFrame(view, line[0]).y);
}

/** Draw the corners that can be dragged, and a ring around the selected handle. */
export function drawHandles(context: Context2D, prompt: PromptData, ui: Ui): void {
  if (ui.tool !== "point" && ui.tool !== "box") return;
  for (const handle of allHandles(prompt)) {
    if (handle.kind !== "corner") continue;
    const { x, y } = toFrame(ui.view, placeOf(prompt, handle));
    context.beginPath();
    context.rect(x - SQUARE, y - SQUARE, 2 * SQUARE, 2 * SQUARE);
    context.fillStyle = "#fff";
    context.fill();
    stroke(context, FOREGROUND, 1.5);
  }
  const { selected } = ui;
  if (!selected || !hasHandle(prompt, selected)) return;
  const { x, y } = toFrame(ui.view, placeOf(prompt, selected));
  context.beginPath();
  if (selected.kind === "point") context.arc(x, y, 14, 0, 2 * Math.PI);
  else context.rect(x - 9, y - 9, 18, 18);
  stroke(context, "#111", 4.5);
  stroke(context, "#fff", 2.5);
}

function stroke(context: Context2D, color: string, width: number): void {
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
}
