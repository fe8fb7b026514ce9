/** A candidate's thumbnail: the mask in the photo's own colours, its surroundings dimmed. */

import { clamp } from "../geometry/geometry";
import { type Mask, paint, rgba } from "../geometry/runs";
import { CANDIDATE } from "../palette";
import type { BoxData } from "../protocol";
import type { Tiles } from "../state/tiles";
import { h } from "./dom";
import { drawPicture } from "./picture";

/** Side in canvas pixels: twice the shown size, for high-density screens. */
export const THUMBNAIL = 176;

const DIM = rgba("#0b1016", 0.68);
const TINT = rgba(CANDIDATE, 0.22);

/** Masks are painted here before they are drawn over the photo; one for all thumbnails. */
interface Sheet {
  readonly pen: CanvasRenderingContext2D;
  readonly data: ImageData;
  readonly pixels: Uint32Array;
}
let shared: Sheet | null = null;

/** Draw the square of the photo around a box, the same for all candidates so that they can be compared. */
export function drawThumbnail(
  canvas: HTMLCanvasElement,
  tiles: Tiles<ImageBitmap>,
  mask: Mask | null,
  around: BoxData | null,
): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const size = canvas.width;
  context.clearRect(0, 0, size, size);
  const { image } = tiles;
  if (!image || !mask || !around) return;
  const longer = Math.max(around.x1 - around.x0, around.y1 - around.y0);
  const side = Math.max(longer * 1.2, Math.min(image.width, image.height) / 5);
  const left = within((around.x0 + around.x1 - side) / 2, side, image.width);
  const top = within((around.y0 + around.y1 - side) / 2, side, image.height);
  const scale = size / side;
  drawPicture(context, tiles, { scale, x: -left * scale, y: -top * scale }, { width: size, height: size }, 1);

  shared ??= createSheet(size);
  if (!shared) return;
  const { pen, data, pixels } = shared;
  pixels.fill(DIM);
  paint(mask, { pixels, width: size, height: size, left, top, step: side / size }, TINT);
  pen.putImageData(data, 0, 0);
  context.drawImage(pen.canvas, 0, 0);
}

function createSheet(size: number): Sheet | null {
  const pen = h("canvas", { width: size, height: size }).getContext("2d");
  const data = new ImageData(size, size);
  return pen && { pen, data, pixels: new Uint32Array(data.data.buffer) };
}

/** Shift an interval into the image if it fits, else centre it. */
function within(start: number, length: number, room: number): number {
  return length <= room ? clamp(start, 0, room - length) : (room - length) / 2;
}
