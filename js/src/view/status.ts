/** The status line, visible and for screen readers. */

import type { BoxData } from "../protocol";
import type { Store } from "../state/store";
import type { Context, Part } from "./context";
import { h, setAttributes, setText } from "./dom";
import { scoreSaid } from "./score";

export function createStatus({ store }: Context): Part {
  const text = h("span", { class: "sam-status", role: "status", "aria-live": "polite" });
  const facts = h("span", { class: "sam-facts" });
  const progress = h("div", { class: "sam-progress", role: "progressbar", "aria-label": "Progress", hidden: true });
  return {
    element: h("div", { class: "sam-footer" }, progress, text, facts),
    update() {
      setText(text, statusText(store));
      setAttributes(text, { "data-error": isError(store) });
      const { image, model, autosave } = store.state;
      const saved = autosave && `Saved in ${autosave}`;
      setText(facts, [model, image && `${image.width} × ${image.height}`, saved].filter(Boolean).join(" · "));
      const busy = store.status === "loading" || store.status === "embedding";
      const { everything } = store.state;
      const finds = everything?.kind === "find";
      const share = !busy && everything?.total ? everything.done / everything.total : null;
      setAttributes(progress, {
        hidden: !busy && !everything,
        "aria-label": busy ? statusText(store) : !everything ? "Progress" : finds ? "Searching" : "Everything",
        "aria-valuenow": share === null ? null : Math.round(100 * share),
        "aria-valuetext":
          share === null ? null : `${Math.round(100 * share)} %${finds ? "" : `, ${everything?.found.length} found`}`,
      });
      progress.style.setProperty("--sam-share", String(share ?? 0));
    },
  };
}

export function isError(store: Store): boolean {
  return store.failure !== null || store.state.status === "error";
}

export function statusText(store: Store): string {
  const { message, status, candidates, objects, editing, crop, meanwhile } = store.state;
  if (store.failure !== null) return store.failure;
  if (store.saved) return `Saved without a kernel: view only. ${count(objects.length)}`;
  if (store.busy) return "Kernel busy: your edits wait for it, and none is lost.";
  if (store.unanswered) return "The kernel has not answered yet. If it was restarted, run this cell again.";
  if (status === "loading") return message || "Loading…";
  if (status === "embedding") return message || "Embedding the photo…";
  if (status === "error") return message || "Something went wrong in the kernel.";
  if (store.status === "loading") return "Loading the photo…";
  const { chosen } = store;
  if (chosen !== null) {
    const { score, stability, area, crop: answered, model } = candidates[chosen];
    const edited = objects.find((object) => object.id === editing);
    const of = candidates.length > 1 ? `Mask ${chosen + 1} of ${candidates.length}` : "One mask";
    const steady = stability === null ? "" : `, stability ${stability.toFixed(2)}`;
    const before = edited ? `Editing ${edited.label}: Accept replaces it. ` : "";
    const sharpened = answered ? `, sharpened in ${extent(answered)}` : "";
    const facts = `${scoreSaid(score)}${steady}, ${area.toLocaleString("en")} px${sharpened}`;
    return `${before}${of}${model ? ` by ${model}` : ""}, ${facts}${meanwhile ? `. ${meanwhile}` : ""}`;
  }
  if (message) return message;
  // In tenths, because a screen reader announces each.
  const { everything } = store.state;
  if (everything?.kind === "find") return "Searching the photo. Esc stops.";
  if (everything) return `Finding everything: ${10 * Math.floor((10 * everything.done) / (everything.total || 1))} %`;
  if (status === "predicting") return "Predicting…";
  const sharp = crop ? ` Sharpened in ${extent(crop)}.` : "";
  return `${meanwhile || "Ready."}${sharp} ${count(objects.length)}`;
}

function extent({ x0, y0, x1, y1 }: BoxData): string {
  return `${x1 - x0} × ${y1 - y0} px at ${x0}, ${y0}`;
}

function count(objects: number): string {
  return objects === 1 ? "1 object." : objects ? `${objects} objects.` : "No objects yet.";
}
