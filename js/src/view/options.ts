/** The view options: how this view shows masks and photo, and whether the model sees the same rendering. */

import { shortcutFor } from "../input/keyboard";
import type { ImageData, RenderingData } from "../protocol";
import { MASK_STYLES, type MaskStyle } from "../state/display";
import { GAMMAS, scaleOf, spelled, usualChannels, windowOf, withWindow } from "../state/rendering";
import { sameRendering, USUAL } from "../state/tiles";
import type { Context, Part } from "./context";
import { h, iconButton, setAttributes, setText } from "./dom";
import { bindRadios, setChosen } from "./radiogroup";

const STYLE_NAMES: Record<MaskStyle, string> = { filled: "Filled", outline: "Outline", cutout: "Cut-out" };

export function createOptions(context: Context): Part {
  const { store, ui, display, actions, signal, id, focusCanvas } = context;
  const styles = h(
    "div",
    { class: "sam-segments", role: "radiogroup", "aria-label": "Masks" },
    ...MASK_STYLES.map((style) =>
      h("button", { type: "button", role: "radio", class: "sam-segment" }, STYLE_NAMES[style]),
    ),
  );
  setAttributes(styles, { title: `Next: ${shortcutFor("Masks filled, outlined, or cut out")}` });
  bindRadios(styles, (index) => display.set({ masks: MASK_STYLES[index] }), signal);

  const change = (make: (image: ImageData, now: RenderingData) => RenderingData): void => {
    const { image } = store.state;
    if (image) display.set({ rendering: make(image, actions.view.rendering) });
  };
  const slider = (name: string, set: (value: number) => void): Slider => createSlider(context, name, set);
  const opacity = slider("Opacity", (value) => display.set({ opacity: value }));
  const black = slider("Black", (value) => change((image, now) => withWindow(image, now, { black: value })));
  const white = slider("White", (value) => change((image, now) => withWindow(image, now, { white: value })));
  // The middle of the slider is 1, and equal distances to its sides cancel each other.
  const gamma = slider("Gamma", (value) => change((_, now) => ({ ...now, gamma: Number((2 ** value).toFixed(2)) })));

  const photo = h(
    "button",
    { type: "button", role: "switch", class: "sam-button sam-switch", title: shortcutTitle("Show or hide the photo") },
    h("span", { class: "sam-knob" }),
    "Photo",
  );
  photo.addEventListener("click", () => display.set({ photo: !display.photo }), { signal });

  const names = h(
    "button",
    { type: "button", role: "switch", class: "sam-button sam-switch", title: "Show the objects' labels on the photo" },
    h("span", { class: "sam-knob" }),
    "Names",
  );
  names.addEventListener("click", () => display.set({ names: !display.names }), { signal });

  const sharpens = h(
    "button",
    { type: "button", role: "switch", class: "sam-button sam-switch", title: shortcutTitle("Sharpen automatically") },
    h("span", { class: "sam-knob" }),
    "Sharpen automatically",
  );
  sharpens.addEventListener("click", () => actions.view.toggleSharpens(), { signal });

  const channels = createChannels(context, (picked) =>
    change((image, now) => spelled(image, { ...now, channels: picked })),
  );

  const button = (name: string, run: () => void): HTMLButtonElement => {
    const element = h("button", { type: "button", class: "sam-button sam-outlined" }, name);
    element.addEventListener("click", run, { signal });
    return element;
  };
  const auto = button("Auto contrast", () =>
    change((image, now) => withWindow(image, now, { black: image.values.dark, white: image.values.bright })),
  );
  const reset = button("Reset", () => display.set({ rendering: USUAL }));
  const share = button("Let the model see this", () => actions.view.shareRendering());
  const shared = h("p", { class: "sam-empty", id: id("shared") });
  setAttributes(share, { "aria-describedby": id("shared") });

  const close = iconButton("clear", "Close view options", "Close (Esc)");
  close.classList.add("sam-help-close");
  const shut = (): void => {
    focusCanvas();
    display.set({ open: false });
  };
  close.addEventListener("click", shut, { signal });
  const contrast = h(
    "div",
    { class: "sam-contrast" },
    channels.element,
    black.element,
    white.element,
    gamma.element,
    h("div", { class: "sam-group" }, auto, reset),
    share,
    shared,
  );
  const element = h(
    "div",
    { class: "sam-help sam-options", id: id("options"), role: "dialog", "aria-label": "View options", hidden: true },
    h("div", { class: "sam-caption" }, "Masks"),
    styles,
    opacity.element,
    names,
    h("div", { class: "sam-caption" }, "Photo"),
    photo,
    contrast,
    sharpens,
    close,
  );
  const keydown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    shut();
  };
  element.addEventListener("keydown", keydown, { signal });
  const outside = (event: Event): void => {
    if (!display.open) return;
    const own = (part: EventTarget): boolean =>
      part === element || (part instanceof Element && part.getAttribute("aria-controls") === id("options"));
    if (!event.composedPath().some(own)) display.set({ open: false });
  };
  document.addEventListener("pointerdown", outside, { signal, capture: true });

  return {
    element,
    update() {
      setAttributes(element, { hidden: !display.open });
      const { image, rendering: seen } = store.state;
      if (!display.open || !image) return;
      const now = actions.view.rendering;
      setChosen(styles, MASK_STYLES.indexOf(display.masks));
      opacity.show(display.opacity, { low: 0, high: 1, step: 0.05 }, `${Math.round(100 * display.opacity)} %`);
      opacity.disable(display.masks !== "filled");
      setAttributes(names, { "aria-checked": String(display.names) });
      setAttributes(photo, { "aria-checked": String(display.photo) });
      setAttributes(sharpens, { "aria-checked": String(ui.sharpens), hidden: !store.answers("sharpen") });
      setAttributes(contrast, { hidden: !store.answers("render") });
      const scale = scaleOf(image.values);
      const shown = windowOf(image, now);
      black.show(shown.black, scale, written(shown.black, scale.step));
      white.show(shown.white, scale, written(shown.white, scale.step));
      const [low, high] = [Math.log2(GAMMAS.low), Math.log2(GAMMAS.high)];
      gamma.show(Math.log2(now.gamma), { low, high, step: 0.01 }, now.gamma.toFixed(2));
      channels.update(image, now);
      const same = sameRendering(now, seen);
      reset.disabled = sameRendering(now, USUAL);
      share.disabled = same || store.status !== "ready";
      const usual = sameRendering(seen, USUAL);
      setText(
        shared,
        same ? "The model sees the photo like this." : `The model sees ${usual ? "the usual" : "another"} rendering.`,
      );
    },
  };
}

function shortcutTitle(help: string): string {
  return `${help} (${shortcutFor(help)})`;
}

function written(value: number, step: number): string {
  return step >= 1 ? String(Math.round(value)) : value.toPrecision(4);
}

interface Slider {
  readonly element: HTMLElement;
  show(value: number, ends: { low: number; high: number; step: number }, text: string): void;
  disable(disabled: boolean): void;
}

function createSlider({ id, signal }: Context, name: string, set: (value: number) => void): Slider {
  const input = h("input", { type: "range", class: "sam-slider", id: id(name.toLowerCase()) });
  const output = h("output", { class: "sam-facts", for: id(name.toLowerCase()) });
  input.addEventListener("input", () => set(input.valueAsNumber), { signal });
  return {
    element: h("div", { class: "sam-slide" }, h("label", { for: id(name.toLowerCase()) }, name), input, output),
    show(value, { low, high, step }, text) {
      setAttributes(input, { min: low, max: high, step: step || "any", "aria-valuetext": text });
      if (input.valueAsNumber !== value) input.value = String(value);
      setText(output, text);
    },
    disable(disabled) {
      input.disabled = disabled;
    },
  };
}

interface Channels {
  readonly element: HTMLElement;
  update(image: ImageData, now: RenderingData): void;
}

/** One select for the usual colours or one channel in grey; three more to mix channels. Hidden for a single channel. */
function createChannels({ id, signal }: Context, pick: (channels: number[]) => void): Channels {
  const show = h("select", { class: "sam-input", id: id("channels") });
  const colours = ["Red", "Green", "Blue"].map((name) =>
    h("select", { class: "sam-input", "aria-label": `${name} channel` }),
  );
  const mixer = h("div", { class: "sam-mixer", hidden: true }, ...colours);
  const element = h(
    "div",
    {},
    h("div", { class: "sam-slide" }, h("label", { for: id("channels") }, "Channels"), show),
    mixer,
  );
  const numbers = (): number[] => colours.map((select) => Number(select.value));
  const choose = (): void => {
    if (show.value === "mix") pick(numbers());
    else pick(show.value === "usual" ? [] : [Number(show.value)]);
  };
  show.addEventListener("change", choose, { signal });
  for (const select of colours) select.addEventListener("change", () => pick(numbers()), { signal });
  let count = 0;
  return {
    element,
    update({ values }, { channels }) {
      setAttributes(element, { hidden: values.channels < 2 });
      if (count !== values.channels) {
        count = values.channels;
        const each = Array.from({ length: count }, (_, i) => h("option", { value: i }, `Only ${i + 1}`));
        const usual = count >= 3 ? "1, 2, 3 in colour" : "Usual";
        show.replaceChildren(h("option", { value: "usual" }, usual), ...each, h("option", { value: "mix" }, "Mixed…"));
        colours.forEach((select, i) => {
          const options = Array.from({ length: count }, (_, k) => h("option", { value: k }, `${k + 1}`));
          select.replaceChildren(h("option", { value: -1 }, "–"), ...options);
          select.value = String(usualChannels(count)[i] ?? -1);
        });
      }
      const mixing = channels.length === 3 || (channels.length === 0 && show.value === "mix");
      show.value = mixing ? "mix" : channels.length ? String(channels[0]) : "usual";
      setAttributes(mixer, { hidden: !mixing });
      if (channels.length === 3)
        colours.forEach((select, i) => {
          select.value = String(channels[i]);
        });
    },
  };
}
