/** The row under the tools: the options of the current tool, and the selection. */

import { BRUSH_SIZES } from "../actions/lines";
import { shortcutFor } from "../input/keyboard";
import type { Tool, Ui } from "../state/ui";
import type { Context, Part } from "./context";
import { h, setAttributes, setText } from "./dom";
import { bindRadios, setChosen } from "./radiogroup";

/** What a press does on something that a search has found. */
const PICKS = "Click selects what was found, right click refuses it.";

/** What a press with the current tool does now. */
export function hintFor(tool: Tool, paints: boolean, { erase, encloses }: Pick<Ui, "erase" | "encloses">): string {
  if (tool === "brush" && paints) return erase ? "Drag erases from the mask." : "Drag paints on the mask.";
  if (tool === "brush" || (tool === "lasso" && !encloses))
    return erase ? "Drag prompts: a scribble on the background." : "Drag prompts: a scribble on the object.";
  if (tool === "lasso") return erase ? "Drag prompts: around the background." : "Drag prompts: around the object.";
  return {
    point: "Click adds, Alt+click excludes.",
    box: "Drag around the object.",
    pick: "Click picks, Shift+click picks several.",
    pan: "Drag moves the photo.",
  }[tool];
}

export function createToolOptions({ store, ui, actions, signal, focusCanvas }: Context): Part {
  const hint = h("span", { class: "sam-hint" });
  const mode = radios("Mode", ["Add", "Erase"], (i) => ui.set({ erase: i === 1 }), signal);
  const line = radios("Line", ["Lasso", "Scribble"], (i) => ui.set({ encloses: i === 0, line: [] }), signal);
  const several = h("input", { type: "checkbox" });
  several.addEventListener("change", () => ui.set({ several: several.checked }), { signal });
  const boxes = h("label", { class: "sam-option", title: "Keep earlier boxes (Shift+drag)" }, several, "Several boxes");
  const more = h("input", { type: "checkbox" });
  more.addEventListener("change", () => ui.set({ pickSeveral: more.checked }), { signal });
  const picks = h("label", { class: "sam-option", title: "Keep earlier picks (Shift+click)" }, more, "Pick several");
  const size = h("input", {
    type: "range",
    class: "sam-slider",
    min: BRUSH_SIZES.min,
    max: BRUSH_SIZES.max,
    title: `${shortcutFor("Smaller brush")} and ${shortcutFor("Larger brush")}`,
  });
  size.addEventListener("input", () => actions.lines.brushSize(size.valueAsNumber), { signal });
  const brush = h("label", { class: "sam-option" }, "Brush size", size);
  const selected = h("span", { class: "sam-hint", "aria-live": "polite" });
  const remove = h("button", { type: "button", class: "sam-button sam-quiet sam-outlined" }, "Delete");
  setAttributes(remove, { title: `Remove it (${shortcutFor("Remove the selection")})` });
  remove.addEventListener("click", () => actions.removeSelected(), { signal });
  const selection = h("span", { class: "sam-selection" }, selected, remove);
  return {
    element: h("div", { class: "sam-tooloptions" }, hint, boxes, picks, mode, line, brush, selection),
    update() {
      const { tool } = ui;
      const lines = tool === "brush" || tool === "lasso";
      const name = tool === "point" || tool === "box" ? actions.handles.selectedName : "";
      if (!name && remove.matches(":focus")) focusCanvas();
      const why = tool === "point" || tool === "box" ? actions.hover.why : "";
      const usual = actions.find.picks ? PICKS : `${hintFor(tool, store.canAccept, ui)}${why}`;
      setText(hint, name ? "" : usual);
      setAttributes(hint, { hidden: !hint.textContent });
      setAttributes(boxes, { hidden: tool !== "box" });
      several.checked = ui.several;
      setAttributes(picks, { hidden: tool !== "pick" });
      more.checked = ui.pickSeveral;
      setAttributes(mode, { hidden: !lines });
      setChosen(mode, ui.erase ? 1 : 0);
      setAttributes(line, { hidden: tool !== "lasso" });
      setChosen(line, ui.encloses ? 0 : 1);
      setAttributes(brush, { hidden: tool !== "brush" });
      size.valueAsNumber = ui.brushSize;
      setAttributes(size, { "aria-valuetext": `${ui.brushSize} screen pixels` });
      setText(selected, name);
      setAttributes(remove, { hidden: !name });
    },
  };
}

function radios(name: string, choices: string[], choose: (index: number) => void, signal: AbortSignal): HTMLElement {
  const group = h(
    "div",
    { class: "sam-segments", role: "radiogroup", "aria-label": name },
    ...choices.map((choice) => h("button", { type: "button", role: "radio", class: "sam-segment" }, choice)),
  );
  bindRadios(group, choose, signal);
  return group;
}
