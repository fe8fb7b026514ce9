/** Tiles of the page's photo, as `image/pyramid.py` cuts them. */

import type { ImageData, Tile } from "../protocol";

/** Encodes tiles of a photo, which is decoded once. */
export function tilesOf(
  picture: Uint8Array,
  mime: string,
  image: ImageData,
): (tile: Tile) => Promise<{ bytes: Uint8Array; mime: string }> {
  const decoding = createImageBitmap(new Blob([picture as BlobPart], { type: mime }));
  return async ({ level, column, row }) => {
    if (image.levels === 1) return { bytes: picture.slice(), mime };
    const bitmap = await decoding;
    const scale = 2 ** level;
    // The last level is a single tile.
    const side = level === image.levels - 1 ? Math.max(image.width, image.height) : image.tile * scale;
    const [x, y] = [column * side, row * side];
    const [width, height] = [Math.min(side, image.width - x), Math.min(side, image.height - y)];
    const canvas = new OffscreenCanvas(Math.ceil(width / scale), Math.ceil(height / scale));
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser cannot draw outside the page");
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, x, y, width, height, 0, 0, canvas.width, canvas.height);
    const blob = await canvas.convertToBlob({ type: "image/png" });
    return { bytes: new Uint8Array(await blob.arrayBuffer()), mime: "image/png" };
  };
}
