/** What a search has found, drawn on the photo: a colour for each word, and mere outlines below the threshold. */

import { areaOf, bounds } from "../geometry/runs";
import { objectColor } from "../palette";
import type { InstanceData } from "../protocol";
import type { Display } from "../state/display";
import { shownInstances, wordOf } from "../state/search";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";
import { fillOf, type Look } from "./masks";
import type { NamedBox } from "./names";
import { scoreShown } from "./score";

/** Opacity of the outlines below the threshold, in hexadecimal. */
const FAINT = "b0";

/** The colours of the words, in an order of their own, so that few look like an object that was accepted before. */
const COLORS = [5, 3, 2, 1, 4, 6, 0, 7];

/** The index into the palette of what fits a word; of all that was found, if there are no words. */
function colorIndex({ word }: Pick<InstanceData, "word">): number {
  return COLORS[Math.max(word, 0) % COLORS.length];
}

export function instanceColor(instance: Pick<InstanceData, "word">): string {
  return objectColor(colorIndex(instance));
}

function isLit(ui: Ui, id: string): boolean {
  return id === (ui.pointed ?? ui.instance);
}

/** The looks of a search's instances: those below the threshold first, then each large one below the smaller ones. */
export function instanceLooks(store: Store, ui: Ui, display: Display): Look[] {
  // While a mask is being worked on, clicks are its prompt.
  const back = store.canClear;
  const all = shownInstances(store.state.search).flatMap((instance) => {
    const mask = store.mask(instance.mask);
    return mask ? [{ ...instance, mask, area: areaOf(mask) }] : [];
  });
  all.sort((a, b) => Number(a.found) - Number(b.found) || b.area - a.area);
  return all.map(({ mask, ...instance }): Look => {
    const color = instanceColor(instance);
    const lit = !back && isLit(ui, instance.id);
    if (lit) return { mask, color, fill: fillOf(display, instance.found ? 1 : 0.6), line: 2.5 };
    if (!instance.found) return { mask, color: color + FAINT, fill: 0, line: 1, plain: true, dashed: true };
    if (back) return { mask, color, fill: fillOf(display, 0.2), line: 1, plain: true };
    return { mask, color, fill: fillOf(display, 0.6), line: 1.75 };
  });
}

/** The words and scores of those that were found, as names to draw. */
export function instanceNames(store: Store, ui: Ui): NamedBox[] {
  const { search } = store.state;
  return shownInstances(search).flatMap((instance): NamedBox[] => {
    const mask = store.mask(instance.mask);
    const box = mask && bounds([mask]);
    if (!search || !box || !(instance.found || isLit(ui, instance.id))) return [];
    const label = `${wordOf(search, instance)} ${scoreShown(instance.score)}`;
    return [{ id: instance.id, label, box, area: areaOf(mask), color: colorIndex(instance) }];
  });
}
