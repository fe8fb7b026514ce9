/** Masks over the photo: fills painted from runs pixel by pixel of the screen, outlines as paths that stay crisp. */

import { type Part, partFor } from "../crop";
import type { Size, View } from "../geometry";
import { CANDIDATE, objectColor } from "../palette";
import { type Mask, outline, paint, rgba } from "../runs";
import type { Store } from "../store";
import type { Ui } from "../ui";

/** One mask as it is to be drawn. */
export interface Look {
  readonly mask: Mask;
  readonly color: string;
  /** Opacity of the fill; 0 draws the outline only. */
  readonly fill: number;
  /** Width of the outline in CSS pixels. */
  readonly line: number;
  readonly dashed?: boolean;
}

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

/** Paints fills in pixels of the screen: a large photo costs no more than a small one, and no frame takes new memory. */
export class Painter {
  #data: ImageData | null = null;
  #pixels = new Uint32Array();

  /** Fill a layer's canvas with the masks as a view shows them. */
  fill(pen: CanvasRenderingContext2D, all: readonly Look[], view: View, ratio: number): void {
    const { width, height } = pen.canvas;
    if (this.#data?.width !== width || this.#data.height !== height) {
      this.#data = new ImageData(width, height);
      this.#pixels = new Uint32Array(this.#data.data.buffer);
    } else this.#pixels.fill(0);
    const step = 1 / (view.scale * ratio);
    const raster = { pixels: this.#pixels, width, height, left: -view.x / view.scale, top: -view.y / view.scale, step };
    for (const { mask, color, fill } of all) if (fill > 0) paint(mask, raster, rgba(color, fill));
    pen.putImageData(this.#data, 0, 0);
  }
}

/** A mask's outline as it was last drawn. */
interface Outline {
  readonly part: Part;
  readonly path: Path2D;
}

const outlines = new WeakMap<Mask, Outline>();

/** Stroke the outlines; the context's unit is the CSS pixel, of which `ratio` of the screen's are one. */
export function drawOutlines(
  pen: CanvasRenderingContext2D,
  all: readonly Look[],
  view: View,
  frame: Size,
  ratio: number,
): void {
  for (const { mask, color, line, dashed } of all) {
    const { part, path } = outlineOf(mask, view, frame, ratio);
    const scale = view.scale * part.step;
    pen.save();
    pen.translate(view.x + part.left * view.scale, view.y + part.top * view.scale);
    pen.scale(scale, scale);
    pen.lineCap = "square";
    pen.strokeStyle = dashed ? "rgb(0 0 0 / .65)" : "rgb(255 255 255 / .85)";
    pen.lineWidth = (line + 2) / scale;
    pen.stroke(path);
    pen.strokeStyle = color;
    pen.lineWidth = line / scale;
    pen.stroke(path);
    pen.restore();
  }
}

function outlineOf(mask: Mask, view: View, frame: Size, ratio: number): Outline {
  const known = outlines.get(mask);
  const part = partFor(mask, view, frame, ratio, known?.part);
  if (known?.part === part) return known;
  const path = new Path2D();
  const segments = outline(part.mask);
  for (let i = 0; i < segments.length; i += 4) {
    path.moveTo(segments[i], segments[i + 1]);
    path.lineTo(segments[i + 2], segments[i + 3]);
  }
  const found = { part, path };
  outlines.set(mask, found);
  return found;
}
