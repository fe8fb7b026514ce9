/** A photo to click on, and the trace of each answer, which other panels draw; as `teach/traced.py`. */

import { CELLS } from "../local/grid";
import type { Traced } from "../local/study";
import { HEADS } from "../local/twoway";
import type { PromptData } from "../protocol";
import { h } from "../view/dom";
import { button, Line } from "./controls";
import { star } from "./drawing";
import { Newest, type Room } from "./room";
import type { Subject } from "./subject";
import { NO_PROMPT, type PhotoView } from "./view";

/** The decoder's own tokens: that of the scores, and four of masks. */
const OWN = 5;

export class TracedPhoto {
  readonly element: HTMLElement;
  prompt: PromptData = NO_PROMPT;
  /** Whether the prompt has a mask, too. */
  masked = false;
  #trace: Traced | null = null;
  /** The masks that prompts have had, by name: undo may bring each back. */
  readonly #logits = new Map<string, Float32Array>();
  readonly #listeners: ((trace: Traced) => void)[] = [];
  readonly #newest = new Newest();
  readonly #note: Line;

  constructor(
    readonly room: Room,
    readonly subject: Subject,
    private readonly view: PhotoView,
    root: HTMLElement,
  ) {
    this.#note = new Line(room.say("traced.ready"));
    const add = button(room.say("traced.mask"), () => void this.#addMask());
    this.element = h("div", {}, root, add, this.#note.element);
    view.follow(() => this.#edited());
    this.#edited();
  }

  /** Draw now, if there is a trace, and after each further one. */
  follow(listener: (trace: Traced) => void): void {
    this.#listeners.push(listener);
    if (this.#trace) listener(this.#trace);
  }

  /** Replace the prompt by a click. */
  readonly click = (x: number, y: number): void => this.view.ask({ points: [{ x, y, label: 1 }] });

  /** The names of all tokens: the decoder's own, then those of the prompt. */
  names(): string[] {
    const { say } = this.room;
    const { points, boxes } = this.prompt;
    const names = [say("token.iou"), ...[0, 1, 2, 3].map((number) => say("token.mask", { number }))];
    points.forEach(({ label }, i) => {
      names.push(say(label ? "token.foreground" : "token.background", { number: i + 1 }));
    });
    for (const _ of boxes) names.push(say("token.corner0"), say("token.corner1"));
    while (names.length < this.tokens) names.push(say("token.padding"));
    return names.slice(0, this.tokens);
  }

  /** Whether there is a trace. */
  get ready(): boolean {
    return this.#trace !== null;
  }

  get tokens(): number {
    return Math.sqrt(this.step("layers.0.self_attention").length / HEADS);
  }

  /** A step of the trace; see `study.ts`. */
  step(name: string): Float32Array {
    const found = this.#trace?.steps.get(name);
    if (!found) throw new Error(`the trace lacks ${name}`);
    return found;
  }

  /** The tokens of the prompt. */
  promptTokens(): Float32Array[] {
    const all = this.step("prompt_tokens");
    const count = this.tokens - OWN;
    const size = all.length / Math.max(1, count);
    return Array.from({ length: count }, (_, i) => all.subarray(i * size, (i + 1) * size));
  }

  /** One head of attention (heads, tokens, keys), or the mean of all (`head` -1): (tokens, keys). */
  head(name: string, head: number): Float32Array {
    const all = this.step(name);
    const size = all.length / HEADS;
    if (head >= 0) return all.subarray(head * size, (head + 1) * size);
    return Float32Array.from({ length: size }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < HEADS; k++) sum += all[k * size + i];
      return sum / HEADS;
    });
  }

  /** Mark the prompt's points. */
  readonly mark = (pen: CanvasRenderingContext2D, scale: number): void => {
    for (const { x, y, label } of this.prompt.points) star(pen, x * scale, y * scale, label, 6);
  };

  #edited(): void {
    const { prompt } = this.view.state;
    if (JSON.stringify(prompt) === JSON.stringify(this.prompt) || prompt.points.length + prompt.boxes.length === 0)
      return;
    this.#run(prompt);
  }

  /** Add the chosen mask to the view's prompt, as its logits. */
  async #addMask(): Promise<void> {
    const { chosen, prompt } = this.view.state;
    if (!this.#trace || chosen === null) return;
    const logits = this.#trace.masks[chosen];
    const mask = await this.view.name(logits);
    this.#logits.set(mask, logits);
    this.view.ask({ ...prompt, mask });
  }

  #run(prompt: PromptData): void {
    const { say, study } = this.room;
    const mask = prompt.mask === null ? null : (this.#logits.get(prompt.mask) ?? null);
    this.prompt = prompt;
    void this.#newest.run(async () => {
      const began = performance.now();
      try {
        const trace = await study.ask("trace", { photo: this.subject.number, prompt, mask });
        const answered = performance.now();
        [this.#trace, this.masked] = [trace, mask !== null];
        for (const listener of this.#listeners) listener(trace);
        const [predict, drawn] = [answered - began, performance.now() - began].map((time) => time.toFixed(0));
        this.#note.text = say("traced.done", { predict, drawn });
      } catch (error) {
        this.#note.text = error instanceof Error ? error.message : String(error);
      }
    });
  }
}

/** The length of each cell's difference from the mean cell: (cells, channels) to (cells). */
export function variation(cells: Float32Array): Float32Array {
  const count = CELLS * CELLS;
  const channels = cells.length / count;
  const squares = new Float32Array(count);
  for (let c = 0; c < channels; c++) {
    let mean = 0;
    for (let i = 0; i < count; i++) mean += cells[i * channels + c] / count;
    for (let i = 0; i < count; i++) squares[i] += (cells[i * channels + c] - mean) ** 2;
  }
  return squares.map(Math.sqrt);
}
