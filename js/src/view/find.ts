/** Find by words and examples: the field, what became of it, the threshold, and the list of what was found. */

import type { PromptData } from "../protocol";
import { newGesture } from "../state/gesture";
import { corrected, nearWords } from "../state/search";
import type { Store } from "../state/store";
import type { Context, Part } from "./context";
import { h, icon, iconButton, setAttributes, setText } from "./dom";
import { createFound } from "./found";

export function createFind(context: Context): Part {
  const { store, ui, actions, signal, id, focusCanvas } = context;
  const { find } = actions;
  const field = h("input", {
    type: "search",
    class: "sam-input",
    "aria-label": "Words to find",
    "aria-describedby": id("found"),
    placeholder: "Find: cat, red cup",
    maxlength: 400,
    autocomplete: "off",
    spellcheck: "false",
    enterkeyhint: "search",
  });
  const type = (): void => find.type(field.value);
  // Words that an input method is still composing are not searched for.
  const input = (event: Event): void => {
    if (event instanceof InputEvent && event.isComposing) ui.set({ words: field.value });
    else type();
  };
  field.addEventListener("input", input, { signal });
  field.addEventListener("compositionend", type, { signal });
  field.addEventListener("blur", () => find.leave(), { signal });
  const found = createFound(context);
  const keydown = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    if (event.key === "Enter" && event.shiftKey && find.canFindInAll) find.inAll();
    else if (event.key === "Enter") find.search();
    else if (event.key === "ArrowDown") found.focus();
    else if (event.key === "Escape" && find.running) actions.objects.cancel();
    else if (event.key === "Escape" && !store.state.search && !ui.words.trim()) end();
    else if (event.key === "Escape") focusCanvas();
    else return;
    event.preventDefault();
  };
  field.addEventListener("keydown", keydown, { signal });
  signal.addEventListener("abort", () => find.rest(), { once: true });

  const close = iconButton("clear", "End the search", "End the search (Esc)");
  const end = (): void => {
    focusCanvas();
    find.end();
  };
  close.addEventListener("click", end, { signal });

  const all = h(
    "button",
    { type: "button", class: "sam-button sam-primary", "aria-label": "Accept all found", title: "Accept all found" },
    icon("check"),
    h("span"),
  );
  all.addEventListener("click", () => find.acceptAll(), { signal });
  const inAll = h(
    "button",
    { type: "button", class: "sam-button sam-quiet sam-outlined", title: "Find in all images (Shift+Enter)" },
    icon("findAll"),
    "Find in all images",
  );
  inAll.addEventListener("click", () => find.inAll(), { signal });
  const pressed = (event: Event): string | null => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-value]") : null;
    return button?.dataset.value ?? null;
  };
  const withPrompt = h(
    "button",
    {
      type: "button",
      class: "sam-button sam-quiet sam-outlined",
      title: "Segment what the words say, where the prompt is",
    },
    icon("point"),
    h("span"),
  );
  // The field stays focused: when it is left, its words are searched for in the whole photo.
  withPrompt.addEventListener("pointerdown", (event) => event.preventDefault(), { signal });
  withPrompt.addEventListener("click", () => find.withPrompt(), { signal });
  const together = h("div", { class: "sam-recent", role: "group", "aria-label": "Words of the prompt" });
  const separate = (event: Event): void => {
    if (pressed(event) === null) return;
    focusCanvas();
    find.withoutWords();
  };
  together.addEventListener("click", separate, { signal });
  const examples = h("div", { class: "sam-recent", role: "group", "aria-label": "Examples" });
  const near = h("div", { class: "sam-recent", role: "group", "aria-label": "Near words" });
  const message = h("p", { class: "sam-empty sam-found-message", role: "status", id: id("found") });
  const drop = (event: Event): void => {
    const object = pressed(event);
    if (object === null) return;
    field.focus({ preventScroll: true });
    find.less(object);
  };
  const replace = (event: Event): void => {
    const word = pressed(event);
    if (word === null) return;
    ui.set({ words: corrected(ui.words, store.find.error ?? "", word) });
    field.focus({ preventScroll: true });
    find.search();
  };
  examples.addEventListener("click", drop, { signal });
  near.addEventListener("click", replace, { signal });

  const slider = h("input", {
    type: "range",
    class: "sam-slider",
    id: id("least"),
    min: 0,
    max: 1,
    step: 0.01,
    title: "Score from which an instance counts as found",
  });
  const shown = h("span", { class: "sam-facts", "aria-hidden": "true" });
  // One drag is one edit; it ends with the slider's change event.
  let gesture = newGesture();
  slider.addEventListener("input", () => find.sift(slider.valueAsNumber, gesture), { signal });
  const release = (): void => {
    gesture = newGesture();
  };
  slider.addEventListener("change", release, { signal });
  const threshold = h("div", { class: "sam-slide" }, h("label", { for: id("least") }, "Threshold"), slider, shown);

  const chips = (group: HTMLElement, items: { value: string; text: string; label: string; drop?: boolean }[]): void => {
    const now = JSON.stringify(items);
    if (group.dataset.shown === now) return;
    group.dataset.shown = now;
    group.replaceChildren(
      ...items.map(({ value, text, label, drop: drops }) =>
        h(
          "button",
          { type: "button", class: "sam-chip", "data-value": value, "aria-label": label, title: label },
          h("span", { class: "sam-chip-text" }, text),
          drops ? icon("clear") : null,
        ),
      ),
    );
    setAttributes(group, { hidden: items.length === 0 });
  };

  /** The search that the field follows. */
  let followed: unknown = null;
  const element = h(
    "section",
    { class: "sam-panel sam-find", id: id("find"), role: "search", "aria-label": "Find", hidden: true },
    h("div", { class: "sam-find-row" }, field, close),
    examples,
    h("div", { class: "sam-find-row" }, message, all),
    near,
    together,
    h("div", { class: "sam-find-row" }, withPrompt, inAll),
    threshold,
    found.element,
  );
  return {
    element,
    update() {
      const { search } = store.state;
      if (!find.open && element.matches(":focus-within")) focusCanvas();
      setAttributes(element, { hidden: !find.open });
      if (!find.open) return;
      // Words from elsewhere, such as another view or undo, are shown unless one is typing.
      if (search !== followed && !field.matches(":focus")) ui.words = search?.words.join(", ") ?? ui.words;
      followed = search;
      if (field.value !== ui.words) field.value = ui.words;
      setAttributes(field, { "aria-invalid": store.find.error === null ? null : "true" });
      setText(message, findMessage(store, ui.words));
      const count = find.instances.filter((instance) => instance.found).length;
      const { error } = store.find;
      // After an error, what is shown was found by other words.
      const none = count === 0 || error !== null;
      if (none && all.matches(":focus")) focusCanvas();
      setAttributes(all, { hidden: none });
      setText(all.lastElementChild ?? all, `Accept all ${count}`);
      chips(
        near,
        nearWords(error ?? "").map((word) => ({ value: word, text: word, label: `Find ${word}` })),
      );
      chips(
        examples,
        find.examples.map(({ id: value, label }) => ({
          value,
          text: `like ${label}`,
          label: `No longer find more like ${label}`,
          drop: true,
        })),
      );
      const { prompt } = store;
      const where = promptName(prompt);
      if (find.phrase === null && withPrompt.matches(":focus")) focusCanvas();
      setAttributes(withPrompt, { hidden: find.phrase === null });
      setText(withPrompt.lastElementChild ?? withPrompt, `With ${where}`);
      chips(
        together,
        prompt.words
          ? [
              {
                value: "words",
                text: `${prompt.words}, with ${where}`,
                label: `Remove ${prompt.words} from the prompt`,
                drop: true,
              },
            ]
          : [],
      );
      if (!find.canFindInAll && inAll.matches(":focus")) focusCanvas();
      setAttributes(inAll, { hidden: !find.canFindInAll });
      setAttributes(threshold, { hidden: search === null });
      slider.valueAsNumber = store.find.threshold;
      setAttributes(slider, { "aria-valuetext": store.find.threshold.toFixed(2) });
      setText(shown, store.find.threshold.toFixed(2));
      found.update();
      if (ui.focusesWords) {
        ui.focusesWords = false;
        field.focus();
        field.select();
      }
    },
  };
}

/** What has become of the words: an error, progress, or what was found. */
export function findMessage({ state, find: { error } }: Pick<Store, "state" | "find">, words: string): string {
  if (error !== null) return error;
  const { everything, search } = state;
  if (everything?.kind === "find") {
    if (!everything.total) return "Searching…";
    // In tenths, because a screen reader announces each.
    const tenths = Math.floor((10 * everything.done) / everything.total);
    return `Searching ${Math.floor((tenths * everything.total) / 10)} of ${everything.total}`;
  }
  if (search) return search.message;
  // Such as in the next image of a gallery, or after all was accepted.
  return words.trim() ? "Enter searches." : "Commas separate words. Results come as you type.";
}

/** What words go together with: "the box". */
export function promptName({ points, boxes, strokes }: PromptData): string {
  const kinds = [points, boxes, strokes].filter((parts) => parts.length > 0);
  if (kinds.length !== 1) return "the prompt";
  const name = boxes.length > 0 ? "box" : points.length > 0 ? "point" : "stroke";
  return kinds[0].length === 1 ? `the ${name}` : `the ${name}${name === "box" ? "es" : "s"}`;
}
