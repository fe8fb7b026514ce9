/** Masks over the photo: fills painted from runs in device pixels, outlines as paths that stay crisp. */

import { type Part, partFor } from "../geometry/crop";
import type { Size, View } from "../geometry/geometry";
import { type Line, outline, simplified } from "../geometry/outline";
import { type Mask, paint, type Raster, rgba } from "../geometry/runs";
import { CANDIDATE, objectColor } from "../palette";
import type { Display } from "../state/display";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";

/** One mask and how to draw it. */
export interface Look {
  readonly mask: Mask;
  readonly color: string;
  /** Opacity of the fill; 0 draws the outline only. */
  readonly fill: number;
  /** Width of the outline in CSS pixels. */
  readonly line: number;
  readonly dashed?: boolean;
}

/** A look whose mask may not have arrived yet. */
type Wanted = Omit<Look, "mask"> & { readonly mask: Mask | null };

/**
 * The masks to draw, lowest first: objects, masks found so far, the chosen candidate, the candidate previewed in the
 * list. A mask that a click has taken stands for the chosen candidate, which has not arrived yet.
 */
export function looks(store: Store, ui: Ui, display: Display, taken: Mask | null): Look[] {
  const { candidates, objects, editing } = store.state;
  // The user sets the opacity of the chosen mask; a share of 1 is as opaque as that.
  const fill = (share: number): number => (display.masks === "outline" ? 0 : Math.min(1, share * display.opacity));
  const result: Wanted[] = objects.map(({ id, mask, color }) => {
    const lit = id === ui.highlight || ui.marked.includes(id);
    // The object that an edit is about to replace stays for comparison.
    if (id === editing) return { mask: store.mask(mask), color: objectColor(color), fill: 0, line: 1.5, dashed: true };
    // While some are picked, the others step back.
    const back = ui.tool === "pick" && ui.marked.length > 0;
    const [share, line] = lit ? [1.5, 3] : back ? [0.3, 1] : [0.8, 1.5];
    return { mask: store.mask(mask), color: objectColor(color), fill: fill(share), line };
  });
  for (const { mask, color } of store.state.everything?.found ?? [])
    result.push({ mask: store.mask(mask), color: objectColor(color), fill: fill(0.5), line: 1 });
  if (taken) {
    result.push({ mask: taken, color: CANDIDATE, fill: fill(1), line: 2 });
    return result.filter(isThere);
  }
  const { chosen } = store;
  const previewing = ui.preview !== null && ui.preview !== chosen && ui.preview < candidates.length;
  if (chosen !== null) {
    const mask = store.mask(candidates[chosen].mask);
    result.push({ mask, color: CANDIDATE, fill: fill(previewing ? 0.6 : 1), line: 2 });
  }
  if (previewing) {
    const mask = store.mask(candidates[ui.preview ?? 0].mask);
    result.push({ mask, color: "#ffffff", fill: 0, line: 2, dashed: true });
  }
  return result.filter(isThere);
}

function isThere(look: Wanted): look is Look {
  return look.mask !== null;
}

/** Side of the chequers around a cut-out, in CSS pixels, and their colours. */
const CHEQUER = 8;
const CHEQUERS = [rgba("#8d939b", 1), rgba("#a3a9b1", 1)] as const;

/** Paints fills in device pixels: a large photo costs no more than a small one, and no frame allocates memory. */
export class Painter {
  #data: ImageData | null = null;
  #pixels = new Uint32Array();

  /** Fill a layer's canvas with the masks as a view shows them. */
  fill(pen: CanvasRenderingContext2D, all: readonly Look[], view: View, ratio: number): void {
    const { width, height } = pen.canvas;
    const data = this.#fit(width, height);
    this.#pixels.fill(0);
    const raster = this.#raster(width, height, view, ratio);
    for (const { mask, color, fill } of all) if (fill > 0) paint(mask, raster, rgba(color, fill));
    pen.putImageData(data, 0, 0);
  }

  /** Cover a layer's canvas, except for the masks, with the chequered pattern that stands for transparency. */
  cutOut(pen: CanvasRenderingContext2D, all: readonly Look[], view: View, ratio: number): void {
    const { width, height } = pen.canvas;
    const data = this.#fit(width, height);
    const side = Math.round(CHEQUER * ratio);
    for (let j = 0; j < height; j++) {
      const odd = Math.floor(j / side) % 2;
      // Each row of chequers is computed once.
      if (j % side) this.#pixels.copyWithin(j * width, (j - 1) * width, j * width);
      else for (let i = 0; i < width; i++) this.#pixels[j * width + i] = CHEQUERS[(odd + Math.floor(i / side)) % 2];
    }
    const raster = this.#raster(width, height, view, ratio);
    for (const { mask } of all) paint(mask, raster, 0);
    pen.putImageData(data, 0, 0);
  }

  #fit(width: number, height: number): ImageData {
    if (this.#data?.width === width && this.#data.height === height) return this.#data;
    this.#data = new ImageData(width, height);
    this.#pixels = new Uint32Array(this.#data.data.buffer);
    return this.#data;
  }

  #raster(width: number, height: number, view: View, ratio: number): Raster {
    const step = 1 / (view.scale * ratio);
    return { pixels: this.#pixels, width, height, left: -view.x / view.scale, top: -view.y / view.scale, step };
  }
}

/** A mask's outline as it was last drawn. */
interface Outline {
  readonly part: Part;
  /** In pixels of the part's grid; 0 follows every pixel's edge. */
  readonly tolerance: number;
  readonly path: Path2D;
}

/** How far, in device pixels, an outline may pass a corner of the mask. */
const UNSEEN = 0.7;
/** Below this, in grid pixels, simplifying keeps every corner of a pixel staircase. */
const STAIRCASE = Math.SQRT1_2;

const outlines = new WeakMap<Mask, Outline>();

/** Stroke the outlines; the context's unit is the CSS pixel, `ratio` is device pixels per CSS pixel. */
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
    // Square at pixel corners, and no spikes where a simplified line turns back.
    pen.miterLimit = 2;
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
  const most = UNSEEN / (view.scale * ratio * part.step);
  const tolerance = most < STAIRCASE ? 0 : most;
  if (known?.part === part && known.tolerance <= tolerance && known.tolerance >= tolerance / 2) return known;
  const path = new Path2D();
  for (const line of outline(part.mask)) trace(path, tolerance ? simplified(line, tolerance) : line);
  const found = { part, tolerance, path };
  outlines.set(mask, found);
  return found;
}

function trace(path: Path2D, line: Line): void {
  path.moveTo(line[0], line[1]);
  for (let i = 2; i < line.length; i += 2) path.lineTo(line[i], line[i + 1]);
  path.closePath();
}
