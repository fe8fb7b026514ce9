/** Which objects a click picks. Pure: no DOM. */

import type { Vec } from "./geometry";
import { firstRun, type Mask } from "./runs";

/** Whether a mask covers the pixel at a point. */
export function covers({ width, height, runs }: Mask, { x, y }: Vec): boolean {
  const [column, row] = [Math.floor(x), Math.floor(y)];
  if (column < 0 || row < 0 || column >= width || row >= height) return false;
  const pixel = row * width + column;
  // The last run that starts at or before the pixel.
  const i = firstRun(runs, pixel + 1) - 2;
  return i >= 0 && pixel < runs[i] + runs[i + 1];
}

interface Item {
  readonly id: string;
  readonly mask: string;
  readonly area: number;
}

/** The ids of the objects at a point, the smallest first: a part lies on top of the whole. */
export function objectsAt(objects: readonly Item[], mask: (id: string) => Mask | null, at: Vec): string[] {
  const there = objects.filter((object) => {
    const found = mask(object.mask);
    return found !== null && covers(found, at);
  });
  return there.sort((a, b) => a.area - b.area).map((object) => object.id);
}

/** The picked objects after a click: one, with each further click the next larger; `several` adds or removes one. */
export function picked(there: readonly string[], before: readonly string[], several: boolean): readonly string[] {
  if (there.length === 0) return several ? before : [];
  if (!several) {
    const last = before.length === 1 ? there.indexOf(before[0]) : -1;
    return [there[(last + 1) % there.length]];
  }
  const [first] = there;
  return before.includes(first) ? before.filter((id) => id !== first) : [...before, first];
}
