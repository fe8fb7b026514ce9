/** The reader's guesses, asked before a result is seen, and kept next to it; as `teach/guesses.py`. */

import { h } from "../view/dom";
import { button, Choice, Line, row, Slider } from "./controls";
import type { Say } from "./room";

export interface Asked {
  readonly number: number;
  /** A letter for each choice; empty for a number. */
  readonly choices: string;
  readonly low: number;
  readonly high: number;
}

export class Guesses {
  readonly #kept = new Map<number, string>();
  readonly #answers = new Map<number, string>();
  readonly #seen = new Set<number>();
  readonly #listeners: (() => void)[] = [];

  constructor(private readonly say: Say) {}

  /** A question; its answer cannot be changed later. */
  ask({ number, choices, low, high }: Asked): HTMLElement {
    const { say } = this;
    const letters = [...choices].map((letter) => [letter, letter] as const);
    const control = choices
      ? new Choice(letters, choices[0], () => {})
      : new Slider(
          `${say("guess.question")} ${number}`,
          { low, high, step: (high - low) / 100, value: (low + high) / 2, digits: 2 },
          () => {},
        );
    const note = new Line(say("guess.not_yet"));
    const keep = button(
      say("guess.button"),
      () => {
        const guess = typeof control.value === "number" ? control.value.toFixed(2) : control.value;
        this.#kept.set(number, guess);
        note.text = say("guess.kept", { guess });
        for (const part of [keep, ...control.element.querySelectorAll("input")]) part.disabled = true;
        this.#changed();
      },
      true,
    );
    return h("div", { class: "lesson-question" }, row(control.element, keep), note.element);
  }

  /** Say, in a part that opens, what came out. */
  reveal(part: HTMLDetailsElement, number: number, answer: string): void {
    this.#answers.set(number, answer);
    const line = new Line();
    part.append(line.element);
    part.addEventListener("toggle", () => {
      this.#seen.add(number);
      this.#changed();
    });
    this.#listeners.push(() => {
      line.text = this.#sentence(number);
    });
  }

  /** All questions so far, with what came out where the reader has looked. */
  table(): HTMLElement {
    const { say } = this;
    const head = ["question", "yours", "answer"].map((key) => h("th", { scope: "col" }, say(`guess.${key}`)));
    const body = h("tbody", {});
    const draw = (): void => {
      const rows = [...this.#answers].map(([number, answer]) => {
        const cells = [
          String(number),
          this.#kept.get(number) ?? say("guess.none"),
          this.#seen.has(number) ? answer : "…",
        ];
        return h("tr", {}, ...cells.map((text) => h("td", {}, text)));
      });
      body.replaceChildren(...rows);
    };
    this.#listeners.push(draw);
    draw();
    return h("table", {}, h("thead", {}, h("tr", {}, ...head)), body);
  }

  #sentence(number: number): string {
    const [guess, answer] = [this.#kept.get(number), this.#answers.get(number) ?? "…"];
    if (guess === undefined) return this.say("guess.missing", { number, answer });
    return this.say("guess.row", { number, guess, answer });
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
