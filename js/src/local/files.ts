/** The files that a page exports, as `sam_widget.export` writes them: COCO and label maps. Pure. */

import { zlibSync } from "fflate";
import type { Mask } from "../geometry/runs";
import type { BoxData } from "../protocol";

export interface Exported {
  readonly label: string;
  readonly mask: Mask;
  readonly area: number;
  readonly box: BoxData;
  readonly score: number | null;
}

/** COCO instances of one photo, masks as compressed RLE. */
export function coco(name: string, { width, height }: Mask, objects: readonly Exported[]): Uint8Array {
  const names = [...new Set(objects.map(({ label }) => label))];
  const data = {
    info: { description: "Exported by sam_widget" },
    images: [{ id: 1, file_name: name, width, height }],
    annotations: objects.map(({ label, mask, area, box, score }, i) => ({
      id: i + 1,
      image_id: 1,
      category_id: names.indexOf(label) + 1,
      segmentation: { size: [height, width], counts: letters(columnCounts(mask)) },
      area,
      bbox: [box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0],
      iscrowd: 0,
      ...(score === null ? {} : { score: Number(score.toFixed(6)) }),
    })),
    categories: names.map((label, i) => ({ id: i + 1, name: label })),
  };
  return new TextEncoder().encode(JSON.stringify(data));
}

/** Lengths of what is outside and inside a mask in turn, column by column. */
function columnCounts({ runs, width, height }: Mask): number[] {
  const pixels = new Uint8Array(width * height);
  for (let i = 0; i < runs.length; i += 2)
    for (let p = runs[i]; p < runs[i] + runs[i + 1]; p++) {
      const row = Math.floor(p / width);
      pixels[(p - row * width) * height + row] = 1;
    }
  const counts: number[] = [];
  let [now, count] = [0, 0];
  for (const pixel of pixels) {
    if (pixel === now) count++;
    else {
      counts.push(count);
      [now, count] = [pixel, 1];
    }
  }
  return [...counts, count];
}

/** Counts as pycocotools writes them (`rleToString` in maskApi.c): six bits a letter, differences from the third on. */
function letters(counts: readonly number[]): string {
  let text = "";
  counts.forEach((count, i) => {
    let value = i > 2 ? count - counts[i - 2] : count;
    for (let more = true; more; ) {
      let bits = value & 31;
      value >>= 5;
      more = bits & 16 ? value !== -1 : value !== 0;
      if (more) bits |= 32;
      text += String.fromCharCode(bits + 48);
    }
  });
  return text;
}

/** The most objects of an indexed PNG: 255 is Pascal VOC's "do not care". */
export const MOST_INDEXED = 254;

/** A label map with Pascal VOC's palette: n is the n-th object, the later one on top; the labels are in a text chunk. */
export function labelMap({ width, height }: Mask, objects: readonly Exported[]): Uint8Array {
  // One more byte a row: the filter, which is none.
  const rows = new Uint8Array((width + 1) * height);
  objects.forEach(({ mask: { runs } }, i) => {
    for (let k = 0; k < runs.length; k += 2) {
      const at = runs[k] + Math.floor(runs[k] / width) + 1;
      rows.fill(i + 1, at, at + runs[k + 1]);
    }
  });
  const palette = new Uint8Array(768);
  for (let n = 0; n < 256; n++)
    for (let bit = 0; bit < 8; bit++)
      for (let channel = 0; channel < 3; channel++)
        palette[3 * n + channel] |= ((n >> (3 * bit + channel)) & 1) << (7 - bit);
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  // Eight bits, indexed.
  header.set([8, 3], 8);
  const text = ascii(JSON.stringify({ names: objects.map(({ label }) => label) }));
  const parts: [string, Uint8Array][] = [
    ["IHDR", header],
    ["PLTE", palette],
    ["tEXt", new TextEncoder().encode(`sam_widget\0${text}`)],
    ["IDAT", zlibSync(rows)],
    ["IEND", new Uint8Array()],
  ];
  return joined([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10),
    ...parts.map(([type, data]) => chunk(type, data)),
  ]);
}

/** JSON without letters beyond ASCII, as Python's `json.dumps` writes it. */
export function ascii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, checksum(bytes.subarray(4, data.length + 8)));
  return bytes;
}

/** CRC-32, as PNG has it. */
function checksum(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return ~sum >>> 0;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
