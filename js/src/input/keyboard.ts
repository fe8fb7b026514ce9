/** All shortcuts in one table, which binds the keys and fills the help. */

import type { Actions } from "../actions/actions";
import { MOST_LABELS } from "../state/labels";
import type { Ui } from "../state/ui";

export interface Shortcut {
  /** "Mod" is Ctrl, or Cmd on a Mac. Letters are lower case. */
  readonly keys: readonly string[];
  readonly help: string;
  /** Where it works: with the focus on the canvas, or anywhere in the widget except text fields. */
  readonly where: "canvas" | "widget";
  /** Only in a gallery. */
  readonly gallery?: true;
  /** What the help shows instead of the keys. */
  readonly shown?: string;
  run(actions: Actions): void;
}

export const SHORTCUTS: readonly Shortcut[] = [
  {
    keys: ["Enter"],
    help: "Accept; after arrow keys, add a foreground point or pick",
    where: "canvas",
    run: (a) => a.confirm(),
  },
  {
    keys: ["Shift+Enter", "Alt+Enter"],
    help: "Add a background point, or pick another object",
    where: "canvas",
    run: (a) => a.background(),
  },
  {
    keys: ["Escape"],
    help: "Cancel the current operation, or clear the prompt",
    where: "widget",
    shown: "Esc",
    run: (a) => a.escape(),
  },
  ...[0, 1, 2].map(
    (i): Shortcut => ({
      keys: [`${i + 1}`],
      help: "Choose a mask",
      where: "widget",
      shown: "1, 2, 3",
      run: (a) => a.prompt.choose(i),
    }),
  ),
  { keys: ["t"], help: "Edit the label", where: "widget", run: (a) => a.prompt.editLabel() },
  ...Array.from(
    { length: MOST_LABELS },
    (_, i): Shortcut => ({
      keys: [`${i + 4}`],
      help: "Use a recent label",
      where: "widget",
      shown: `4 to ${MOST_LABELS + 3}`,
      run: (a) => a.prompt.useLabel(i),
    }),
  ),
  { keys: ["Mod+z"], help: "Undo", where: "widget", run: (a) => a.prompt.undo() },
  { keys: ["Mod+Shift+z", "Mod+y"], help: "Redo", where: "widget", run: (a) => a.prompt.redo() },
  { keys: ["p"], help: "Point tool", where: "widget", run: (a) => a.tool("point") },
  { keys: ["b"], help: "Box tool", where: "widget", run: (a) => a.tool("box") },
  { keys: ["d"], help: "Brush tool", where: "widget", run: (a) => a.tool("brush") },
  { keys: ["l"], help: "Lasso tool", where: "widget", run: (a) => a.tool("lasso") },
  { keys: ["k"], help: "Pick tool", where: "widget", run: (a) => a.tool("pick") },
  { keys: ["h"], help: "Pan tool", where: "widget", run: (a) => a.tool("pan") },
  { keys: ["v"], help: "Show or hide the mask under the pointer", where: "widget", run: (a) => a.hover.toggle() },
  {
    keys: ["x"],
    help: "Brush and lasso: add or remove; data engine: remove the mask under the pointer",
    where: "widget",
    run: (a) => a.cross(),
  },
  { keys: ["["], help: "Smaller brush", where: "widget", run: (a) => a.lines.brushSmaller() },
  { keys: ["]"], help: "Larger brush", where: "widget", run: (a) => a.lines.brushLarger() },
  {
    keys: ["n"],
    help: "Select the next point, corner, box or line, or object",
    where: "widget",
    run: (a) => a.selectNext(1),
  },
  { keys: ["Shift+n"], help: "Select the previous one", where: "widget", run: (a) => a.selectNext(-1) },
  { keys: ["Delete", "Backspace"], help: "Remove the selection", where: "canvas", run: (a) => a.removeSelected() },
  { keys: ["Mod+a"], help: "Pick all objects", where: "canvas", run: (a) => a.objects.pickAll() },
  { keys: ["j"], help: "Merge the picked objects", where: "widget", run: (a) => a.objects.merge() },
  { keys: ["a"], help: "Find everything", where: "widget", run: (a) => a.objects.everything() },
  { keys: ["/"], help: "Find by words", where: "widget", run: (a) => a.find.begin() },
  { keys: ["g"], help: "Refine the chosen mask", where: "widget", run: (a) => a.prompt.refine() },
  { keys: ["e"], help: "Edit the newest object again", where: "widget", run: (a) => a.objects.editObject() },
  ...arrows("", 1, "Move the cursor or the selection by 1 pixel"),
  ...arrows("Shift+", 10, "Move it by 10 pixels"),
  { keys: ["+", "="], help: "Zoom in", where: "widget", shown: "+", run: (a) => a.view.zoomIn() },
  { keys: ["-", "_"], help: "Zoom out", where: "widget", shown: "−", run: (a) => a.view.zoomOut() },
  { keys: ["0"], help: "Show the whole photo", where: "widget", run: (a) => a.view.fit() },
  { keys: ["z"], help: "Show the photo at its actual size", where: "widget", run: (a) => a.view.actualSize() },
  { keys: ["r"], help: "Sharpen here", where: "widget", run: (a) => a.view.sharpen() },
  { keys: ["Shift+r"], help: "Sharpen automatically", where: "widget", run: (a) => a.view.toggleSharpens() },
  { keys: ["f"], help: "Full screen", where: "widget", run: (a) => a.view.toggleFull() },
  { keys: ["m"], help: "Masks filled, outlined, or cut out", where: "widget", run: (a) => a.view.nextMaskStyle() },
  { keys: ["i"], help: "Show or hide the photo", where: "widget", run: (a) => a.view.togglePhoto() },
  { keys: [".", "PageDown"], help: "Next image", where: "widget", gallery: true, run: (a) => a.gallery.step(1) },
  { keys: [",", "PageUp"], help: "Previous image", where: "widget", gallery: true, run: (a) => a.gallery.step(-1) },
  {
    keys: ["c"],
    help: "Mark the image as done",
    where: "widget",
    gallery: true,
    run: (a) => a.engine.toggleDone(),
  },
  {
    keys: ["o"],
    help: "Show or hide the images",
    where: "widget",
    gallery: true,
    run: (a) => a.gallery.toggleOverview(),
  },
  { keys: ["?"], help: "Show or hide this help", where: "widget", run: (a) => a.toggleHelp() },
];

function arrows(modifier: string, step: number, help: string): Shortcut[] {
  const directions = { Left: [-1, 0], Right: [1, 0], Up: [0, -1], Down: [0, 1] };
  return Object.entries(directions).map(([name, [dx, dy]]) => ({
    keys: [`${modifier}Arrow${name}`],
    help,
    where: "canvas",
    shown: `${modifier}arrow keys`,
    run: (a) => a.moveCursor(dx * step, dy * step),
  }));
}

/** What pointers do, for the help; `pointer.ts` implements it. */
export const GESTURES: readonly (readonly [string, string])[] = [
  ["Move; hold Alt for the background", "Preview the mask of a click"],
  ["Click", "Add a foreground point"],
  ["Alt+click, right click, long press", "Add a background point"],
  ["Click what was found; right click", "Select it; find nothing like it"],
  ["Drag", "Draw a box; with Shift, one more box"],
  ["Two clicks with the Box tool", "Draw a box"],
  ["Click a point, corner, box or line", "Select it; drag it to move it"],
  ["Drag with the Brush tool; hold Alt to erase", "Paint on the mask, or scribble if there is none"],
  ["Drag with the Lasso tool, or click around", "Enclose the object, or scribble on it"],
  ["Click with the Pick tool", "Pick an object, again for the next larger one; with Shift, pick several"],
  ["Space+drag, middle drag, two fingers, drag in the small map", "Pan"],
  ["Wheel on the focused photo, Ctrl+wheel, pinch", "Zoom"],
];

const onMac = typeof navigator !== "undefined" && /Mac|iP(hone|ad)/.test(navigator.platform);

/** A combination as written on this system: "Ctrl+Shift+Z", on a Mac "⇧⌘Z". */
export function written(keys: string): string {
  const parts = keys.split("+").filter(Boolean);
  if (parts.length === 0) return keys;
  const last = parts.at(-1) ?? "";
  const names = parts.slice(0, -1).map((part) => {
    if (!onMac) return part === "Mod" ? "Ctrl+" : `${part}+`;
    return { Mod: "⌘", Shift: "⇧", Alt: "⌥" }[part] ?? part;
  });
  return [...names, last.length === 1 ? last.toUpperCase() : last].join("");
}

/** The first combination of the shortcut with this help text, for tooltips. */
export function shortcutFor(help: string): string {
  const shortcut = SHORTCUTS.find((item) => item.help === help);
  return shortcut ? (shortcut.shown ?? written(shortcut.keys[0])) : "";
}

type KeyLike = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey"> & { code?: string };

/** Keys by their place on the keyboard, as the table spells them. */
const PLACES: Record<string, string> = { BracketLeft: "[", BracketRight: "]", Comma: ",", Period: "." };

/** The combination pressed, as the table spells it. Shift is part of a symbol ("?", "+") and not spelled out. */
export function combination(event: KeyLike): string {
  const symbol = event.key.length === 1 && event.key.toLowerCase() === event.key.toUpperCase();
  const modifiers = [
    (event.ctrlKey || event.metaKey) && "Mod",
    event.altKey && "Alt",
    event.shiftKey && !symbol && "Shift",
  ].filter(Boolean);
  return [...modifiers, event.key.length === 1 ? event.key.toLowerCase() : event.key].join("+");
}

/**
 * The combination by the place of its key, for layouts whose letters are not the table's: Cyrillic, Hebrew, Greek, and
 * those with accented letters where others have digits. Null if the key is an ASCII letter, which means itself anywhere.
 */
function combinationByPlace({ key, code = "", ctrlKey, metaKey, altKey, shiftKey }: KeyLike): string | null {
  if (key.length !== 1 || /[a-z]/i.test(key)) return null;
  const letter = /^Key(.)$/.exec(code)?.[1].toLowerCase();
  // With Shift, a key of another kind is another symbol.
  const place = letter ?? (shiftKey ? null : (PLACES[code] ?? /^Digit(.)$/.exec(code)?.[1]));
  return place ? combination({ key: place, ctrlKey, metaKey, altKey, shiftKey }) : null;
}

export function findShortcut(event: KeyLike, onCanvas: boolean, inGallery = true): Shortcut | undefined {
  const find = (pressed: string | null): Shortcut | undefined =>
    SHORTCUTS.find(
      ({ keys, where, gallery }) =>
        pressed !== null && keys.includes(pressed) && (onCanvas || where === "widget") && (inGallery || !gallery),
    );
  return find(combination(event)) ?? find(combinationByPlace(event));
}

interface KeyboardOptions {
  root: HTMLElement;
  canvas: HTMLElement;
  actions: Actions;
  ui: Ui;
  signal: AbortSignal;
}

/** Whether a key is the widget's. Others, such as Ctrl+S, are the host's. Ctrl+Enter would rerun the cell, and is ours. */
export function staysHere(event: KeyLike, inField: boolean): boolean {
  const combined = event.ctrlKey || event.metaKey;
  return inField || !combined || event.key === "Enter" || findShortcut(event, true) !== undefined;
}

function isField(target: unknown): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
}

/** Bind the shortcuts, and keep keys from the surrounding notebook, where "x" cuts the cell and the widget with it. */
export function bindKeyboard({ root, canvas, actions, ui, signal }: KeyboardOptions): void {
  // Before version 4.2 JupyterLab's shortcuts came first, except for elements with this attribute.
  const claim = (event: KeyboardEvent): void => {
    const target = event.composedPath()[0];
    if (target instanceof Element && root.contains(target))
      target.toggleAttribute("data-lm-suppress-shortcuts", staysHere(event, isField(target)));
  };
  window.addEventListener("keydown", claim, { signal, capture: true });

  const keydown = (event: KeyboardEvent): void => {
    const inField = isField(event.target);
    if (staysHere(event, inField)) event.stopPropagation();
    if (event.defaultPrevented || inField) return;
    const onCanvas = event.target === canvas;
    if (onCanvas && event.key === " ") {
      if (!ui.spaceHeld) ui.set({ spaceHeld: true });
    } else {
      const shortcut = findShortcut(event, onCanvas, actions.gallery.open);
      if (!shortcut) return;
      shortcut.run(actions);
    }
    event.preventDefault();
  };
  root.addEventListener("keydown", keydown, { signal });
  const release = (): void => {
    if (ui.spaceHeld) ui.set({ spaceHeld: false });
  };
  const keyup = (event: KeyboardEvent): void => {
    if (event.key === " ") release();
    // A move by arrow keys counts when they are released: one edit, however far.
    if (event.key.startsWith("Arrow")) actions.handles.drop();
  };
  root.addEventListener("keyup", keyup, { signal });
  const leave = (): void => {
    release();
    actions.handles.drop();
  };
  canvas.addEventListener("blur", leave, { signal });
}
