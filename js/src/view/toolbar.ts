/** The tools, and the buttons that act on the whole prompt. */

import { shortcutFor } from "../input/keyboard";
import type { Tool } from "../state/ui";
import type { Context, Part } from "./context";
import { h, icon, iconButton, setAttributes } from "./dom";
import { bindRadios, setChosen } from "./radiogroup";

const TOOLS: readonly { tool: Tool; name: string }[] = [
  { tool: "point", name: "Point" },
  { tool: "box", name: "Box" },
  { tool: "brush", name: "Brush" },
  { tool: "lasso", name: "Lasso" },
  { tool: "pick", name: "Pick" },
  { tool: "pan", name: "Pan" },
];

const HOVER = `Show the mask under the pointer (${shortcutFor("Show or hide the mask under the pointer")})`;

export function createToolbar({ store, ui, display, actions, signal, focusCanvas, id }: Context): Part {
  const tools = h(
    "div",
    { class: "sam-segments", role: "radiogroup", "aria-label": "Tool" },
    ...TOOLS.map(({ tool, name }) =>
      h(
        "button",
        { type: "button", role: "radio", class: "sam-segment", title: `${name} (${shortcutFor(`${name} tool`)})` },
        icon(tool),
        h("span", { class: "sam-name" }, name),
      ),
    ),
  );
  bindRadios(tools, (index) => actions.tool(TOOLS[index].tool), signal);

  const hover = h(
    "button",
    {
      type: "button",
      role: "switch",
      class: "sam-button sam-switch",
      "aria-label": "Hover",
      title: HOVER,
    },
    h("span", { class: "sam-knob" }),
    h("span", { class: "sam-wide" }, "Hover"),
  );
  const find = h(
    "button",
    {
      type: "button",
      class: "sam-button sam-quiet",
      "aria-label": "Find by words",
      "aria-controls": id("find"),
      title: `Find by words (${shortcutFor("Find by words")})`,
    },
    icon("find"),
    h("span", { class: "sam-wide" }, "Find"),
  );
  const undo = iconButton("undo", "Undo", `Undo (${shortcutFor("Undo")})`);
  const redo = iconButton("redo", "Redo", `Redo (${shortcutFor("Redo")})`);
  const clear = h(
    "button",
    {
      type: "button",
      class: "sam-button sam-quiet",
      "aria-label": "Clear",
      title: `Clear the prompt (${shortcutFor("Cancel the current operation, or clear the prompt")})`,
    },
    icon("clear"),
    h("span", { class: "sam-wide" }, "Clear"),
  );
  const help = iconButton("help", "Keyboard and mouse help", "Keyboard and mouse (?)");
  setAttributes(help, { "aria-controls": id("help") });
  const options = iconButton("view", "View options", "View options: masks, contrast, channels");
  setAttributes(options, { "aria-controls": id("options") });
  const listen = (button: HTMLButtonElement, run: () => void): void =>
    button.addEventListener("click", run, { signal });
  listen(hover, () => actions.hover.toggle());
  listen(find, () => actions.find.begin());
  listen(undo, () => actions.prompt.undo());
  listen(redo, () => actions.prompt.redo());
  listen(clear, () => actions.prompt.clear());
  listen(options, () => actions.toggleOptions());
  listen(help, () => actions.toggleHelp());

  const enable = (button: HTMLButtonElement, enabled: boolean): void => {
    if (!enabled && button.matches(":focus")) focusCanvas();
    button.disabled = !enabled;
  };
  const edits = h("div", { class: "sam-group" }, undo, redo, clear);
  return {
    element: h(
      "div",
      { class: "sam-toolbar" },
      tools,
      hover,
      find,
      edits,
      h("div", { class: "sam-group" }, options, help),
    ),
    update() {
      const tool = TOOLS.findIndex((item) => item.tool === ui.tool);
      setChosen(tools, tool);
      for (const [i, button] of [...tools.querySelectorAll("button")].entries())
        enable(button, !store.failed || TOOLS[i].tool === "pan");
      const [brush, lasso] = [2, 3].map((i) => tools.children[i]);
      setAttributes(brush, { hidden: !store.answers("brush") });
      setAttributes(lasso, { hidden: !store.takesStrokes });
      enable(hover, !store.failed);
      setAttributes(hover, { "aria-checked": String(actions.hover.on), title: `${HOVER}${actions.hover.why}` });
      enable(find, !store.failed && !store.saved);
      setAttributes(find, { hidden: !store.answers("find") });
      setAttributes(find, { "aria-expanded": String(actions.find.open) });
      enable(undo, store.state.can_undo);
      enable(redo, store.state.can_redo);
      enable(clear, store.canClear);
      setAttributes(options, { "aria-expanded": String(display.open) });
      setAttributes(help, { "aria-expanded": String(ui.helpOpen) });
    },
  };
}
