/** The search by words and examples: its requests, and what a view shows of it. */

import type { Body, Reception } from "../kernel/transport";
import type { InstanceData, SearchData } from "../protocol";
import { Pending } from "./pending";

/** The most instances below the threshold that are shown, and their lowest score: an image may have a hundred. */
const FAINT = { most: 20, score: 0.05 };

/** The instances that a view shows, best first: all that were found, the best of the others, and always the first. */
export function shownInstances(search: SearchData | null): readonly InstanceData[] {
  let faint = 0;
  const isShown = ({ found, score }: InstanceData, i: number): boolean =>
    found || i === 0 || (score >= FAINT.score && faint++ < FAINT.most);
  return (search?.instances ?? []).filter(isShown);
}

/** The phrases in the text of the field, which are separated by commas of any script. */
export function wordsIn(text: string): string[] {
  const words = text.split(/[,;，、；]/).map((word) => word.trim());
  return [...new Set(words.filter(Boolean))];
}

/** The name of an instance that was found by examples alone. */
export const SIMILAR = "similar";

/** The words that an instance fits. */
export function wordOf({ words }: SearchData, { word }: InstanceData): string {
  return words[word] ?? SIMILAR;
}

/** The known words that an error about an unknown one offers. */
export function nearWords(error: string): string[] {
  return /near words: (.+)$/.exec(error)?.[1].split(", ") ?? [];
}

/** The text of the field with the unknown word of an error replaced. */
export function corrected(text: string, error: string, word: string): string {
  const unknown = /^'(.+?)'/.exec(error)?.[1];
  return unknown && text.includes(unknown) ? text.replace(unknown, word) : word;
}

interface Kernel {
  request(body: Body, sent?: (seq: number) => void): Promise<Reception | null>;
  /** The same for a request that changes the prompt. */
  lead(body: Body): Promise<void>;
  search(): SearchData | null;
  changed(): void;
}

/** The requests of one view that are about the search. */
export class SearchRequests {
  /** Why the last words could not be searched for. */
  error: string | null = null;
  /** The threshold last requested, until the kernel has it. */
  readonly sifting = new Pending<number>();
  readonly #kernel: Kernel;
  /** The threshold that the user has set for this search and the next ones. */
  #threshold: number | null = null;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  get threshold(): number {
    return this.sifting.value ?? this.#kernel.search()?.threshold ?? 0;
  }

  /** Search for words, and for objects like those with these ids. Searches of one gesture are undone together. */
  async find(words: string[], like: string[], gesture: string): Promise<void> {
    const body: Body = { type: "find", words, like, not_like: [], threshold: this.#threshold, gesture };
    const heard = await this.#kernel.request(body);
    if (!heard || heard.outcome === "superseded") return;
    this.error = heard.outcome === "error" ? (heard.error ?? "The search was refused.") : null;
    this.#kernel.changed();
  }

  /** The same in all images of a gallery, which then offer what was found. */
  async findInAll(words: string[], like: string[]): Promise<void> {
    const heard = await this.#kernel.request({ type: "find_in_all", words, like, threshold: this.#threshold });
    if (!heard || heard.outcome === "superseded") return;
    const refused = heard.outcome === "error" && words.length > 0;
    this.error = refused ? (heard.error ?? "The search was refused.") : null;
    this.#kernel.changed();
  }

  /** Stop finding in all images; what was found is listed. */
  async stopFindInAll(): Promise<void> {
    await this.#kernel.request({ type: "stop_find_in_all" });
  }

  /** No longer list what was found in all images; each image still offers it. */
  async endFindInAll(): Promise<void> {
    await this.#kernel.request({ type: "end_find_in_all" });
  }

  async sift(threshold: number, gesture: string): Promise<void> {
    this.#threshold = threshold;
    await this.#kernel.request({ type: "sift", threshold, gesture }, (seq) => this.sifting.ask(seq, threshold));
  }

  async refuse(instance: string): Promise<void> {
    await this.#kernel.request({ type: "refuse", instance });
  }

  /** Turn instances into objects; an empty list means all that were found, and no label their words. */
  async accept(instances: string[], label: string | null): Promise<void> {
    await this.#kernel.request({ type: "accept_found", instances, label });
  }

  async refine(instance: string): Promise<void> {
    await this.#kernel.lead({ type: "refine_found", instance });
  }

  async end(): Promise<void> {
    this.#threshold = null;
    this.error = null;
    if (this.#kernel.search()) await this.#kernel.request({ type: "end_find" });
  }
}
