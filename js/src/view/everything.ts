/** The row above the objects: find everything, the number found, stop. */

import { shortcutFor } from "../input/keyboard";
import type { Context, Part } from "./context";
import { h, icon, setAttributes, setText } from "./dom";

/** Points per side of the grid in everything mode; more points find smaller things. */
const GRIDS = [8, 16, 32, 64];

export function createEverything({ store, ui, actions, signal }: Context): Part {
  const count = h("span", { class: "sam-count" });
  const caption = h("div", { class: "sam-caption", "aria-hidden": "true" }, "Objects", count);
  const grid = h(
    "select",
    { class: "sam-input sam-small", "aria-label": "Grid", title: "Points per side of the grid" },
    ...GRIDS.map((side) => h("option", { value: side }, `${side}×${side}`)),
  );
  const begin = h(
    "button",
    {
      type: "button",
      class: "sam-button sam-outlined",
      title: `Find everything in the photo (${shortcutFor("Find everything")})`,
    },
    "Everything",
  );
  const stop = h("button", { type: "button", class: "sam-button sam-outlined" }, icon("clear"), "Stop");
  grid.addEventListener("change", () => ui.set({ grid: Number(grid.value) }), { signal });
  begin.addEventListener("click", () => actions.objects.everything(), { signal });
  stop.addEventListener("click", () => actions.objects.cancel(), { signal });
  const found = h("span", { class: "sam-hint" });
  const search = h("div", { class: "sam-group" }, found, grid, begin, stop);
  return {
    element: h("div", { class: "sam-row" }, caption, search),
    update() {
      setAttributes(search, { hidden: !store.answers("everything") });
      const { objects, everything } = store.state;
      const running = everything !== null || store.searching;
      setText(count, objects.length ? String(objects.length) : "");
      const finding = everything?.kind === "find";
      setAttributes(found, { hidden: everything === null || finding });
      setAttributes(stop, { title: finding ? "Stop the search (Esc)" : "Stop, and keep the masks found so far (Esc)" });
      setText(found, everything ? `${everything.found.length} found` : "");
      grid.value = String(ui.grid);
      // One button replaces the other, and takes its focus.
      const focused = (running ? begin : stop).matches(":focus");
      setAttributes(stop, { hidden: !running });
      setAttributes(begin, { hidden: running });
      setAttributes(grid, { hidden: running });
      if (focused) (running ? stop : begin).focus({ preventScroll: true });
      begin.disabled = !store.canSearch;
      grid.disabled = !store.canSearch;
    },
  };
}
