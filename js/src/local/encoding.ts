/** Encode a photo that the page was made without: read it, fit it to the model's input, and run the image encoder. */

import { blake2bFinal, blake2bInit, blake2bUpdate } from "blakejs";
import type { ImageData as ImageAbout } from "../protocol";
import type { Frame } from "./model";
import type { Network } from "./network";
import { resized } from "./resizing";
import type { Tensor } from "./safetensors";
import { fitted, type PhotoSize } from "./upscaling";

/** As in `image/pyramid.py`: the most pixels of the last level, and the side of a tile. */
const WHOLE = 2_000_000;
const TILE = 512;

/** Read a photo of any format that the browser knows, upright, on white. */
export async function readPhoto(file: Blob): Promise<ImageData> {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser cannot draw outside the page");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}

/** What the view knows of the photo; its hash is that of `image/reading.py`. */
export function describe({ data, width, height }: ImageData): ImageAbout {
  const pixels = new Uint8Array(3 * width * height);
  const counts = new Uint32Array(256);
  for (let i = 0, k = 0; i < data.length; i += 4)
    for (let c = 0; c < 3; c++) {
      pixels[k++] = data[i + c];
      counts[data[i + c]]++;
    }
  const state = blake2bInit(16);
  blake2bUpdate(state, new TextEncoder().encode(`(${height}, ${width}, 3)`));
  blake2bUpdate(state, pixels);
  const hash = Array.from(blake2bFinal(state), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const shrunk = (side: number, level: number): number => Math.ceil(side / 2 ** level);
  let levels = 1;
  while (shrunk(width, levels - 1) * shrunk(height, levels - 1) > WHOLE) levels++;
  const low = counts.findIndex((count) => count > 0);
  const high = 255 - [...counts].reverse().findIndex((count) => count > 0);
  const values = { dtype: "uint8", channels: 3, low, high, black: 0, white: 255, dark: low, bright: high };
  return { hash, width, height, levels, tile: TILE, values };
}

/** Features of a photo as `features` in `page/networks.py` names them; `padding` is the value beyond the photo. */
export async function encode(
  network: Network,
  { data, width, height }: ImageData,
  frame: Frame,
  padding: readonly number[],
): Promise<Map<string, Tensor>> {
  const inside = fitted({ width, height }, frame);
  return await features(network, resized(data, { width, height }, inside), inside, frame, padding);
}

/** Features of a photo, RGB, that has the size of the model's input. */
export async function features(
  network: Network,
  pixels: Uint8Array | Uint8ClampedArray,
  inside: PhotoSize,
  frame: Frame,
  padding: readonly number[],
): Promise<Map<string, Tensor>> {
  const input = planesOf(pixels, inside, frame.input, padding);
  const found = await network.run({ pixels: { data: input, shape: [1, 3, frame.input, frame.input] } });
  return new Map(
    Object.entries(found).map(([name, values]) => {
      const side = frame.logits / 2 ** Number(name.split(".")[1]);
      return [name, { shape: [side * side, values.length / (side * side)], values }];
    }),
  );
}

/** RGB pixels as three square planes of 0..255. */
function planesOf(
  pixels: Uint8Array | Uint8ClampedArray,
  { width, height }: PhotoSize,
  side: number,
  padding: readonly number[],
): Float32Array {
  const made = new Float32Array(3 * side * side);
  padding.forEach((value, c) => {
    made.fill(value, c * side * side, (c + 1) * side * side);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) made[c * side * side + y * side + x] = pixels[3 * (y * width + x) + c];
  });
  return made;
}
