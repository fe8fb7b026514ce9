// Generated from sam_widget/masks/palette.py by `make protocol`. Do not edit.

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
