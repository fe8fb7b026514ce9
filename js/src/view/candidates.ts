/** The candidates for the prompt, side by side with their scores, and the means to accept one. */

import { bounds, type Mask } from "../geometry/runs";
import { onByDefault } from "../preview/hover";
import type { BoxData, CandidateData } from "../protocol";
import type { Context, Part } from "./context";
import { h, icon, setAttributes, setText } from "./dom";
import { bindRadios, setChosen } from "./radiogroup";
import { scoreSaid, scoreShown } from "./score";
import { drawThumbnail, THUMBNAIL } from "./thumbnail";

const STABILITY =
  "Stability: how much of the mask stays when the threshold is moved up and down. Near 1 the edge is sharp, near 0 it is a guess.";

export function createCandidates(context: Context): Part {
  const { store, ui, actions, signal, id } = context;
  const group = h("div", { class: "sam-candidates", role: "radiogroup", "aria-label": "Candidates" });
  const empty = h("p", { class: "sam-empty" });
  bindRadios(group, (index) => actions.prompt.choose(index), signal);
  // The focused card is already chosen, so Enter accepts here as in the photo.
  const enter = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    actions.prompt.accept();
  };
  group.addEventListener("keydown", enter, { signal });

  const preview = (event: Event): void => {
    const card = event.target instanceof Element ? event.target.closest(".sam-candidate") : null;
    const index = card ? [...group.children].indexOf(card) : null;
    if (index !== ui.preview) ui.set({ preview: index });
  };
  const endPreview = (): void => ui.set({ preview: null });
  for (const type of ["pointerover", "focusin"]) group.addEventListener(type, preview, { signal });
  for (const type of ["pointerleave", "focusout"]) group.addEventListener(type, endPreview, { signal });

  const label = h("input", {
    type: "text",
    id: id("label"),
    class: "sam-input",
    maxlength: 200,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "object",
  });
  const accept = h(
    "button",
    { type: "button", class: "sam-button sam-primary", title: "Accept (Enter)" },
    icon("check"),
    "Accept",
  );
  label.addEventListener("input", () => ui.set({ label: label.value }), { signal });
  // Typing replaces the label of the last object.
  label.addEventListener("focus", () => label.select(), { signal });
  const keydown = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    if (event.key !== "Enter" && event.key !== "Escape") return;
    if (event.key === "Enter") actions.prompt.accept();
    context.focusCanvas();
    event.preventDefault();
  };
  label.addEventListener("keydown", keydown, { signal });
  accept.addEventListener("click", () => actions.prompt.accept(), { signal });

  const recent = h("div", { class: "sam-recent", role: "group", "aria-label": "Recent labels" });
  const useLabel = (event: Event): void => {
    const chip = event.target instanceof Element ? event.target.closest("button") : null;
    if (chip) actions.prompt.useLabel([...recent.children].indexOf(chip));
  };
  recent.addEventListener("click", useLabel, { signal });
  let offered = "";
  const updateLabels = (): void => {
    const labels = actions.prompt.labels;
    if (offered !== labels.join("\n")) {
      offered = labels.join("\n");
      if (recent.matches(":focus-within")) context.focusCanvas();
      recent.replaceChildren(...labels.map(createChip));
    }
    labels.forEach((text, i) => {
      setAttributes(recent.children[i], { "aria-pressed": String(text === ui.label.trim()) });
    });
    setAttributes(recent, { hidden: labels.length === 0 });
  };

  let cards: CandidateData[] = [];
  /** What the thumbnails show, to redraw them only on a change. */
  let drawn: unknown[] = [];
  const drawThumbnails = (): void => {
    const { tiles } = store;
    const masks = cards.map((card) => store.mask(card.mask));
    const now = [tiles.version, ...masks];
    if (now.length === drawn.length && now.every((item, i) => item === drawn[i])) return;
    drawn = now;
    const known = masks.filter((mask): mask is Mask => mask !== null);
    const around: BoxData | null = bounds(known);
    group.querySelectorAll("canvas").forEach((canvas, i) => {
      drawThumbnail(canvas, tiles, masks[i], around);
    });
  };

  let soon = false;
  /** Draw them after the next frame, which is left to the mask on the photo: that is what the user waits for. */
  const drawSoon = (): void => {
    if (soon) return;
    soon = true;
    const draw = (): void => {
      soon = false;
      if (!signal.aborted) drawThumbnails();
    };
    requestAnimationFrame(() => setTimeout(draw));
  };

  const rebuild = (candidates: CandidateData[]): void => {
    const focused = [...group.children].findIndex((card) => card.matches(":focus"));
    const thumbnails = group.querySelectorAll("canvas");
    cards = candidates;
    drawn = [];
    group.replaceChildren(...candidates.map((candidate, i) => createCard(candidate, i, candidates.length, id)));
    // They keep their content until they are redrawn: empty ones would flicker.
    group.querySelectorAll("canvas").forEach((canvas, i) => {
      if (thumbnails[i]) canvas.replaceWith(thumbnails[i]);
    });
    if (focused >= 0) {
      const next = group.children[Math.min(focused, candidates.length - 1)];
      if (next instanceof HTMLElement) next.focus({ preventScroll: true });
      else context.focusCanvas();
    }
  };

  const element = h(
    "section",
    { class: "sam-panel" },
    group,
    empty,
    h("div", { class: "sam-accept" }, h("label", { for: id("label"), class: "sam-caption" }, "Label"), label, accept),
    recent,
  );
  return {
    element,
    update() {
      const { candidates } = store.state;
      if (!sameCandidates(candidates, cards)) rebuild(candidates);
      setChosen(group, store.chosen);
      drawSoon();
      setAttributes(group, { hidden: candidates.length === 0 });
      setAttributes(empty, { hidden: candidates.length > 0 || !store.state.image || actions.find.picks });
      // Where masks appear at once, this text would only flicker.
      const looks = store.predicting && !onByDefault(store.state.decode_ms);
      setText(empty, looks ? "Looking for masks…" : "Click an object in the photo, or drag a box around it.");
      if (!store.canAccept && accept.matches(":focus")) context.focusCanvas();
      accept.disabled = !store.canAccept;
      if (label.value !== ui.label) label.value = ui.label;
      updateLabels();
      if (ui.focusesLabel) {
        ui.focusesLabel = false;
        label.focus({ preventScroll: true });
        label.select();
      }
      const edited = store.state.objects.find((object) => object.id === store.state.editing);
      setAttributes(label, { placeholder: edited?.label ?? (store.state.label || "object") });
    },
  };
}

function createChip(label: string, index: number): HTMLElement {
  const key = String(index + 4);
  return h(
    "button",
    { type: "button", class: "sam-chip", "aria-label": label, title: `${label} (${key})` },
    h("kbd", { class: "sam-cap", "aria-hidden": "true" }, key),
    h("span", { class: "sam-chip-text" }, label),
  );
}

function createCard(
  { score, stability }: CandidateData,
  index: number,
  count: number,
  id: (name: string) => string,
): HTMLElement {
  const steady = stability === null ? "" : `stable ${stability.toFixed(2)}`;
  const bar = h("span", { class: "sam-bar" }, h("span", { class: "sam-bar-fill" }));
  bar.style.setProperty("--sam-score", String(Math.max(0, Math.min(1, score ?? 0))));
  return h(
    "button",
    {
      type: "button",
      role: "radio",
      class: "sam-candidate",
      "aria-label": `Mask ${index + 1} of ${count}, ${scoreSaid(score)}`,
      "aria-describedby": id(`stability-${index}`),
      title: `Choose mask ${index + 1} (${index + 1})`,
    },
    h("canvas", { class: "sam-thumbnail", width: THUMBNAIL, height: THUMBNAIL }),
    h("span", { class: "sam-key" }, `${index + 1}`),
    h("span", { class: "sam-tick" }, icon("check")),
    bar,
    h("span", { class: "sam-number" }, scoreShown(score)),
    h("span", { class: "sam-stability", id: id(`stability-${index}`), title: STABILITY }, steady),
  );
}

function sameCandidates(a: CandidateData[], b: CandidateData[]): boolean {
  return a.length === b.length && a.every((item, i) => JSON.stringify(item) === JSON.stringify(b[i]));
}
