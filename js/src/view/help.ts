/** The popover that lists every shortcut and gesture. */

import { GESTURES, SHORTCUTS, written } from "../input/keyboard";
import type { Context, Part } from "./context";
import { h, iconButton, setAttributes } from "./dom";

export function createHelp({ ui, gallery, actions, signal, id }: Context): Part {
  const close = iconButton("clear", "Close help", "Close (Esc)");
  close.classList.add("sam-help-close");
  close.addEventListener("click", () => actions.toggleHelp(), { signal });
  const shortcuts = new Map<string, string>();
  for (const { keys, help, shown, gallery: images } of SHORTCUTS)
    if (gallery.open || !images) shortcuts.set(help, shown ?? keys.map(written).join(", "));
  const element = h(
    "div",
    { class: "sam-help", id: id("help"), role: "dialog", "aria-label": "Keyboard and mouse", hidden: true },
    table("Pointer", GESTURES),
    table(
      "Keyboard",
      [...shortcuts].map(([help, keys]) => [keys, help] as const),
    ),
    close,
  );
  return {
    element,
    update: () => setAttributes(element, { hidden: !ui.helpOpen }),
  };
}

function table(title: string, rows: readonly (readonly [string, string])[]): HTMLElement {
  const items = rows.flatMap(([keys, help]) => [h("dt", {}, h("kbd", {}, keys)), h("dd", {}, help)]);
  return h("div", { class: "sam-help-part" }, h("div", { class: "sam-caption" }, title), h("dl", {}, ...items));
}
