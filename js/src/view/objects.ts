/** The list of accepted objects: edit, rename, recolour and remove each, or pick several to act on together. */

import { OBJECTS, objectColor } from "../palette";
import type { ObjectData } from "../protocol";
import type { Context, Part } from "./context";
import { h, iconButton, setAttributes, setText } from "./dom";
import { createEverything } from "./everything";
import { createExport } from "./export";
import { createPicked } from "./picked";
import { scoreShown } from "./score";

interface Row {
  readonly element: HTMLElement;
  update(object: ObjectData, marked: boolean, edited: boolean): void;
}

export function createObjects(context: Context): Part {
  const { store, ui, signal } = context;
  const list = h("ul", { class: "sam-objects", role: "list", "aria-label": "Objects" });
  const [heading, picked, exporting] = [createEverything(context), createPicked(context), createExport(context)];
  const empty = h("p", { class: "sam-empty" }, "Accepted masks are listed here.");
  const rows = new Map<string, Row>();
  /** What the rows show. */
  let shown: readonly unknown[] = [];

  const highlight = (event: Event): void => {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>("li") : null;
    const object = row?.dataset.object ?? null;
    if (object !== ui.highlight) ui.set({ highlight: object });
  };
  for (const type of ["pointerover", "focusin"]) list.addEventListener(type, highlight, { signal });
  for (const type of ["pointerleave", "focusout"])
    list.addEventListener(type, () => ui.set({ highlight: null }), { signal });

  return {
    element: h(
      "section",
      { class: "sam-panel sam-grow" },
      heading.element,
      empty,
      list,
      picked.element,
      exporting.element,
    ),
    update() {
      const { objects, editing } = store.state;
      for (const part of [heading, picked, exporting]) part.update();
      const now = [objects, editing, ui.marked];
      if (now.every((item, i) => item === shown[i])) return;
      shown = now;
      const marked = new Set(ui.marked);
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
        row.update(object, marked.has(object.id), object.id === editing);
        if (list.children[i] !== row.element) list.insertBefore(row.element, list.children[i] ?? null);
      });
      setAttributes(empty, { hidden: objects.length > 0 });
      setAttributes(list, { hidden: objects.length === 0 });
    },
  };
}

function createRow(id: string, { actions, gallery, signal }: Context): Row {
  const mark = h("input", { type: "checkbox", class: "sam-mark" });
  const swatch = h("button", { type: "button", class: "sam-swatch" });
  const label = h("span", { class: "sam-label" });
  const score = h("span");
  const unscored = h("span", { class: "sam-hidden" }, "no score");
  const size = h("span");
  const facts = h("span", { class: "sam-facts" }, score, unscored, size);
  const about = h("span", { class: "sam-about" }, label, facts);
  const more = iconButton("find", "", "Find more like it");
  const moreInAll = iconButton("findAll", "", "Find more like it in all images");
  const edit = iconButton("edit", "", "Edit");
  const rename = iconButton("rename", "", "Rename");
  const remove = iconButton("clear", "", "Remove");
  const element = h(
    "li",
    { class: "sam-object", "data-object": id, title: "Click to show it" },
    mark,
    swatch,
    about,
    more,
    moreInAll,
    edit,
    rename,
    remove,
  );
  let current = "";
  let color = 0;
  let field: HTMLInputElement | null = null;
  let shown: readonly unknown[] = [];

  const close = (commit: boolean): void => {
    if (!field) return;
    const value = field.value.trim();
    const focused = field.matches(":focus");
    const closing = field;
    // Removing the field blurs it, which would close it a second time.
    field = null;
    closing.replaceWith(label);
    if (focused) rename.focus({ preventScroll: true });
    if (commit && value && value !== current) {
      setText(label, value);
      actions.objects.rename(id, value);
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
  const select = (event: Event): void => {
    if (!field && event.target instanceof Element && !event.target.closest("button, input")) actions.selectObject(id);
  };
  element.addEventListener("click", select, { signal });
  rename.addEventListener("click", open, { signal });
  mark.addEventListener("change", () => actions.objects.mark(id, mark.checked), { signal });
  swatch.addEventListener("click", () => actions.objects.recolor(id, (color + 1) % OBJECTS.length), { signal });
  more.addEventListener("click", () => actions.find.more(id), { signal });
  moreInAll.addEventListener("click", () => actions.find.moreInAll(id), { signal });
  edit.addEventListener("click", () => actions.objects.editObject(id), { signal });
  remove.addEventListener("click", () => actions.objects.remove(id), { signal });

  return {
    element,
    update(object, marked, edited) {
      // A click in the box has changed it before the kernel was asked.
      mark.checked = marked;
      const now = [object, edited];
      if (now.every((item, i) => item === shown[i])) return;
      shown = now;
      current = object.label;
      color = object.color;
      setAttributes(mark, { "aria-label": `Mark ${object.label}`, title: "Pick, to label, merge or delete several" });
      setAttributes(swatch, { "aria-label": `Next colour for ${object.label}`, title: "Next colour" });
      setAttributes(more, { "aria-label": `Find more like ${object.label}`, title: `Find more like ${object.label}` });
      const everywhere = `Find more like ${object.label} in all images`;
      setAttributes(moreInAll, { "aria-label": everywhere, title: everywhere, hidden: !gallery.open });
      setAttributes(edit, { "aria-label": `Edit ${object.label}`, title: `Edit ${object.label} again` });
      setAttributes(element, { "aria-current": edited ? "true" : null });
      swatch.style.setProperty("--sam-swatch", objectColor(object.color));
      setText(label, object.label);
      setAttributes(label, { title: object.label });
      const none = !edited && object.score === null;
      setText(score, edited ? "" : scoreShown(object.score));
      setAttributes(score, { "aria-hidden": none ? "true" : null });
      setAttributes(unscored, { hidden: !none });
      setText(size, edited ? "being edited" : ` · ${object.area.toLocaleString("en")} px`);
      setAttributes(rename, { "aria-label": `Rename ${object.label}`, title: `Rename ${object.label}` });
      setAttributes(remove, { "aria-label": `Remove ${object.label}`, title: `Remove ${object.label}` });
    },
  };
}
