/**
 * Colours that stay apart for colour-blind readers. The objects' are those of Okabe and Ito (Color Universal Design,
 * 2008) less black and the blue kept for the candidate, and two more that stay apart from them.
 */

/** Objects, by `ObjectData.color`. */
export const OBJECTS = [
  "#e69f00",
  "#009e73",
  "#cc79a7",
  "#f0e442",
  "#d55e00",
  "#56b4e9",
  "#8a63d2",
  "#b8b8b8",
] as const;

/** The candidate under discussion. */
export const CANDIDATE = "#1e88ff";
export const FOREGROUND = "#0064b0";
export const BACKGROUND = "#c94a00";

/** The colour of an object, whatever its index. */
export function objectColor(index: number): string {
  const n = OBJECTS.length;
  return OBJECTS[((Math.trunc(index) % n) + n) % n] ?? OBJECTS[0];
}
