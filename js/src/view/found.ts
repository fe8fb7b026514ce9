/** The list of what a search has found, and what can be done with it. */

import type { InstanceData, SearchData } from "../protocol";
import { wordOf } from "../state/search";
import type { Context, Part } from "./context";
import { h, setAttributes } from "./dom";
import { instanceColor } from "./instances";
import { scoreShown } from "./score";

export interface FoundList extends Part {
  focus(): void;
}

const STEPS: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, Home: -1000, End: 1000, PageDown: 5, PageUp: -5 };

export function createFound(context: Context): FoundList {
  const { store, ui, actions, signal, id, focusCanvas } = context;
  const { find } = actions;
  const list = h("div", { class: "sam-found", role: "listbox", "aria-label": "Found", tabindex: 0 });
  const button = (text: string, title: string, run: () => void): HTMLButtonElement => {
    const made = h("button", { type: "button", class: "sam-button sam-quiet sam-outlined", title }, text);
    made.addEventListener("click", run, { signal });
    return made;
  };
  const refineIt = (): void => {
    focusCanvas();
    find.refine();
  };
  const accept = button("Accept", "Accept it alone (Enter)", () => find.accept());
  const refine = button("Refine", "Make it the prompt, and correct it with clicks (R)", refineIt);
  const refuse = button("Not this", "Find nothing like it (Delete, or right click)", () => find.refuse());

  const instanceOf = (event: Event): string | null => {
    const option = event.target instanceof Element ? event.target.closest<HTMLElement>("[role=option]") : null;
    return option?.dataset.instance ?? null;
  };
  list.addEventListener("click", (event) => find.select(instanceOf(event) ?? ui.instance), { signal });
  const refuseHere = (event: Event): void => {
    const instance = instanceOf(event);
    event.preventDefault();
    event.stopPropagation();
    if (instance !== null) find.refuse(instance);
  };
  list.addEventListener("contextmenu", refuseHere, { signal });
  const point = (event: Event): void => {
    const pointed = instanceOf(event);
    if (pointed !== ui.pointed) ui.set({ pointed });
  };
  list.addEventListener("pointerover", point, { signal });
  list.addEventListener("pointerleave", () => ui.set({ pointed: null }), { signal });
  list.addEventListener("focus", () => find.selected || find.step(1), { signal });
  const keydown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in STEPS) find.step(STEPS[event.key]);
    else if (event.key === "Enter") find.accept();
    else if (event.key === "Delete" || event.key === "Backspace") find.refuse();
    else if (event.key.toLowerCase() === "r") refineIt();
    else return;
    event.preventDefault();
  };
  list.addEventListener("keydown", keydown, { signal });

  const one = h("div", { class: "sam-group" }, accept, refine, refuse);
  const enable = (part: HTMLElement, shown: boolean): void => {
    if (!shown && part.matches(":focus-within")) focusCanvas();
    setAttributes(part, { hidden: !shown });
  };
  let listed: SearchData | null = null;
  return {
    element: h("div", { class: "sam-found-panel" }, list, one),
    focus: () => list.focus({ preventScroll: true }),
    update() {
      const { search } = store.state;
      const { instances, selected } = find;
      if (search !== listed) {
        listed = search;
        list.replaceChildren(...(search ? instances.map((instance) => createOption(search, instance, id)) : []));
      }
      for (const option of list.children)
        setAttributes(option, { "aria-selected": String(option.id === optionId(selected, id)) });
      setAttributes(list, { "aria-activedescendant": optionId(selected, id) });
      if (selected) reveal(list, list.querySelector<HTMLElement>("[aria-selected=true]"));
      enable(list, instances.length > 0);
      const name = search && selected ? nameOf(search, selected) : "";
      enable(one, name !== "");
      setAttributes(accept, { "aria-label": `Accept ${name}` });
      setAttributes(refine, { "aria-label": "Refine with clicks" });
      setAttributes(refuse, { "aria-label": `Not this: ${name}` });
    },
  };
}

function optionId(instance: InstanceData | null, id: (name: string) => string): string | null {
  return instance && id(`instance-${instance.id}`);
}

function nameOf(search: SearchData, instance: InstanceData): string {
  return `${wordOf(search, instance)}, ${scoreShown(instance.score)}`;
}

function createOption(search: SearchData, instance: InstanceData, id: (name: string) => string): HTMLElement {
  const swatch = h("span", { class: "sam-swatch" });
  swatch.style.setProperty("--sam-swatch", instanceColor(instance));
  return h(
    "div",
    {
      role: "option",
      id: optionId(instance, id),
      class: "sam-option-found",
      "data-instance": instance.id,
      "data-found": instance.found,
      "aria-label": nameOf(search, instance),
      title: instance.found ? "Click to select it" : "Below the threshold; click to select it",
    },
    swatch,
    h("span", { class: "sam-label" }, wordOf(search, instance)),
    h("span", { class: "sam-facts" }, scoreShown(instance.score)),
  );
}

/** Scroll the list alone, not the page, until a row is in sight. */
function reveal(list: HTMLElement, row: HTMLElement | null): void {
  if (!row) return;
  const above = row.offsetTop - list.offsetTop;
  if (above < list.scrollTop) list.scrollTop = above;
  else if (above + row.offsetHeight > list.scrollTop + list.clientHeight)
    list.scrollTop = above + row.offsetHeight - list.clientHeight;
}
