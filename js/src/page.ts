/**
 * A page that answers without a kernel: the widget's own front end, and a Web Worker in the kernel's place.
 *
 * The page's data is in script elements of types that browsers do not run, compressed and in base64.
 */

import { download } from "./kernel/download";
import type { FromWorker, Opening, PhotoData } from "./local/worker";
import { bytesOf, element, startWorker } from "./standalone/data";
import { PageModel, post } from "./standalone/model";
import widget from "./widget";

/** What `sam_widget/page/page.py` writes about the page. */
type About = Pick<Opening, "photos" | "model" | "done" | "answering" | "padding">;

async function start(): Promise<void> {
  document.documentElement.toggleAttribute("data-embedded", window.parent !== window);
  const about = JSON.parse(element("sam-about").textContent ?? "") as About;
  const { worker, address } = await startWorker("sam-code");
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
    } else if ("place" in data) {
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

function fail(why: string): void {
  const root = element("sam-view");
  root.textContent = `This page could not be opened: ${why}. A current version of Chrome, Edge, Firefox or Safari opens it.`;
}

start().catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
