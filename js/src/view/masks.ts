/** Masks over the photo: fills painted from runs in device pixels, outlines as paths that stay crisp. */

import { type Part, partFor } from "../geometry/crop";
import type { Size, View } from "../geometry/geometry";
import { type Line, outline, rounded, simplified } from "../geometry/outline";
import { areaOf, type Mask, paint, type Raster, rgba } from "../geometry/runs";
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
  /** Width of the outline in CSS pixels; 0 draws none. */
  readonly line: number;
  readonly dashed?: boolean;
  /** Whether the line is broken, because no person has confirmed the mask. */
  readonly broken?: boolean;
  /** Whether the outline is a line in one tone, without a light edge on both sides. */
  readonly plain?: boolean;
}

/** A look whose mask may not have arrived yet. */
type Wanted = Omit<Look, "mask"> & { readonly mask: Mask | null };

/** Opacity as a share of the chosen mask's, and width of the line: accepted objects are quieter than the candidate. */
const LOOKS = { usual: [0.55, 1], lit: [1.3, 2.5], back: [0.2, 0] } as const;

/** The user sets the opacity of the chosen mask; a share of 1 is as opaque as that. */
export function fillOf(display: Display, share: number): number {
  return display.masks === "outline" ? 0 : Math.min(1, share * display.opacity);
}

const NONE: readonly string[] = [];

/** The looks of objects, made again only when something that they show has changed. */
export class ObjectLooks {
  #from: readonly unknown[] = [];
  #looks: readonly Look[] = [];

  of(store: Store, ui: Ui, display: Display, filled: readonly string[] = NONE): readonly Look[] {
    const { objects, editing, everything } = store.state;
    const picking = ui.tool === "pick";
    // While masks are missing, any of them may have arrived.
    const arrived = store.lacking ? {} : null;
    const from = [
      objects,
      editing,
      everything,
      ui.highlight,
      ui.marked,
      picking,
      display.masks,
      display.opacity,
      filled,
      arrived,
    ];
    if (from.length !== this.#from.length || from.some((item, i) => item !== this.#from[i])) {
      this.#from = from;
      this.#looks = objectLooks(store, ui, display, filled);
    }
    return this.#looks;
  }
}

/** Objects and masks found so far, each large one below the smaller ones. */
export function objectLooks(store: Store, ui: Ui, display: Display, filled: readonly string[] = NONE): Look[] {
  const { objects, editing, everything } = store.state;
  const fill = (share: number): number => fillOf(display, share);
  const [marked, unconfirmed] = [new Set(ui.marked), new Set(filled)];
  // The object under the pointer is highlighted alone, and so are those picked on the photo.
  const apart = ui.highlight !== null || (ui.tool === "pick" && ui.marked.length > 0);
  const accepted = objects.map(({ id, mask, color, area }) => {
    const shown = { mask: store.mask(mask), color: objectColor(color), plain: true, area };
    // The object that an edit is about to replace stays for comparison.
    if (id === editing) return { ...shown, plain: false, fill: 0, line: 1.5, dashed: true };
    const lit = id === ui.highlight || (ui.highlight === null && marked.has(id));
    const [share, width] = LOOKS[lit ? "lit" : apart ? "back" : "usual"];
    // Without fills, even faded masks must remain visible.
    const line = width === 0 && display.masks === "outline" ? 0.75 : width;
    const broken = unconfirmed.has(id);
    return { ...shown, plain: !lit, fill: fill(share), line: broken ? Math.max(line, 1.5) : line, broken };
  });
  const found = (everything?.found ?? []).map(({ mask: id, color }) => {
    const mask = store.mask(id);
    return { mask, color: objectColor(color), plain: true, fill: fill(0.4), line: 1, area: mask ? areaOf(mask) : 0 };
  });
  const all: Wanted[] = [...accepted, ...found].sort((a, b) => b.area - a.area);
  return all.filter(isThere);
}

/**
 * The chosen candidate, and the candidate previewed in the list. A mask that a click has taken stands for the chosen
 * candidate, which has not arrived yet.
 */
export function candidateLooks(store: Store, ui: Ui, display: Display, taken: Mask | null): Look[] {
  const { candidates } = store.state;
  const fill = (share: number): number => fillOf(display, share);
  const result: Wanted[] = [];
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
/** The tolerance, in grid pixels, that turns a staircase of pixels into one line, whatever its slope. */
const STAIRCASE = 1;
/** From this many device pixels per grid pixel on, outlines follow the edges of pixels, which are plain to see. */
const PIXELS = 8;

const outlines = new WeakMap<Mask, Outline>();

/** Stroke the outlines; the context's unit is the CSS pixel, `ratio` is device pixels per CSS pixel. */
export function drawOutlines(
  pen: CanvasRenderingContext2D,
  all: readonly Look[],
  view: View,
  frame: Size,
  ratio: number,
): void {
  for (const { mask, color, line, dashed, plain, broken } of all) {
    if (line === 0) continue;
    const { part, path } = outlineOf(mask, view, frame, ratio);
    const scale = view.scale * part.step;
    pen.save();
    pen.translate(view.x + part.left * view.scale, view.y + part.top * view.scale);
    pen.scale(scale, scale);
    // Square at pixel corners, and no spikes where a simplified line turns back.
    pen.miterLimit = 2;
    if (!plain) {
      pen.strokeStyle = dashed ? "rgb(0 0 0 / .65)" : "rgb(255 255 255 / .85)";
      pen.lineWidth = (line + 2) / scale;
      pen.stroke(path);
    }
    pen.strokeStyle = color;
    pen.lineWidth = line / scale;
    if (broken) pen.setLineDash([5 / scale, 4 / scale]);
    pen.stroke(path);
    pen.restore();
  }
}

function outlineOf(mask: Mask, view: View, frame: Size, ratio: number): Outline {
  const known = outlines.get(mask);
  const part = partFor(mask, view, frame, ratio, known?.part);
  const size = view.scale * ratio * part.step;
  const tolerance = size >= PIXELS ? 0 : Math.max(UNSEEN / size, STAIRCASE);
  if (known?.part === part && known.tolerance <= tolerance && known.tolerance >= tolerance / 2) return known;
  const path = new Path2D();
  for (const line of outline(part.mask)) {
    if (tolerance) traceSmoothly(path, simplified(line, tolerance));
    else trace(path, line);
  }
  const found = { part, tolerance, path };
  outlines.set(mask, found);
  return found;
}

function trace(path: Path2D, line: Line): void {
  path.moveTo(line[0], line[1]);
  for (let i = 2; i < line.length; i += 2) path.lineTo(line[i], line[i + 1]);
  path.closePath();
}

function traceSmoothly(path: Path2D, line: Line): void {
  const curves = rounded(line);
  path.moveTo(curves[0].to.x, curves[0].to.y);
  for (const { from, corner, to } of [...curves.slice(1), curves[0]]) {
    path.lineTo(from.x, from.y);
    path.quadraticCurveTo(corner.x, corner.y, to.x, to.y);
  }
  path.closePath();
}
