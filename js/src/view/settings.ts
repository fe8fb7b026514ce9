/** How masks are made from the model's logits: sliders, and refining with the mask as a prompt. */

import { shortcutFor } from "../input/keyboard";
import type { SettingsData } from "../protocol";
import { newGesture } from "../state/gesture";
import { type Range, ranges } from "../state/settings";
import type { Context, Part } from "./context";
import { h, setAttributes, setText } from "./dom";

/** What a session begins with: `TIDY` of `masks/cleanup.py`. */
const USUAL: Required<SettingsData> = { threshold: 0, holes: 0, islands: 0, smoothing: 0, specks: true };
type Slid = Exclude<keyof SettingsData, "specks">;

interface Slider {
  readonly element: HTMLElement;
  update(range: Range, value: number): void;
}

export function createSettings({ store, ui, actions, signal, id }: Context): Part {
  const sliders = Object.entries(ranges({ width: 1, height: 1 })).map(
    ([name, { label }]) => [name as Slid, createSlider(label, name as Slid)] as const,
  );
  const body = h("div", { id: id("settings"), class: "sam-sliders" }, ...sliders.map(([, slider]) => slider.element));
  const reset = h("button", { type: "button", class: "sam-button sam-quiet sam-outlined" }, "Reset");
  reset.addEventListener("click", () => actions.prompt.adjust(USUAL, newGesture()), { signal });
  const specks = h("input", { type: "checkbox" });
  specks.addEventListener("change", () => actions.prompt.adjust({ specks: specks.checked }, newGesture()), { signal });
  body.append(h("label", { class: "sam-slide" }, h("span", {}, "Remove specks"), specks), reset);
  const toggle = h(
    "button",
    { type: "button", class: "sam-button sam-quiet sam-disclosure", "aria-controls": id("settings") },
    "Mask settings",
  );
  let open = false;
  const flip = (): void => {
    open = !open;
    ui.set({});
  };
  toggle.addEventListener("click", flip, { signal });
  const refine = h("button", { type: "button", class: "sam-button sam-quiet sam-outlined" }, "Refine");
  setAttributes(refine, {
    title: `Run the model again with this mask as a prompt (${shortcutFor("Refine the chosen mask")})`,
  });
  refine.addEventListener("click", () => actions.prompt.refine(), { signal });

  function createSlider(label: string, name: Slid): Slider {
    const input = h("input", { type: "range", class: "sam-slider", "aria-label": label });
    const shown = h("output", { class: "sam-facts" });
    let range: Range | null = null;
    // One drag is one edit; it ends with the slider's change event.
    let gesture = newGesture();
    const change = (): void => {
      if (range) actions.prompt.adjust({ [name]: range.value(input.valueAsNumber) }, gesture);
    };
    input.addEventListener("input", change, { signal });
    input.addEventListener(
      "change",
      () => {
        gesture = newGesture();
      },
      { signal },
    );
    return {
      element: h("label", { class: "sam-slide" }, h("span", {}, label), input, shown),
      update(now, value) {
        range = now;
        setAttributes(input, { min: now.min, max: now.max, step: now.step, "aria-valuetext": now.text(value) });
        const position = now.position(value);
        if (input.valueAsNumber !== position) input.valueAsNumber = position;
        setText(shown, now.text(value));
      },
    };
  }

  const row = h("div", { class: "sam-row" }, toggle, refine);
  const element = h("section", { class: "sam-panel sam-settings" }, row, body);
  return {
    element,
    update() {
      setAttributes(element, { hidden: !store.answers("adjust") });
      const { image, refines } = store.state;
      const { settings } = store;
      const all = ranges(image ?? { width: 1, height: 1 });
      for (const [name, slider] of sliders) slider.update(all[name], settings[name]);
      setAttributes(toggle, { "aria-expanded": String(open) });
      setAttributes(body, { hidden: !open });
      specks.checked = settings.specks ?? USUAL.specks;
      const changed = !isUsual(settings);
      setAttributes(toggle, { "data-changed": changed, "aria-label": changed ? "Mask settings, changed" : null });
      reset.disabled = !changed;
      refine.disabled = !refines || !store.canAccept;
    },
  };
}

function isUsual(settings: SettingsData): boolean {
  return Object.entries({ ...USUAL, ...settings }).every(
    ([name, value]) => value === USUAL[name as keyof SettingsData],
  );
}
