/** The list of accepted objects: see, rename, remove. */

import { objectColor } from "../palette";
import type { ObjectData } from "../protocol";
import type { Context, Part } from "./context";
import { h, iconButton, setAttributes, setText } from "./dom";

interface Row {
  readonly element: HTMLElement;
  update(object: ObjectData): void;
}

export function createObjects(context: Context): Part {
  const { store, ui, signal } = context;
  const list = h("ul", { class: "sam-objects", role: "list", "aria-label": "Objects" });
  const count = h("span", { class: "sam-count" });
  const heading = h("div", { class: "sam-caption", "aria-hidden": "true" }, "Objects", count);
  const empty = h("p", { class: "sam-empty" }, "Accepted masks are listed here.");
  const rows = new Map<string, Row>();

  const highlight = (event: Event): void => {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>("li") : null;
    const object = row?.dataset.object ?? null;
    if (object !== ui.highlight) ui.set({ highlight: object });
  };
  for (const type of ["pointerover", "focusin"]) list.addEventListener(type, highlight, { signal });
  for (const type of ["pointerleave", "focusout"])
    list.addEventListener(type, () => ui.set({ highlight: null }), { signal });

  return {
    element: h("section", { class: "sam-panel sam-grow" }, heading, empty, list),
    update() {
      const { objects } = store.state;
      const ids = new Set(objects.map((object) => object.id));
      for (const [id, row] of rows) {
        if (ids.has(id)) continue;
        if (row.element.matches(":focus-within")) context.focusCanvas();
        row.element.remove();
        rows.delete(id);
      }
      objects.forEach((object, i) => {
        const row = rows.get(object.id) ?? createRow(object.id, context);
        rows.set(object.id, row);
        row.update(object);
        if (list.children[i] !== row.element) list.insertBefore(row.element, list.children[i] ?? null);
      });
      setText(count, objects.length ? String(objects.length) : "");
      setAttributes(empty, { hidden: objects.length > 0 });
      setAttributes(list, { hidden: objects.length === 0 });
    },
  };
}

function createRow(id: string, { actions, signal }: Context): Row {
  const swatch = h("span", { class: "sam-swatch" });
  const label = h("span", { class: "sam-label" });
  const facts = h("span", { class: "sam-facts" });
  const about = h("span", { class: "sam-about" }, label, facts);
  const rename = iconButton("rename", "", "Rename");
  const remove = iconButton("clear", "", "Remove");
  const element = h("li", { class: "sam-object", "data-object": id }, swatch, about, rename, remove);
  let current = "";
  let field: HTMLInputElement | null = null;

  const close = (commit: boolean): void => {
    if (!field) return;
    const value = field.value.trim();
    const focused = field.matches(":focus");
    const closing = field;
    // Removing the field blurs it, which would close it again.
    field = null;
    closing.replaceWith(label);
    if (focused) rename.focus({ preventScroll: true });
    if (commit && value && value !== current) {
      setText(label, value);
      actions.rename(id, value);
    }
  };
  const open = (): void => {
    if (field) return;
    field = h("input", { type: "text", class: "sam-input", "aria-label": `New name for ${current}`, maxlength: 200 });
    field.value = current;
    const keydown = (event: KeyboardEvent): void => {
      if (event.isComposing) return;
      if (event.key === "Enter" || event.key === "Escape") {
        event.preventDefault();
        close(event.key === "Enter");
      }
    };
    field.addEventListener("keydown", keydown, { signal });
    field.addEventListener("blur", () => close(true), { signal });
    label.replaceWith(field);
    field.focus({ preventScroll: true });
    field.select();
  };
  label.addEventListener("dblclick", open, { signal });
  rename.addEventListener("click", open, { signal });
  remove.addEventListener("click", () => actions.remove(id), { signal });

  return {
    element,
    update(object) {
      current = object.label;
      swatch.style.setProperty("--sam-swatch", objectColor(object.color));
      setText(label, object.label);
      setAttributes(label, { title: object.label });
      setText(facts, `${object.score.toFixed(2)} · ${object.area.toLocaleString("en")} px`);
      setAttributes(rename, { "aria-label": `Rename ${object.label}`, title: `Rename ${object.label}` });
      setAttributes(remove, { "aria-label": `Remove ${object.label}`, title: `Remove ${object.label}` });
    },
  };
}
