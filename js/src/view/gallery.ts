/** The bar of a gallery: the current image, the way to the others, and the progress of each. */

import { shortcutFor } from "../input/keyboard";
import type { Context, Part } from "./context";
import { h, icon, iconButton, setAttributes, setText } from "./dom";
import { createHits } from "./hits";

export function createGallery(context: Context): Part {
  const { gallery, engine, store, ui, actions, signal, focusCanvas, id } = context;
  const hits = createHits(context);
  const previous = iconButton("left", "Previous image", `Previous image (${shortcutFor("Previous image")})`);
  const next = iconButton("right", "Next image", `Next image (${shortcutFor("Next image")})`);
  const position = h("span", { class: "sam-position" });
  const name = h("span", { class: "sam-image-name" });
  const overview = h(
    "button",
    { type: "button", class: "sam-button sam-quiet sam-overview-button", "aria-controls": id("overview") },
    position,
    name,
    icon("down"),
  );
  const count = h("span", { class: "sam-facts" });
  const bar = h("div", { class: "sam-track", "aria-hidden": "true" }, h("div"));
  const done = h(
    "button",
    {
      type: "button",
      role: "switch",
      class: "sam-button sam-switch",
      "aria-label": "Done",
      title: `Mark this image as done (${shortcutFor("Mark the image as done")})`,
    },
    h("span", { class: "sam-knob" }),
    "Done",
  );
  const images = h("ol", { class: "sam-images", id: id("overview"), role: "list", "aria-label": "Images" });
  previous.addEventListener("click", () => actions.gallery.step(-1), { signal });
  next.addEventListener("click", () => actions.gallery.step(1), { signal });
  overview.addEventListener("click", () => actions.gallery.toggleOverview(), { signal });
  done.addEventListener("click", () => actions.gallery.toggleDone(), { signal });
  const pick = (event: Event): void => {
    const item = event.target instanceof Element ? event.target.closest("li") : null;
    if (!item) return;
    ui.set({ overviewOpen: false });
    focusCanvas();
    actions.gallery.show([...images.children].indexOf(item));
  };
  images.addEventListener("click", pick, { signal });

  const row = h(
    "div",
    { class: "sam-gallery-bar" },
    previous,
    next,
    overview,
    h("span", { class: "sam-done" }, count, bar),
    done,
  );
  let shown = false;

  /** The items are made when the list is first opened: there may be thousands. */
  const updateImages = (): void => {
    const { place, names } = gallery;
    if (images.children.length !== names.length) images.replaceChildren(...names.map((_, index) => createItem(index)));
    names.forEach((text, index) => {
      const [button] = images.children[index].children;
      const [, label, objects, mark] = button.children;
      setText(label, text);
      setText(objects, place.objects[index] ? String(place.objects[index]) : "");
      setAttributes(mark, {
        "data-mark": place.failed.includes(index) ? "failed" : place.done.includes(index) && "done",
      });
      setAttributes(button, {
        "aria-label": gallery.describe(index),
        "aria-current": index === store.index(place.index) ? "true" : null,
      });
    });
    if (!shown) images.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  };

  const enable = (button: HTMLButtonElement, enabled: boolean): void => {
    if (!enabled && button.matches(":focus")) focusCanvas();
    button.disabled = !enabled;
  };
  const element = h("div", { class: "sam-gallery", role: "group", "aria-label": "Gallery" }, row, images, hits.element);
  return {
    element,
    update() {
      setAttributes(element, { hidden: !gallery.open });
      if (!gallery.open) return;
      const { place, names } = gallery;
      const index = store.index(place.index);
      enable(previous, index > 0);
      enable(next, index < names.length - 1);
      setText(position, `${index + 1} / ${names.length}`);
      setText(name, names[index]);
      setAttributes(overview, {
        "aria-expanded": String(ui.overviewOpen),
        "aria-label": `Images: ${index + 1} of ${names.length}, ${names[index]}`,
        title: `${names[index]} (${shortcutFor("Show or hide the images")}: all images)`,
      });
      setText(count, `${place.done.length} of ${names.length} done`);
      (bar.firstElementChild as HTMLElement).style.width = `${(100 * place.done.length) / names.length}%`;
      // A data engine has a button that also shows the next image; the switch is the way back.
      const redundant = (engine.data?.stage ?? 3) < 3 && !place.done.includes(index);
      if (redundant && done.matches(":focus")) focusCanvas();
      setAttributes(done, { "aria-checked": String(place.done.includes(index)), hidden: redundant });
      setAttributes(images, { hidden: !ui.overviewOpen });
      if (ui.overviewOpen) updateImages();
      shown = ui.overviewOpen;
      hits.update();
    },
  };
}

function createItem(index: number): HTMLElement {
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", class: "sam-image" },
      h("span", { class: "sam-ordinal" }, String(index + 1)),
      h("span", { class: "sam-image-name" }),
      h("span", { class: "sam-facts" }),
      h("span", { class: "sam-progress-mark" }),
    ),
  );
}
