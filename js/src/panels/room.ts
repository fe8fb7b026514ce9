/** What all panels of a lesson share: texts, colours, and a worker that answers. */

import type { FromStudy, Question, Questions } from "../local/study";
import type { ColourMap } from "./drawing";

/** A text in the page's language, filled in; the texts are those of `sam_widget/teach/texts.py`. */
export type Say = (key: string, values?: Readonly<Record<string, string | number>>) => string;

export interface Room {
  readonly say: Say;
  readonly study: Study;
  readonly maps: { readonly viridis: ColourMap; readonly RdBu_r: ColourMap; readonly inferno: ColourMap };
}

export function sayer(texts: Readonly<Record<string, string>>): Say {
  return (key, values = {}) =>
    texts[key].replace(/\{(\w+)\}/g, (blank, name) => (name in values ? String(values[name]) : blank));
}

/** Asks the worker. */
export class Study {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { answer: (value: never) => void; fail: (error: Error) => void }>();
  #last = 0;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener("message", ({ data }: MessageEvent<FromStudy>) => {
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("failed" in data) waiting?.fail(new Error(data.failed));
      else waiting?.answer(data.answer as never);
    });
  }

  ask<K extends keyof Questions>(kind: K, asked: Questions[K]["asked"]): Promise<Questions[K]["answer"]> {
    const id = ++this.#last;
    return new Promise((answer, fail) => {
      this.#waiting.set(id, { answer, fail });
      this.#worker.postMessage({ id, question: { kind, ...asked } as unknown as Question });
    });
  }
}

/** Runs one task at a time; of those that wait, only the newest. */
export class Newest {
  #running = false;
  #next: (() => Promise<void>) | null = null;

  async run(task: () => Promise<void>): Promise<void> {
    this.#next = task;
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#next) {
        const now: () => Promise<void> = this.#next;
        this.#next = null;
        await now();
      }
    } finally {
      this.#running = false;
    }
  }
}
