/** Open a photo that the page was made without: features from the image encoder, and a session that begins. */

import type { Database } from "sql.js/dist/sql-wasm-browser.js";
import type { ImageData as ImageAbout } from "../protocol";
import { Archive, digest } from "./archive";
import { describe, encode, readPhoto } from "./encoding";
import { ascii } from "./files";
import type { Frame } from "./model";
import type { Network } from "./network";
import type { Tensor } from "./safetensors";

/** A photo of more pixels is not in the session that the page saves, which then names it. */
const MOST_IN_SESSION = 4_000_000;

export interface Dropped {
  readonly archive: Archive;
  readonly features: ReadonlyMap<string, Tensor>;
  readonly image: ImageAbout;
  readonly picture: Uint8Array;
  readonly mime: string;
}

export interface DroppedOptions {
  readonly frame: Frame;
  /** RGB beyond the photo, in the model's input. */
  readonly padding: readonly number[];
  /** A session file of the page's model, without a photo and with one empty state. */
  readonly blank: Database;
  /** Opens the image encoder, once. */
  readonly encoder: () => Promise<Network>;
  readonly progress: (text: string) => void;
}

export async function openDropped(file: Blob, name: string, options: DroppedOptions): Promise<Dropped> {
  const { blank, frame, padding, progress } = options;
  progress("Reading the photo…");
  const photo = await readPhoto(file).catch(() => {
    throw new Error(`${name} cannot be read; choose a photo that this browser shows, such as a JPEG or PNG`);
  });
  const { width, height } = photo;
  progress("Starting the image encoder…");
  const network = await options.encoder();
  progress("Encoding the photo…");
  const features = await encode(network, photo, frame, padding);
  const image = describe(photo);
  const shown = await pictureOf(photo);
  let png: string | null = null;
  if (width * height <= MOST_IN_SESSION) {
    png = digest(`image ${height} ${width} `, shown);
    blank.run("INSERT INTO blobs VALUES (?, 'image', ?, ?, ?)", [png, height, width, shown]);
  }
  // In the order in which Python sorts them, because the file's checksum is over this text.
  const meta = { hash: image.hash, height, name, path: null, png, relative: null, url: null, values: null, width };
  const session = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0"));
  blank.run("UPDATE meta SET value = ? WHERE key = 'image'", [ascii(JSON.stringify(meta))]);
  blank.run("UPDATE meta SET value = ? WHERE key = 'session'", [JSON.stringify(session.join(""))]);
  return { archive: new Archive(blank), features, image, picture: shown, mime: "image/png" };
}

/** The photo as the decoder has seen it: upright, on white. */
async function pictureOf(photo: ImageData): Promise<Uint8Array> {
  const canvas = new OffscreenCanvas(photo.width, photo.height);
  canvas.getContext("2d")?.putImageData(photo, 0, 0);
  return new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
}
