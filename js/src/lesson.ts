/**
 * A lesson as a page: the panels compute here, in a Web Worker, from a photo's features and the decoder's weights.
 *
 * `sam_widget/teach/lesson_page.py` writes the page. Places for panels name them by their numbers in `sam-about`.
 */

import { download } from "./kernel/download";
import type { MaeSizes } from "./local/mae";
import { readTensors } from "./local/safetensors";
import { unpacked } from "./local/unpacked";
import type { FromWorker, PhotoAbout } from "./local/worker";
import { promptLadder, type Rungs, scoreCheck } from "./panels/checking";
import type { Pixels } from "./panels/drawing";
import { expectedMask } from "./panels/expected";
import { attentionExplorer, embeddingExplorer, maskMaker, promptTokens } from "./panels/explaining";
import { type Asked, Guesses } from "./panels/guesses";
import { type HiddenData, hiddenPatches } from "./panels/hidden";
import { clickLandscape } from "./panels/landscape";
import { type Room, Study, sayer } from "./panels/room";
import { Subject } from "./panels/subject";
import { TracedPhoto } from "./panels/traced";
import { PhotoView } from "./panels/view";
import { bytesOf, element, fromBase64, startWorker } from "./standalone/data";
import { PageModel, post } from "./standalone/model";
import { h } from "./view/dom";
import widget from "./widget";

/** What a panel of each kind gets besides its photo. */
type PanelData = { readonly photo: number } & (
  | { kind: "TracedImage" | "PromptTokens" | "AttentionExplorer" | "MaskMaker" }
  | { kind: "EmbeddingExplorer"; colours: string }
  | { kind: "ExpectedMask"; clicks: readonly (readonly [number, number])[] }
  | { kind: "ClickLandscape"; side: number }
  | { kind: "ScoreCheck"; target: number }
  | { kind: "PromptLadder"; target: number; rungs: readonly Rungs[] }
  | ({ kind: "HiddenPatches"; heads: MaeSizes; square: string; masks: string } & HiddenData)
  | ({ kind: "ask" } & Asked)
  | { kind: "table" }
);

interface About {
  readonly model: string;
  readonly texts: Readonly<Record<string, string>>;
  readonly maps: Readonly<Record<keyof Room["maps"], string>>;
  readonly photos: readonly (PhotoAbout & { readonly masks: number })[];
  readonly panels: readonly PanelData[];
}

class Lesson {
  readonly #about: About;
  readonly #room: Room;
  readonly #guesses: Guesses;
  /** Of `tiny`'s decoder, if there are photos to decode prompts for. */
  readonly #weights: Uint8Array;
  readonly #subjects = new Map<number, Promise<Subject>>();
  readonly #traced = new Map<number, Promise<TracedPhoto>>();

  constructor(about: About, study: Study) {
    const maps = Object.fromEntries(Object.entries(about.maps).map(([name, text]) => [name, fromBase64(text)]));
    this.#about = about;
    this.#room = { say: sayer(about.texts), study, maps: maps as unknown as Room["maps"] };
    this.#guesses = new Guesses(this.#room.say);
    this.#weights = about.photos.length > 0 ? bytesOf("sam-weights") : new Uint8Array();
    if (about.photos.length > 0) void study.ask("open", { weights: this.#weights });
  }

  async show(): Promise<void> {
    for (const part of document.querySelectorAll<HTMLDetailsElement>("[data-answer]"))
      this.#guesses.reveal(part, Number(part.dataset.number), part.dataset.answer ?? "");
    for (const place of document.querySelectorAll<HTMLElement>("[data-panel]"))
      place.replaceChildren(await this.#panel(this.#about.panels[Number(place.dataset.panel)]));
  }

  async #panel(data: PanelData): Promise<HTMLElement> {
    switch (data.kind) {
      case "ask":
        return this.#guesses.ask(data);
      case "table":
        return this.#guesses.table();
      case "TracedImage":
        return (await this.#tracedPhoto(data.photo)).element;
      case "EmbeddingExplorer":
        return embeddingExplorer(this.#room, await this.#subject(data.photo), rgba(fromBase64(data.colours)));
      case "PromptTokens":
        return promptTokens(await this.#tracedPhoto(data.photo));
      case "AttentionExplorer":
        return attentionExplorer(await this.#tracedPhoto(data.photo));
      case "MaskMaker":
        return maskMaker(await this.#tracedPhoto(data.photo));
      case "ExpectedMask":
        return expectedMask(this.#room, await this.#subject(data.photo), data.clicks);
      case "ClickLandscape":
        return clickLandscape(this.#room, await this.#subject(data.photo), data.side);
      case "ScoreCheck": {
        const subject = await this.#subject(data.photo);
        return scoreCheck(this.#room, subject, await this.#view(data.photo), data.target);
      }
      case "HiddenPatches": {
        const side = data.side * data.size;
        const square: Pixels = { width: side, height: side, data: rgba(fromBase64(data.square)) };
        void this.#room.study.ask("openMae", { weights: bytesOf("sam-mae"), sizes: data.heads });
        const states = 3 * data.ratios * data.seeds;
        const [masks] = masksIn(fromBase64(data.masks), 1, states * data.side ** 2);
        return hiddenPatches(this.#room, data, square, masks);
      }
      case "PromptLadder":
        return promptLadder(this.#room, await this.#subject(data.photo), data.rungs, data.target);
    }
  }

  #subject(photo: number): Promise<Subject> {
    return kept(this.#subjects, photo, async () => {
      const { masks, image } = this.#about.photos[photo];
      const features = bytesOf(`sam-features-${photo}`, false);
      const { width, height } = image;
      await this.#room.study.ask("photo", { photo, features, size: { width, height } });
      const tensors = readTensors(await unpacked(features));
      const coarse = tensors.get("photo.2");
      if (!coarse) throw new Error(`the page lacks the features of photo ${photo}`);
      const shown = await picture(await unpacked(bytesOf(`sam-shown-${photo}`)));
      const embedding = { values: coarse.values, channels: coarse.shape[1] };
      const objects = masks > 0 ? masksIn(await unpacked(bytesOf(`sam-masks-${photo}`)), masks, width * height) : [];
      return new Subject(photo, shown, embedding, objects);
    });
  }

  #tracedPhoto(photo: number): Promise<TracedPhoto> {
    return kept(this.#traced, photo, async () => {
      const subject = await this.#subject(photo);
      const { view, root } = await this.#view(photo);
      return new TracedPhoto(this.#room, subject, view, root);
    });
  }

  /** The widget's view of a photo, with a worker of its own, so that it answers while panels are drawn. */
  async #view(photo: number): Promise<{ view: PhotoView; root: HTMLElement }> {
    const { worker, address } = await startWorker("sam-code", false);
    const part = (name: string): Uint8Array => bytesOf(`sam-${name}-${photo}`);
    const first = { session: part("session"), features: part("features"), picture: part("picture") };
    const { model } = this.#about;
    const opening = { photos: [this.#about.photos[photo]], model, done: [], padding: null };
    post(worker, { opening: { ...opening, weights: this.#weights, answering: null, runtime: null, first } });
    return new Promise((found, fail) => {
      let page: PageModel | null = null;
      worker.addEventListener("error", ({ message }) => fail(new Error(message)));
      worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
        if ("failed" in data) fail(new Error(data.failed));
        else if ("message" in data) page?.emit("msg:custom", data.message, data.buffers);
        else if ("named" in data) page?.emit("named", data.named);
        else if ("saved" in data) download(data.saved);
        else if ("state" in data) {
          URL.revokeObjectURL(address);
          page = new PageModel(worker, data, []);
          const view = new PhotoView(page);
          const root = h("div", { class: "lesson-view" });
          const shown = widget();
          shown.initialize({ model: page as never });
          shown.render({ el: root });
          found({ view, root });
        }
      });
    });
  }
}

function kept<T>(all: Map<number, Promise<T>>, key: number, make: () => Promise<T>): Promise<T> {
  const found = all.get(key) ?? make();
  all.set(key, found);
  return found;
}

/** A picture's own pixels. */
async function picture(bytes: Uint8Array): Promise<Pixels> {
  const bitmap = await createImageBitmap(new Blob([bytes as BlobPart]), { colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const pen = new OffscreenCanvas(width, height).getContext("2d");
  if (!pen) throw new Error("this browser lacks canvases");
  pen.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, data: pen.getImageData(0, 0, width, height).data as Pixels["data"] };
}

function rgba(rgb: Uint8Array): Pixels["data"] {
  const made = new Uint8ClampedArray((4 * rgb.length) / 3).fill(255);
  for (let i = 0; i < rgb.length / 3; i++) made.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
  return made;
}

/** Masks of 1 and 0 from their bits, the highest of each byte first. */
function masksIn(bits: Uint8Array, count: number, size: number): Uint8Array[] {
  return Array.from({ length: count }, (_, mask) =>
    Uint8Array.from({ length: size }, (_, i) => {
      const at = mask * size + i;
      return (bits[at >> 3] >> (7 - (at & 7))) & 1;
    }),
  );
}

async function start(): Promise<void> {
  const about = JSON.parse(element("sam-about").textContent ?? "") as About;
  const { worker } = await startWorker("sam-study");
  worker.addEventListener("error", ({ message }) => fail(message));
  await new Lesson(about, new Study(worker)).show();
  document.documentElement.dataset.state = "ready";
}

function fail(why: string): void {
  const line = h("p", { role: "alert" }, `The panels of this page cannot be shown: ${why}.`);
  document.querySelector("main")?.prepend(line);
}

start().catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
