/**
 * A page that answers without a kernel: the widget's own front end, and a Web Worker in the kernel's place.
 *
 * The page's data is in script elements of types that browsers do not run, compressed and in base64.
 */

import { type Download, download } from "./kernel/download";
import type { Opening, ToWorker } from "./local/worker";
import type { Reply, Request, State } from "./protocol";
import widget from "./widget";

/** What `sam_widget/page/page.py` writes about the page. */
type About = Pick<Opening, "image" | "mime" | "model" | "name">;

type FromWorker =
  | { state: State }
  | { message: Reply; buffers: Uint8Array[] }
  | { saved: Uint8Array }
  | { failed: string };

type Callback = (...args: unknown[]) => void;

/** The part of an anywidget model that the front end uses. */
class PageModel {
  readonly #worker: Worker;
  readonly #listeners = new Map<string, Set<Callback>>();

  constructor(
    worker: Worker,
    private readonly state: State,
  ) {
    this.#worker = worker;
  }

  get(key: string): unknown {
    return key === "state" ? this.state : undefined;
  }

  send(request: unknown): void {
    const message: ToWorker = { request: request as Request };
    this.#worker.postMessage(message);
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
  const about = JSON.parse(element("sam-about").textContent ?? "") as About;
  const [code, session, weights, features, picture] = await Promise.all(
    ["code", "session", "weights", "features", "picture"].map((name) => bytesOf(`sam-${name}`)),
  );
  const address = URL.createObjectURL(new Blob([code as BlobPart], { type: "text/javascript" }));
  const worker = new Worker(address);
  const opening: Opening = { ...about, session, weights, features, picture };
  const message: ToWorker = { opening };
  worker.postMessage(
    message,
    [session, weights, features, picture].map(({ buffer }) => buffer as ArrayBuffer),
  );
  let model: PageModel | null = null;
  worker.addEventListener("error", ({ message: why }) => fail(why));
  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    if ("failed" in data) fail(data.failed);
    else if ("message" in data) model?.emit("msg:custom", data.message, data.buffers);
    else if ("saved" in data) download(sessionFile(about.name, data.saved));
    else {
      URL.revokeObjectURL(address);
      model = new PageModel(worker, data.state);
      const view = widget();
      view.initialize({ model: model as never });
      const root = element("sam-view");
      root.replaceChildren();
      view.render({ el: root });
    }
  });
  element("sam-continue").addEventListener("click", () => {
    const save: ToWorker = { save: true };
    worker.postMessage(save);
  });
}

function sessionFile(name: string, bytes: Uint8Array): Download {
  return { name: `${name.replace(/\.[^.]*$/, "") || "image"}.sam`, mime: "application/octet-stream", bytes };
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

async function bytesOf(id: string): Promise<Uint8Array> {
  const script = element(id);
  const packed = Uint8Array.from(atob(script.textContent ?? ""), (letter) => letter.charCodeAt(0));
  // The text takes megabytes.
  script.remove();
  const stream = new Blob([packed as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

start().catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
