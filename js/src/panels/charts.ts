/** Charts on a transparent ground, readable in light and dark; as `scatter` in `sam_widget/teach/drawing.py`. */

import { type Colour, css } from "./drawing";
import type { Picture } from "./picture";

export interface Dot {
  readonly x: number;
  readonly y: number;
  readonly colour: Colour;
  readonly mark?: string;
}

const GREY = "rgb(128 128 128)";

/** Points in the unit square, with its diagonal. */
export function scatter(picture: Picture, dots: readonly Dot[], side: number): void {
  const data = new Uint8ClampedArray(4 * side * side);
  picture.show({ width: side, height: side, data }, { draw: (pen) => draw(pen, dots, side) });
}

function draw(pen: CanvasRenderingContext2D, dots: readonly Dot[], side: number): void {
  const [left, top, size] = [34, 8, side - 52];
  const bottom = top + size;
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = pen.strokeStyle = GREY;
  pen.lineWidth = 1;
  for (let tenth = 0; tenth <= 10; tenth += 2) {
    const at = (tenth / 10) * size;
    const text = (tenth / 10).toFixed(1);
    pen.textAlign = "center";
    pen.textBaseline = "top";
    pen.fillText(text, left + at, bottom + 6);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillText(text, left - 6, bottom - at);
    line(pen, left + at, bottom, left + at, bottom + 4);
    line(pen, left - 4, bottom - at, left, bottom - at);
  }
  pen.strokeRect(left, top, size, size);
  line(pen, left, bottom, left + size, top);
  pen.textAlign = "left";
  const within = (value: number): number => Math.min(1, Math.max(0, value)) * size;
  for (const { x, y, colour, mark } of dots) {
    const [cx, cy] = [left + within(x), bottom - within(y)];
    pen.beginPath();
    pen.arc(cx, cy, 5, 0, 2 * Math.PI);
    pen.fillStyle = css(colour);
    pen.fill();
    pen.stroke();
    pen.fillStyle = GREY;
    if (mark) pen.fillText(mark, cx + 7, cy);
  }
}

function line(pen: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}
