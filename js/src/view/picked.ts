/** The actions on the picked objects: label, merge, subtract, delete, or keep only them. */

import { shortcutFor } from "../input/keyboard";
import type { Context, Part } from "./context";
import { h, setAttributes, setText } from "./dom";

export function createPicked({ store, ui, actions, signal, focusCanvas }: Context): Part {
  const button = (text: string, run: () => void, shortcut = ""): HTMLButtonElement => {
    const element = h("button", { type: "button", class: "sam-button sam-quiet sam-outlined" }, text);
    if (shortcut) setAttributes(element, { title: `${shortcut} (${shortcutFor(shortcut)})` });
    element.addEventListener("click", run, { signal });
    return element;
  };
  const said = h("span", { class: "sam-hint", "aria-live": "polite" });
  const label = h("input", { type: "text", class: "sam-input", placeholder: "Label", maxlength: 200 });
  const merge = button("Merge", () => actions.objects.merge(), "Merge the picked objects");
  const subtract = button("", () => actions.objects.subtract());
  const remove = button("Delete", () => actions.objects.removeMarked(), "Remove the selection");
  const keep = button("Keep only", () => actions.objects.keepMarked());
  const keydown = (event: KeyboardEvent): void => {
    if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    event.preventDefault();
    if (event.key === "Enter") actions.objects.label(label.value);
    label.value = "";
    focusCanvas();
  };
  label.addEventListener("keydown", keydown, { signal });
  const element = h("div", { class: "sam-together" }, label, merge, remove, keep, subtract);
  return {
    element: h("div", { class: "sam-picked" }, said, element),
    update() {
      const { objects } = store.state;
      const there = new Map(ui.marked.length ? objects.map((object) => [object.id, object]) : []);
      const marked = ui.marked.flatMap((id) => there.get(id) ?? []);
      if (marked.length < ui.marked.length) ui.marked = marked.map((object) => object.id);
      const count = marked.length;
      const which = count === 1 ? marked[0].label : `${count} objects`;
      const shown = (part: HTMLElement, visible: boolean): void => {
        if (!visible && part.matches(":focus-within")) focusCanvas();
        setAttributes(part, { hidden: !visible });
      };
      shown(element, count > 0 && !store.saved);
      shown(merge, count > 1);
      shown(subtract, count === 2);
      shown(keep, count > 0 && count < objects.length);
      setText(said, count ? `Picked: ${which}` : "");
      setAttributes(label, { "aria-label": `Label for ${which}` });
      setAttributes(merge, { "aria-label": `Merge ${which}` });
      if (count === 2) setText(subtract, `Subtract ${marked[1].label} from ${marked[0].label}`);
      setAttributes(remove, { "aria-label": `Delete ${which}` });
      setAttributes(keep, { "aria-label": `Keep only ${which}` });
    },
  };
}
