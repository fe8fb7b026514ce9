/** The widget's own view of a photo, as a panel: what is asked in it, and what it shows. */

import type { Mask } from "../geometry/runs";
import { unpackMask } from "../kernel/maskcodec";
import type { PromptData, Reply, State } from "../protocol";
import type { PageModel } from "../standalone/model";

export const NO_PROMPT: PromptData = { points: [], boxes: [], strokes: [], mask: null };

export class PhotoView {
  readonly #model: PageModel;
  readonly #masks = new Map<string, Mask>();
  readonly #listeners: (() => void)[] = [];
  readonly #naming: ((name: string) => void)[] = [];
  #sent = 0;
  state: State;

  constructor(model: PageModel) {
    this.#model = model;
    this.state = model.get("state") as State;
    model.on("named", (name) => this.#naming.shift()?.(name as string));
    model.on("msg:custom", (message, buffers) => this.#receive(message as Reply, buffers as Uint8Array[]));
  }

  /** Call a function after each change. */
  follow(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** A mask that the state names. */
  mask(name: string): Mask | null {
    return this.#masks.get(name) ?? null;
  }

  /** Let prompts name a mask, given its logits; returns the name. */
  name(logits: Float32Array): Promise<string> {
    return new Promise((named) => {
      this.#naming.push(named);
      this.#model.addLogits(logits);
    });
  }

  /** Replace the prompt. */
  ask(prompt: Partial<PromptData>): void {
    this.#model.send({ type: "predict", client: "lesson", seq: ++this.#sent, prompt: { ...NO_PROMPT, ...prompt } });
  }

  /** Remove the prompt. */
  clear(): void {
    this.#model.send({ type: "clear", client: "lesson", seq: ++this.#sent });
  }

  #receive(message: Reply, buffers: readonly Uint8Array[]): void {
    if (message.type !== "whole" && message.type !== "update") return;
    message.masks.forEach(({ id, width, height }, i) => {
      this.#masks.set(id, unpackMask(buffers[i], width, height));
    });
    this.state = message.type === "whole" ? message.state : { ...this.state, ...message.fields };
    for (const listener of this.#listeners) listener();
  }
}
