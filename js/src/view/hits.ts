/** The search in all images of a gallery: how far it is, and the images in which something was found, best first. */

import type { HitData } from "../protocol";
import type { Context, Part } from "./context";
import { h, iconButton, setAttributes, setText } from "./dom";
import { scoreShown } from "./score";

export function createHits({ gallery, store, actions, signal, focusCanvas, id }: Context): Part {
  const message = h("p", { class: "sam-empty sam-found-message", role: "status" });
  const progress = h(
    "div",
    { class: "sam-track", role: "progressbar", "aria-label": "Images searched", "aria-valuemin": 0 },
    h("div"),
  );
  const cancel = h("button", { type: "button", class: "sam-button sam-outlined" }, "Cancel");
  const end = iconButton("clear", "Close the list", "Close the list; the images still offer what was found");
  const list = h("ol", { class: "sam-hits", role: "list", "aria-label": "Found in" });
  cancel.addEventListener("click", () => actions.find.cancelInAll(), { signal });
  const close = (): void => {
    focusCanvas();
    actions.find.endInAll();
  };
  end.addEventListener("click", close, { signal });
  const show = (event: Event): void => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-image]") : null;
    if (!button) return;
    focusCanvas();
    actions.gallery.show(Number(button.dataset.image));
  };
  list.addEventListener("click", show, { signal });
  const element = h(
    "div",
    { class: "sam-in-all", role: "group", id: id("in-all"), "aria-label": "Find in all images" },
    h("div", { class: "sam-find-row" }, message, progress, cancel, end),
    list,
  );
  let listed: readonly HitData[] | null = null;
  return {
    element,
    update() {
      const { searched, searching } = gallery;
      if (!searched && element.matches(":focus-within")) focusCanvas();
      setAttributes(element, { hidden: searched === null });
      if (!searched) return;
      setText(message, gallery.searchMessage);
      setAttributes(progress, { hidden: !searching, "aria-valuenow": searched.done, "aria-valuemax": searched.total });
      (progress.firstElementChild as HTMLElement).style.width = `${(100 * searched.done) / searched.total}%`;
      // One button replaces the other, and takes its focus.
      const focused = (searching ? end : cancel).matches(":focus");
      setAttributes(cancel, { hidden: !searching });
      setAttributes(end, { hidden: searching });
      if (focused) (searching ? cancel : end).focus({ preventScroll: true });
      if (listed !== searched.hits) {
        listed = searched.hits;
        list.replaceChildren(...listed.map((hit) => createHit(hit, gallery.names[hit.index])));
      }
      setAttributes(list, { hidden: listed.length === 0 });
      const index = String(store.index(gallery.place.index));
      for (const button of list.querySelectorAll<HTMLElement>("[data-image]"))
        setAttributes(button, { "aria-current": button.dataset.image === index ? "true" : null });
    },
  };
}

function createHit({ index, found, score }: HitData, name: string): HTMLElement {
  const label = `${name}, ${found} found, best ${scoreShown(score)}`;
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", class: "sam-image", "data-image": index, "aria-label": label, title: label },
      h("span", { class: "sam-image-name" }, name),
      h("span", { class: "sam-count" }, String(found)),
      h("span", { class: "sam-facts" }, scoreShown(score)),
    ),
  );
}
