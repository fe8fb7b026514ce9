/** The photo, drawn from the tiles that have arrived. */

import { clamp, type Size, type View } from "../geometry/geometry";
import type { Tile, Tiles } from "../state/tiles";

/** From this many device pixels per photo pixel, photo pixels are drawn as squares. */
const CRISP = 2;

/** Draw the visible part of the photo; the context's unit is the CSS pixel, `ratio` is device pixels per CSS pixel. */
export function drawPicture(
  pen: CanvasRenderingContext2D,
  tiles: Tiles<ImageBitmap>,
  view: View,
  frame: Size,
  ratio: number,
): void {
  const { image } = tiles;
  if (!image) return;
  pen.imageSmoothingEnabled = view.scale * ratio < CRISP;
  pen.imageSmoothingQuality = "medium";
  pen.save();
  pen.beginPath();
  // At an odd edge, the pixels of a coarse level reach beyond the photo.
  pen.rect(view.x, view.y, image.width * view.scale, image.height * view.scale);
  pen.clip();
  for (const tile of tiles.within(view, frame, ratio)) drawTile(pen, tile, image.tile, view, frame, ratio);
  pen.restore();
}

function drawTile(
  pen: CanvasRenderingContext2D,
  { bitmap, level, column, row }: Tile<ImageBitmap>,
  side: number,
  view: View,
  frame: Size,
  ratio: number,
): void {
  // CSS pixels per pixel of the tile.
  const scale = view.scale * 2 ** level;
  const x = stretch(view.x + column * side * scale, scale, bitmap.width, frame.width, ratio);
  const y = stretch(view.y + row * side * scale, scale, bitmap.height, frame.height, ratio);
  if (x && y) pen.drawImage(bitmap, x.from, y.from, x.count, y.count, x.at, y.at, x.length, y.length);
}

/** The visible part of a row of pixels, and its place: on whole device pixels, so that no gap shows. */
function stretch(
  offset: number,
  scale: number,
  pixels: number,
  room: number,
  ratio: number,
): { from: number; count: number; at: number; length: number } | null {
  const from = clamp(Math.floor(-offset / scale) - 1, 0, pixels);
  const to = clamp(Math.ceil((room - offset) / scale) + 1, 0, pixels);
  if (from >= to) return null;
  const at = Math.round((offset + from * scale) * ratio) / ratio;
  const end = Math.round((offset + to * scale) * ratio) / ratio;
  return { from, count: to - from, at, length: end - at };
}
