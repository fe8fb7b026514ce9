/** A session in a page: the edits of `sam_widget.session`, on the documents of a session file. */

import { areaOf, bounds, type Mask } from "../geometry/runs";
import type { BoxData, ObjectData, PromptData, SettingsData, State } from "../protocol";
import type { Archive, Body, Json } from "./archive";
import type { Exported } from "./files";
import type { PromptModel } from "./model";
import { PromptDecoder, Refusal } from "./predicting";
import { differing, maskOf, pixelsOf } from "./tidy";
import type { PhotoSize } from "./upscaling";

/** What the page shows of one state, besides what never changes. */
export type Shown = Pick<
  State,
  "prompt" | "candidates" | "chosen" | "objects" | "settings" | "painted" | "editing" | "label" | "rendering"
> & { can_undo: boolean; can_redo: boolean };

export interface Best {
  readonly mask: Mask;
  readonly score: number;
}

const NO_PROMPT: PromptData = { points: [], boxes: [], strokes: [], mask: null };
const PLAIN: SettingsData = { threshold: 0, holes: 0, islands: 0, smoothing: 0, specks: false };

export class PageSession {
  readonly #archive: Archive;
  readonly #prompts: PromptDecoder;
  readonly #size: PhotoSize;
  readonly #model: string;

  constructor(archive: Archive, model: PromptModel) {
    const image = JSON.parse(archive.meta.get("image") ?? "{}");
    this.#archive = archive;
    this.#size = { width: image.width, height: image.height };
    this.#prompts = new PromptDecoder(model, this.#size);
    this.#model = JSON.parse(archive.meta.get("model") ?? '""');
  }

  // ------------------------------------------------------------------------------------------- what is shown

  get shown(): Shown {
    const state = this.#state;
    return {
      prompt: this.#promptOf(state.prompt as string),
      candidates: (state.candidates as string[]).map((hash) => {
        const { mask, score, stability } = this.#archive.document(hash);
        const crop = null;
        const area = areaOf(this.#archive.mask(mask as string));
        return { mask: mask as string, score: rounded(score), stability: rounded(stability), area, crop };
      }),
      chosen: state.chosen as number | null,
      objects: this.#objects.map(rowOf),
      settings: state.settings as unknown as SettingsData,
      painted: (state.strokes as Json[]).length > 0,
      editing: state.editing as string | null,
      label: (state.label as string | undefined) ?? "",
      rendering: state.rendering as unknown as State["rendering"],
      can_undo: this.#archive.position > 0,
      can_redo: this.#archive.position < this.#archive.history.length - 1,
    };
  }

  get exported(): Exported[] {
    return this.#objects.map((item) => ({
      label: item.label as string,
      mask: this.#archive.mask(item.mask as string),
      area: item.area as number,
      box: boxOf(item.box as number[]),
      score: item.score as number | null,
    }));
  }

  // ------------------------------------------------------------------------------------------- the prompt

  async preview(prompt: PromptData): Promise<Best | null> {
    if (isEmpty(prompt)) return null;
    const { candidates, best } = await this.#decode(prompt, (index, best) => index === best);
    return candidates[best];
  }

  async predict(prompt: PromptData): Promise<void> {
    const state = this.#state;
    if (isEmpty(prompt)) {
      this.#push({ ...state, prompt: this.#addPrompt(NO_PROMPT), candidates: [], chosen: null, strokes: [] });
      return;
    }
    const { candidates, best } = await this.#decode(prompt, () => true);
    const key = this.#addPrompt(prompt);
    const hashes = candidates.map(({ source, mask, score, stability }, index) =>
      this.#archive.addDocument("candidate", {
        mask: this.#archive.addMask(mask, "packed"),
        change: mask === source ? null : this.#archive.addMask(differing(source, mask), "packed"),
        score,
        stability,
        model: this.#model,
        crop: null,
        answer: { prompt: key, rendering: state.rendering, best, index },
        logits: null,
      }),
    );
    this.#push({ ...state, prompt: key, candidates: hashes, chosen: best, crop: null });
  }

  choose(index: number): void {
    const count = (this.#state.candidates as Json[]).length;
    if (!(index >= 0 && index < count)) throw new Refusal(`there is no candidate ${index} among ${count}`);
    if (index !== this.#state.chosen) this.#push({ ...this.#state, chosen: index });
  }

  clear(): void {
    const state = this.#state;
    const open = (state.candidates as Json[]).length > 0 || state.editing !== null;
    if (open || !isEmpty(this.#promptOf(state.prompt as string))) this.#push(this.#withoutPrompt(state));
  }

  undo(): void {
    if (this.#archive.position === 0) throw new Refusal("there is nothing to undo");
    this.#archive.position--;
  }

  redo(): void {
    if (this.#archive.position === this.#archive.history.length - 1) throw new Refusal("there is nothing to redo");
    this.#archive.position++;
  }

  // ------------------------------------------------------------------------------------------- objects

  accept(label: string | null | undefined): void {
    const state = this.#state;
    const hash = state.chosen === null ? undefined : (state.candidates as string[])[state.chosen as number];
    if (hash === undefined) throw new Refusal("there is no mask to accept; click on the image or draw a box first");
    const candidate = this.#archive.document(hash);
    const mask = this.#archive.mask(candidate.mask as string);
    const box = bounds([mask]);
    if (!box) throw new Refusal("the chosen mask is empty; choose another candidate or change the prompt");
    const old = state.editing === null ? null : this.#find(state.editing as string);
    const accepted: Body = {
      id: old ? old.id : randomId(),
      label: clean(label ?? "") || ((old?.label ?? state.label ?? "") as string) || this.#freeLabel(),
      mask: this.#archive.addMask(mask, "mask"),
      area: areaOf(mask),
      box: [box.x0, box.y0, box.x1, box.y1],
      score: candidate.score,
      color: old ? old.color : this.#freeColor(),
      prompt: state.prompt,
      model: candidate.model,
      candidate: hash,
      strokes: state.strokes,
      settings: state.settings,
    };
    const added = this.#archive.addDocument("object", accepted);
    const objects = old
      ? (state.objects as string[]).map((each) => (this.#archive.document(each).id === old.id ? added : each))
      : [...(state.objects as string[]), added];
    this.#push({ ...this.#withoutPrompt(state), objects });
  }

  rename(ids: readonly string[], label: string): void {
    const cleaned = clean(label);
    if (!cleaned) throw new Refusal("the new label is blank; give a name");
    this.#change(ids, (item) => ({ ...item, label: cleaned }));
  }

  recolor(id: string, color: number): void {
    this.#change([id], (item) => ({ ...item, color }));
  }

  remove(ids: readonly string[]): void {
    for (const id of ids) this.#find(id);
    const state = this.#state;
    const objects = (state.objects as string[]).filter(
      (each) => !ids.includes(this.#archive.document(each).id as string),
    );
    const editing = ids.includes(state.editing as string) ? null : state.editing;
    this.#push({ ...state, objects, editing });
  }

  edit(id: string): void {
    const item = this.#find(id);
    const state = this.#state;
    const candidate =
      item.candidate ??
      this.#archive.addDocument("candidate", {
        mask: this.#archive.addMask(this.#archive.mask(item.mask as string), "packed"),
        change: null,
        score: item.score,
        stability: null,
        model: null,
        crop: null,
        answer: null,
        logits: null,
      });
    this.#push({
      ...this.#withoutPrompt(state),
      prompt: item.prompt,
      candidates: [candidate],
      chosen: 0,
      strokes: item.strokes,
      settings: item.settings,
      editing: id,
    });
  }

  merge(ids: readonly string[], label: string | null | undefined): void {
    const unique = [...new Set(ids)];
    if (unique.length < 2) throw new Refusal(`${unique.length} objects to merge; pick two or more`);
    const items = unique.map((id) => this.#find(id));
    const prompts = items.map((item) => this.#promptOf(item.prompt as string));
    const prompt = {
      points: prompts.flatMap(({ points }) => points),
      boxes: prompts.flatMap(({ boxes }) => boxes),
      strokes: prompts.flatMap(({ strokes }) => strokes),
      mask: null,
    };
    const pixels = items.map((item) => pixelsOf(this.#archive.mask(item.mask as string)));
    const [whole, ...rest] = pixels;
    for (const each of rest) for (let i = 0; i < whole.length; i++) whole[i] |= each[i];
    const first = items[0];
    const merged = {
      ...this.#withMask(first, maskOf(whole, this.#size)),
      prompt: this.#addPrompt(prompt),
      score: null,
      label: clean(label ?? "") || first.label,
    };
    const gone = unique.slice(1);
    const state = this.#state;
    const objects = (state.objects as string[]).flatMap((hash) => {
      const { id } = this.#archive.document(hash);
      if (id === first.id) return [this.#archive.addDocument("object", merged)];
      return gone.includes(id as string) ? [] : [hash];
    });
    this.#push({ ...state, objects, editing: unique.includes(state.editing as string) ? null : state.editing });
  }

  subtract(id: string, other: string): void {
    const [item, from] = [this.#find(id), this.#find(other)];
    if (id === other) throw new Refusal("an object cannot be subtracted from itself; pick another one");
    const left = pixelsOf(this.#archive.mask(item.mask as string));
    pixelsOf(this.#archive.mask(from.mask as string)).forEach((set, i) => {
      if (set) left[i] = 0;
    });
    if (!left.includes(1)) throw new Refusal("nothing would be left; remove the object instead");
    const changed = this.#archive.addDocument("object", this.#withMask(item, maskOf(left, this.#size)));
    const state = this.#state;
    const objects = (state.objects as string[]).map((each) =>
      this.#archive.document(each).id === id ? changed : each,
    );
    this.#push({ ...state, objects, editing: state.editing === id ? null : state.editing });
  }

  // ------------------------------------------------------------------------------------------- parts

  get #state(): Body {
    return this.#archive.document(this.#archive.history[this.#archive.position]);
  }

  get #objects(): Body[] {
    return (this.#state.objects as string[]).map((hash) => this.#archive.document(hash));
  }

  #push(state: Body): void {
    this.#archive.push(this.#archive.addDocument("state", state));
  }

  #find(id: string): Body {
    const found = this.#objects.find((item) => item.id === id);
    if (!found) throw new Refusal("that object is gone; it may have been removed");
    return found;
  }

  #change(ids: readonly string[], change: (item: Body) => Body): void {
    for (const id of ids) this.#find(id);
    const objects = (this.#state.objects as string[]).map((hash) => {
      const item = this.#archive.document(hash);
      return ids.includes(item.id as string) ? this.#archive.addDocument("object", change(item)) : hash;
    });
    this.#push({ ...this.#state, objects });
  }

  #withMask(item: Body, mask: Mask): Body {
    const box = bounds([mask]);
    if (!box) throw new Refusal("nothing would be left of the mask");
    const { origin: _, ...rest } = item;
    return {
      ...rest,
      mask: this.#archive.addMask(mask, "mask"),
      area: areaOf(mask),
      box: [box.x0, box.y0, box.x1, box.y1],
      candidate: null,
      model: null,
      strokes: [],
      settings: { ...PLAIN },
    };
  }

  #withoutPrompt(state: Body): Body {
    const { label: _, ...rest } = state;
    const prompt = this.#addPrompt(NO_PROMPT);
    return { ...rest, prompt, candidates: [], chosen: null, strokes: [], editing: null };
  }

  #freeLabel(): string {
    const taken = new Set(this.#objects.map(({ label }) => label));
    for (let n = 1; ; n++) if (!taken.has(`object ${n}`)) return `object ${n}`;
  }

  #freeColor(): number {
    const taken = new Set(this.#objects.map(({ color }) => color));
    for (let color = 0; ; color++) if (!taken.has(color)) return color;
  }

  #addPrompt({ points, boxes, strokes, mask }: PromptData): string {
    return this.#archive.addDocument("prompt", {
      base: null,
      points: points.map(({ x, y, label }) => ({ x, y, label })),
      boxes: boxes.map(({ x0, y0, x1, y1 }) => ({ x0, y0, x1, y1 })),
      strokes: strokes.map(({ vertices, label, closed }) => ({
        vertices: Array.from({ length: vertices.length / 2 }, (_, i) => [vertices[2 * i], vertices[2 * i + 1]]),
        label,
        closed,
      })),
      mask,
      mask_crop: null,
    });
  }

  /** A prompt of the file as the view has it; a mask prompt is named by its hash. */
  #promptOf(hash: string): PromptData {
    const body = this.#archive.document(hash);
    const before = body.base === null || body.base === undefined ? NO_PROMPT : this.#promptOf(body.base as string);
    const strokes = (body.strokes as Body[]).map(({ vertices, label, closed }) => ({
      vertices: (vertices as number[][]).flat(),
      label: label as 0 | 1,
      closed: closed as boolean,
    }));
    return {
      points: [...before.points, ...(body.points as unknown as PromptData["points"])],
      boxes: [...before.boxes, ...(body.boxes as unknown as BoxData[])],
      strokes: [...before.strokes, ...strokes],
      mask: body.mask_crop ? null : (body.mask as string | null),
    };
  }

  #decode(prompt: PromptData, wanted: (index: number, best: number) => boolean): ReturnType<PromptDecoder["decode"]> {
    const state = this.#state;
    if ((state.strokes as Json[]).length > 0)
      throw new Refusal("this page cannot change the prompt of a painted mask; accept it, or continue in Jupyter");
    const mask = prompt.mask === null ? null : this.#archive.logits(prompt.mask);
    return this.#prompts.decode(prompt, mask, state.settings as unknown as SettingsData, wanted);
  }
}

function isEmpty({ points, boxes, strokes, mask, words }: PromptData): boolean {
  return points.length + boxes.length + strokes.length === 0 && mask === null && !words;
}

function rowOf(item: Body): ObjectData {
  return {
    id: item.id as string,
    label: item.label as string,
    mask: item.mask as string,
    score: rounded(item.score),
    box: boxOf(item.box as number[]),
    area: item.area as number,
    color: item.color as number,
  };
}

function boxOf([x0, y0, x1, y1]: number[]): BoxData {
  return { x0, y0, x1, y1 };
}

function rounded(value: Json): number | null {
  return typeof value === "number" ? Number(value.toFixed(4)) : null;
}

function clean(label: string): string {
  return label.replace(/\p{Surrogate}/gu, "\ufffd").trim();
}

function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
