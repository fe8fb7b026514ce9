/**
 * A page that answers without a kernel: the widget's own front end, and a Web Worker in the kernel's place.
 *
 * The page's data is in script elements of types that browsers do not run, compressed and in base64.
 */

import { download } from "./kernel/download";
import type { FromWorker, Opening, PhotoData, ToWorker } from "./local/worker";
import type { PlaceData, Request } from "./protocol";
import widget from "./widget";

/** What `sam_widget/page/page.py` writes about the page. */
type About = Pick<Opening, "photos" | "model" | "done" | "answering" | "padding">;

/** The worker's first message. */
type Opened = Extract<FromWorker, { state: unknown }>;
type Callback = (...args: unknown[]) => void;

/** The part of an anywidget model that the front end uses. */
class PageModel {
  readonly #worker: Worker;
  readonly #traits: Record<string, unknown>;
  readonly #listeners = new Map<string, Set<Callback>>();

  /** A page with several photos is a gallery, with the photos' names. */
  constructor(worker: Worker, { state, place, abilities }: Opened, names: readonly string[]) {
    this.#worker = worker;
    this.#traits = { state, abilities, ...(names.length > 1 && { place, gallery: { names } }) };
  }

  get(key: string): unknown {
    return this.#traits[key];
  }

  setPlace(place: PlaceData): void {
    if (!("place" in this.#traits)) return;
    this.#traits.place = place;
    this.emit("change:place");
  }

  send(request: unknown): void {
    post(this.#worker, { request: request as Request });
  }

  on(event: string, callback: Callback): void {
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(callback));
  }

  off(event: string, callback: Callback): void {
    this.#listeners.get(event)?.delete(callback);
  }

  emit(event: string, ...args: unknown[]): void {
    for (const callback of this.#listeners.get(event) ?? []) callback(...args);
  }
}

async function start(): Promise<void> {
  document.documentElement.toggleAttribute("data-embedded", window.parent !== window);
  const about = JSON.parse(element("sam-about").textContent ?? "") as About;
  const code = await new Response(
    new Blob([bytesOf("sam-code") as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip")),
  ).blob();
  const address = URL.createObjectURL(code.slice(0, code.size, "text/javascript"));
  const worker = new Worker(address);
  const first = photo(0);
  const weights = bytesOf("sam-weights");
  const runtime = about.answering ? bytesOf("sam-runtime") : null;
  const given = [weights, ...(runtime ? [runtime] : []), ...Object.values(first)];
  post(worker, { opening: { ...about, weights, runtime, first } }, given);
  let model: PageModel | null = null;
  worker.addEventListener("error", ({ message: why }) => fail(why));
  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    if ("failed" in data) fail(data.failed);
    else if ("message" in data) model?.emit("msg:custom", data.message, data.buffers);
    else if ("saved" in data) download(data.saved);
    else if ("progress" in data) tell(data.progress);
    else if ("refused" in data) tell(data.refused);
    else if ("renamed" in data) rename(data.renamed);
    else if ("state" in data) {
      URL.revokeObjectURL(address);
      const names = about.photos.map(({ name }) => name);
      model = new PageModel(worker, data, names);
      const view = widget();
      view.initialize({ model: model as never });
      const root = element("sam-view");
      root.replaceChildren();
      view.render({ el: root });
      void sendOthers(worker, names.length);
      if (about.padding) openAnyPhoto(worker);
    } else {
      objects = data.place.objects[0];
      model?.setPlace(data.place);
    }
  });
  let objects = about.photos[0].objects;
  function openAnyPhoto(worker: Worker): void {
    let sent = false;
    const open = (file: File | null | undefined): void => {
      if (!file) return;
      if (objects > 0 && !window.confirm(LOSES)) return;
      const needs = sent
        ? null
        : { runtime: bytesOf("sam-runtime"), encoder: bytesOf("sam-encoder"), blank: bytesOf("sam-blank") };
      sent = true;
      tell("Opening…");
      post(worker, { any: { file, name: file.name || "photo", needs } }, needs ? Object.values(needs) : []);
    };
    onFiles(element("sam-open") as HTMLInputElement, open);
  }
  element("sam-continue").addEventListener("click", () => post(worker, { save: true }));
}

/** Send the data of the other photos, one at a time, so that the first one can be used meanwhile. */
async function sendOthers(worker: Worker, count: number): Promise<void> {
  for (let index = 1; index < count; index++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    const data = photo(index);
    post(worker, { photo: data, index }, Object.values(data));
  }
}

const LOSES = "Open another photo? Its objects take the place of those here. Continue in Jupyter first to keep these.";

/** Pass on photos that are chosen, dropped or pasted. */
function onFiles(input: HTMLInputElement, open: (file: File | null | undefined) => void): void {
  input.disabled = false;
  input.addEventListener("change", () => {
    open(input.files?.[0]);
    input.value = "";
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    open(event.dataTransfer?.files[0]);
  });
  document.addEventListener("paste", ({ clipboardData }) => open(clipboardData?.files[0]));
}

function tell(text: string): void {
  element("sam-progress").textContent = text;
}

function rename(name: string): void {
  tell("");
  document.title = name;
  const title = document.querySelector(".sam-page-head h1");
  if (title) title.textContent = name;
}

function photo(index: number): PhotoData {
  const part = (name: keyof PhotoData): Uint8Array => bytesOf(`sam-${name}-${index}`);
  return { session: part("session"), features: part("features"), picture: part("picture") };
}

function post(worker: Worker, message: ToWorker, given: readonly Uint8Array[] = []): void {
  worker.postMessage(
    message,
    given.map(({ buffer }) => buffer as ArrayBuffer),
  );
}

function fail(why: string): void {
  const root = element("sam-view");
  root.textContent = `This page could not be opened: ${why}. A current version of Chrome, Edge, Firefox or Safari opens it.`;
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page lacks ${id}`);
  return found;
}

/** The compressed bytes of a script element, which is removed: the text takes megabytes. */
function bytesOf(id: string): Uint8Array {
  const script = element(id);
  const text = script.textContent ?? "";
  script.remove();
  // Browsers before 2025 lack it.
  const { fromBase64 } = Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array };
  if (fromBase64) return fromBase64(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

start().catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
