/** The visible part of a mask at screen resolution, so that a large photo costs no more than a small one. Pure. */

import { clamp, type Size, type View } from "./geometry";
import { firstRun, type Mask } from "./runs";

/** A mask on a grid laid over the photo: its pixel (i, j) shows the photo at (left, top) + (i + .5, j + .5) * step. */
export interface Part {
  readonly mask: Mask;
  readonly left: number;
  readonly top: number;
  /** Photo pixels per grid pixel. */
  readonly step: number;
}

/** A mask of at most this many pixels is not worth cropping. */
const SMALL = 4e6;
/** How far a part extends beyond the frame, as a share of its size, so that it can be reused while the view moves. */
const MARGIN = 0.5;

/** The part of a mask that a view needs; `known` if that is enough. */
export function partFor(mask: Mask, view: View, frame: Size, ratio: number, known?: Part): Part {
  const fine = 2 ** Math.max(0, Math.floor(Math.log2(1 / (view.scale * ratio)) + 0.01));
  if (mask.width * mask.height <= SMALL) return known ?? { mask, left: 0, top: 0, step: 1 };
  const seen = within(mask, view, frame, 0);
  if (known?.step === fine && covers(known, seen)) return known;
  const { x0, y0, x1, y1 } = within(mask, view, frame, MARGIN);
  const [left, top] = [Math.floor(x0 / fine) * fine, Math.floor(y0 / fine) * fine];
  const size = { width: Math.ceil((x1 - left) / fine), height: Math.ceil((y1 - top) / fine) };
  return { mask: cropped(mask, left, top, fine, size), left, top, step: fine };
}

interface Region {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

/** The photo's pixels that show in a frame widened by a share of its size. */
function within({ width, height }: Size, view: View, frame: Size, margin: number): Region {
  const [mx, my] = [frame.width * margin, frame.height * margin];
  return {
    x0: clamp(Math.floor((-mx - view.x) / view.scale), 0, width),
    y0: clamp(Math.floor((-my - view.y) / view.scale), 0, height),
    x1: clamp(Math.ceil((frame.width + mx - view.x) / view.scale), 0, width),
    y1: clamp(Math.ceil((frame.height + my - view.y) / view.scale), 0, height),
  };
}

function covers({ mask, left, top, step }: Part, { x0, y0, x1, y1 }: Region): boolean {
  return x0 >= left && y0 >= top && x1 <= left + mask.width * step && y1 <= top + mask.height * step;
}

/** Every `step`th pixel of a region of a mask, as a mask of its own. */
export function cropped(mask: Mask, left: number, top: number, step: number, { width, height }: Size): Mask {
  const { runs } = mask;
  const found: number[] = [];
  for (let j = 0; j < height; j++) {
    // The middle one of `step` rows represents all.
    const y = top + j * step + (step >> 1);
    if (y >= mask.height) break;
    const end = (y + 1) * mask.width;
    for (let i = firstRun(runs, y * mask.width); i < runs.length && runs[i] < end; i += 2) {
      const x = runs[i] - y * mask.width - left;
      const from = clamp(Math.ceil(x / step - 0.5), 0, width);
      const to = clamp(Math.ceil((x + runs[i + 1]) / step - 0.5), 0, width);
      if (from < to) found.push(j * width + from, to - from);
    }
  }
  return { width, height, runs: Uint32Array.from(found) };
}
