/** Controls of panels: the browser's own, with labels. */

import { h } from "../view/dom";
import type { Picture } from "./picture";

/** A line of text, read out when it changes. */
export class Line {
  readonly element = h("p", { class: "lesson-line", role: "status" });

  constructor(text = "") {
    this.text = text;
  }

  get text(): string {
    return this.element.textContent ?? "";
  }

  set text(text: string) {
    this.element.textContent = text;
  }
}

/** Something to choose, and its value. */
export type Option<T> = readonly [name: string, value: T];

let groups = 0;

/** Options next to each other, of which one is chosen. */
export class Choice<T> {
  readonly element = h("fieldset", { class: "lesson-choice" });
  readonly #radios: (readonly [HTMLInputElement, T])[] = [];
  value: T;

  constructor(options: readonly Option<T>[], value: T, changed: () => void) {
    this.value = value;
    const name = `choice-${groups++}`;
    for (const [text, one] of options) {
      const radio = h("input", { type: "radio", name });
      radio.checked = one === value;
      radio.addEventListener("change", () => {
        this.value = one;
        changed();
      });
      this.#radios.push([radio, one]);
      this.element.append(h("label", {}, radio, h("span", {}, text)));
    }
  }

  /** Choose an option, as if by hand, without saying so. */
  choose(value: T): void {
    this.value = value;
    for (const [radio, one] of this.#radios) radio.checked = one === value;
  }
}

/** A list to choose from. */
export class Select {
  readonly element: HTMLLabelElement;
  readonly #select = h("select", {});

  constructor(label: string, changed: () => void) {
    this.element = h("label", { class: "lesson-select" }, `${label} `, this.#select);
    this.#select.addEventListener("change", changed);
  }

  get value(): number {
    return this.#select.selectedIndex;
  }

  set value(index: number) {
    this.#select.selectedIndex = index;
  }

  /** Offer names; the choice stays at its place if that still exists. */
  offer(names: readonly string[]): void {
    const shown = [...this.#select.options].map(({ text }) => text);
    if (shown.join("\n") === names.join("\n")) return;
    const before = this.value < names.length ? Math.max(0, this.value) : 0;
    this.#select.replaceChildren(...names.map((name) => h("option", {}, name)));
    this.value = before;
  }
}

export interface SliderOptions {
  readonly low: number;
  readonly high: number;
  readonly step: number;
  readonly value: number;
  readonly digits: number;
}

/** A number to slide; its value is shown next to it. */
export class Slider {
  readonly element: HTMLLabelElement;
  readonly input: HTMLInputElement;

  constructor(label: string, { low, high, step, value, digits }: SliderOptions, changed: () => void) {
    this.input = h("input", { type: "range", min: low, max: high, step, "aria-label": label });
    this.input.value = String(value);
    const shown = h("output", {}, value.toFixed(digits));
    this.element = h("label", { class: "lesson-slider" }, `${label} `, this.input, shown);
    this.input.addEventListener("input", () => {
      shown.textContent = this.value.toFixed(digits);
      changed();
    });
  }

  get value(): number {
    return this.input.valueAsNumber;
  }
}

export function button(text: string, pressed: () => void, primary = false): HTMLButtonElement {
  const made = h("button", { type: "button", class: primary ? "lesson-button lesson-primary" : "lesson-button" }, text);
  made.addEventListener("click", pressed);
  return made;
}

/** Parts next to each other, on several lines if the page is narrow. */
export function row(...parts: { element: HTMLElement }[] | HTMLElement[]): HTMLElement {
  return h("div", { class: "lesson-row" }, ...parts.map(elementOf));
}

/** A picture with the line below it. */
export function figure(picture: Picture, line: Line): HTMLElement {
  const made = h("div", { class: "lesson-figure" }, picture.element, line.element);
  made.style.width = picture.element.style.width;
  return made;
}

export function elementOf(part: HTMLElement | { element: HTMLElement }): HTMLElement {
  return part instanceof HTMLElement ? part : part.element;
}

export function percent(share: number, digits = 0): string {
  return `${(100 * share).toFixed(digits)}%`;
}
