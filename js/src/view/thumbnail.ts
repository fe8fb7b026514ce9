/** A candidate in small: the mask in the photo's own colours, what is around it dimmed. */

import { clamp } from "../geometry";
import { CANDIDATE } from "../palette";
import type { BoxData } from "../protocol";
import { type Mask, paint, rgba } from "../runs";
import type { Picture } from "../store";

/** Side in canvas pixels: twice what is shown, for screens of high density. */
export const THUMBNAIL = 176;

const DIM = rgba("#0b1016", 0.68);
const TINT = rgba(CANDIDATE, 0.22);

/** Draw the square of the photo around `around`, the same for all candidates so that they compare. */
export function drawThumbnail(
  canvas: HTMLCanvasElement,
  picture: Picture<ImageBitmap> | null,
  mask: Mask | null,
  around: BoxData | null,
): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const size = canvas.width;
  context.clearRect(0, 0, size, size);
  if (!picture || !mask || !around) return;
  const longer = Math.max(around.x1 - around.x0, around.y1 - around.y0);
  const side = Math.max(longer * 1.2, Math.min(picture.width, picture.height) / 5);
  const left = within((around.x0 + around.x1 - side) / 2, side, picture.width);
  const top = within((around.y0 + around.y1 - side) / 2, side, picture.height);
  const [sx, sy] = [picture.bitmap.width / picture.width, picture.bitmap.height / picture.height];
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.bitmap, left * sx, top * sy, side * sx, side * sy, 0, 0, size, size);

  const layer = new ImageData(size, size);
  const pixels = new Uint32Array(layer.data.buffer);
  pixels.fill(DIM);
  paint(mask, { pixels, width: size, height: size, left, top, step: side / size }, TINT);
  const overlay = document.createElement("canvas");
  overlay.width = overlay.height = size;
  overlay.getContext("2d")?.putImageData(layer, 0, 0);
  context.drawImage(overlay, 0, 0);
}

/** Shift a stretch into the image if it fits there, else centre it. */
function within(start: number, length: number, room: number): number {
  return length <= room ? clamp(start, 0, room - length) : (room - length) / 2;
}
