/** Masks over the photo: fills painted from runs at image resolution, outlines as paths that stay crisp at any zoom. */

import type { View } from "../geometry";
import { CANDIDATE, objectColor } from "../palette";
import { type Mask, outline, paint, type Raster, rgba } from "../runs";
import type { Store } from "../store";
import type { Ui } from "../ui";

/** Images with more pixels than this get their fills painted at half resolution, a third, ... */
const MOST_PIXELS = 16e6;

/** One mask as it is to be drawn. */
interface Look {
  readonly mask: Mask;
  readonly color: string;
  /** Opacity of the fill; 0 draws the outline only. */
  readonly fill: number;
  /** Width of the outline in CSS pixels. */
  readonly line: number;
  readonly dashed?: boolean;
}

const outlines = new WeakMap<Mask, Path2D>();

/** The masks to draw, lowest first: objects, the chosen candidate, the one that the pointer is on in the list. */
export function looks(store: Store, ui: Ui): Look[] {
  const { candidates, objects } = store.state;
  const result: (Omit<Look, "mask"> & { mask: Mask | null })[] = objects.map(({ id, mask, color }) => {
    const lit = id === ui.highlight;
    return { mask: store.mask(mask), color: objectColor(color), fill: lit ? 0.55 : 0.32, line: lit ? 2.5 : 1.5 };
  });
  const { chosen } = store;
  const previewing = ui.preview !== null && ui.preview !== chosen && ui.preview < candidates.length;
  if (chosen !== null) {
    const mask = store.mask(candidates[chosen].mask);
    result.push({ mask, color: CANDIDATE, fill: previewing ? 0.24 : 0.4, line: 2 });
  }
  if (previewing) {
    const mask = store.mask(candidates[ui.preview ?? 0].mask);
    result.push({ mask, color: "#ffffff", fill: 0, line: 2, dashed: true });
  }
  return result.filter((look): look is Look => look.mask !== null);
}

/** The fills of all masks as one picture of the image's size (or a whole fraction of it). */
export class Fills {
  readonly canvas = document.createElement("canvas");
  #raster: Raster | null = null;
  #data: ImageData | null = null;
  #key = "";

  /** Paint anew, if what is to be seen has changed. */
  update(image: { width: number; height: number }, all: readonly Look[]): void {
    const step = Math.ceil(Math.sqrt((image.width * image.height) / MOST_PIXELS));
    const width = Math.ceil(image.width / step);
    const height = Math.ceil(image.height / step);
    if (this.#raster?.width !== width || this.#raster.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.#data = new ImageData(width, height);
      this.#raster = { pixels: new Uint32Array(this.#data.data.buffer), width, height, left: 0, top: 0, step };
      this.#key = "";
    }
    const filled = all.filter((look) => look.fill > 0);
    const key = filled.map((look) => `${nameOf(look.mask)} ${look.color} ${look.fill}`).join();
    if (key === this.#key || !this.#data) return;
    this.#key = key;
    this.#raster.pixels.fill(0);
    for (const { mask, color, fill } of filled) paint(mask, this.#raster, rgba(color, fill));
    this.canvas.getContext("2d")?.putImageData(this.#data, 0, 0);
  }
}

/** Stroke the outlines; the context's unit is the CSS pixel. */
export function drawOutlines(context: CanvasRenderingContext2D, all: readonly Look[], view: View): void {
  for (const { mask, color, line, dashed } of all) {
    const path = outlineOf(mask);
    context.save();
    context.transform(view.scale, 0, 0, view.scale, view.x, view.y);
    context.lineCap = "square";
    context.strokeStyle = dashed ? "rgb(0 0 0 / .65)" : "rgb(255 255 255 / .85)";
    context.lineWidth = (line + 2) / view.scale;
    context.stroke(path);
    context.strokeStyle = color;
    context.lineWidth = line / view.scale;
    context.stroke(path);
    context.restore();
  }
}

function outlineOf(mask: Mask): Path2D {
  const known = outlines.get(mask);
  if (known) return known;
  const path = new Path2D();
  const segments = outline(mask);
  for (let i = 0; i < segments.length; i += 4) {
    path.moveTo(segments[i], segments[i + 1]);
    path.lineTo(segments[i + 2], segments[i + 3]);
  }
  outlines.set(mask, path);
  return path;
}

const names = new WeakMap<Mask, number>();
let named = 0;

/** A number for a decoded mask, to tell whether two drawings are of the same one. */
function nameOf(mask: Mask): number {
  const name = names.get(mask) ?? ++named;
  names.set(mask, name);
  return name;
}
