/** The popover that lists every shortcut and gesture. */

import { GESTURES, SHORTCUTS, written } from "../input/keyboard";
import type { Context, Part } from "./context";
import { h, iconButton, setAttributes } from "./dom";

/** What most people need. */
const ESSENTIALS: readonly (readonly [string, string])[] = [
  ["Click", "Add what is under the pointer"],
  [written("Alt+click"), "Exclude what is under the pointer"],
  ["Drag", "Draw a box around the object"],
  ["1, 2, 3", "Choose one of the masks"],
  ["Enter", "Accept the mask"],
  ["T", "Label it"],
  [written("Mod+z"), "Undo the last step"],
  ["Esc", "Cancel, or clear the prompt"],
];

export function createHelp({ ui, gallery, actions, signal, id }: Context): Part {
  const close = iconButton("clear", "Close help", "Close (Esc)");
  close.classList.add("sam-help-close");
  close.addEventListener("click", () => actions.toggleHelp(), { signal });
  const shortcuts = new Map<string, string>();
  for (const { keys, help, shown, gallery: images } of SHORTCUTS)
    if (gallery.open || !images) shortcuts.set(help, shown ?? keys.map(written).join(", "));
  const rest = h(
    "details",
    { class: "sam-help-rest" },
    h("summary", {}, "All gestures and keys"),
    table("Pointer", GESTURES),
    table(
      "Keyboard",
      [...shortcuts].map(([help, keys]) => [keys, help] as const),
    ),
  );
  const element = h(
    "div",
    { class: "sam-help", id: id("help"), role: "dialog", "aria-label": "Keyboard and mouse", hidden: true },
    table("Essentials", ESSENTIALS),
    rest,
    close,
  );
  return {
    element,
    update: () => setAttributes(element, { hidden: !ui.helpOpen }),
  };
}

const KEY = /^(.|Ctrl|Shift|Alt|Enter|Esc|Space|Delete|Backspace|PageUp|PageDown|[⌘⇧⌥]+.?)$/;

/** A key cap for each key of "Ctrl+Z" or "1, 2, 3"; words such as "Click" stay words. */
function caps(keys: string): (HTMLElement | string)[] {
  return keys.split(/(, | to |\+(?=.))/).flatMap((part, i): (HTMLElement | string)[] => {
    if (i % 2) return [part === "+" ? "\u2009+\u2009" : part];
    return [KEY.test(part) ? h("kbd", { class: "sam-cap" }, part) : part];
  });
}

function table(title: string, rows: readonly (readonly [string, string])[]): HTMLElement {
  const items = rows.flatMap(([keys, help]) => [h("dt", {}, ...caps(keys)), h("dd", {}, help)]);
  return h("div", { class: "sam-help-part" }, h("div", { class: "sam-caption" }, title), h("dl", {}, ...items));
}
