/** The photo and its overlays, on seven canvases, each drawn at most once per frame and only on a change. */

import { shortcutFor } from "../input/keyboard";
import { bindPointer } from "../input/pointer";
import { isEmpty } from "../state/prompt";
import { BrushCursor } from "./brush";
import type { Context, Part } from "./context";
import { h, iconButton, setAttributes, setText } from "./dom";
import { HoverLayer } from "./hover";
import { instanceLooks, instanceNames } from "./instances";
import { createLayer, fitLayer, hasChanged, show, start } from "./layer";
import { candidateLooks, drawOutlines, type Look, ObjectLooks, Painter } from "./masks";
import { createMinimap } from "./minimap";
import { drawNames } from "./names";
import { ObjectLayer } from "./objectlayer";
import { drawOverlay } from "./overlay";
import { drawPicture } from "./picture";
import { createSharpen, drawCrops } from "./sharpen";
import { isError, statusText } from "./status";

/** The limits of the canvas area's height in CSS pixels; it is as wide as the cell. */
const HIGHEST = 520;
const LOWEST = 140;
/** Below this width or height the zoom buttons are placed under the photo. */
const COMPACT = { width: 480, height: 280 };
/** Its height without a photo. */
const WITHOUT_PHOTO = 220;
const ACTUAL = shortcutFor("Show the photo at its actual size");

/** No looks: always the same, so that nothing has changed. */
const NONE: readonly Look[] = [];
const NO_NAMES = { objects: [], search: null } as const;

export interface Stage extends Part {
  /** The element with the focus while the photo is in use. */
  readonly canvas: HTMLElement;
  draw(): void;
  /** Draw only the mask under the pointer. */
  drawHover(): void;
}

export function createStage(context: Omit<Context, "focusCanvas">): Stage {
  const { store, ui, display, actions, hover, engine, signal, id } = context;
  const photo = createLayer("photo");
  const masks = createLayer("masks");
  const outlines = createLayer("outlines");
  const prompts = createLayer("prompts");
  const crop = createLayer("crop");
  const layers = [photo, masks, outlines, crop, prompts];
  const hovered = new HoverLayer();
  const painter = new Painter();
  const accepted = new ObjectLooks();
  const objects = new ObjectLayer(() => ui.set({}), signal);
  const brush = new BrushCursor();

  const keys = h(
    "p",
    { id: id("keys"), class: "sam-hidden" },
    "Arrow keys move a cursor, Enter adds a foreground point there, Shift+Enter a background point. ",
    "Enter again accepts, Escape clears. Press question mark for all keys.",
  );
  const place = h("p", { class: "sam-hidden", "aria-live": "polite" });
  const automatic = h("p", { class: "sam-hidden", "aria-live": "polite" });
  const canvas = h(
    "div",
    {
      class: "sam-canvas",
      role: "application",
      "aria-label": "Image",
      "aria-describedby": id("keys"),
      tabindex: 0,
    },
    photo.element,
    objects.element,
    masks.element,
    outlines.element,
    crop.element,
    hovered.element,
    prompts.element,
    hovered.tag,
    brush.element,
  );
  const veil = h("div", { class: "sam-veil" });
  const notice = h("div", { class: "sam-notice" });
  const zoomOut = iconButton("minus", "Zoom out", "Zoom out (−)");
  const fitAll = iconButton("fit", "Show the whole photo", "Show the whole photo (0)");
  const zoomIn = iconButton("plus", "Zoom in", "Zoom in (+)");
  zoomOut.addEventListener("click", () => actions.view.zoomOut(), { signal });
  fitAll.addEventListener("click", () => actions.view.fit(), { signal });
  zoomIn.addEventListener("click", () => actions.view.zoomIn(), { signal });
  const actual = h("button", { type: "button", class: "sam-button sam-quiet sam-percent" });
  const full = iconButton("full", "Full screen", `Full screen (${shortcutFor("Full screen")})`);
  actual.addEventListener("click", () => actions.view.actualSize(), { signal });
  full.addEventListener("click", () => actions.view.toggleFull(), { signal });
  const sharpen = createSharpen(context, () => canvas.focus({ preventScroll: true }));
  const zooms = h("div", { class: "sam-zooms" }, sharpen.element, zoomOut, actual, zoomIn, fitAll, full);
  const minimap = createMinimap(context);
  const element = h(
    "div",
    { class: "sam-stage" },
    canvas,
    veil,
    notice,
    minimap.element,
    zooms,
    keys,
    place,
    automatic,
  );

  brush.follow(canvas, signal);
  bindPointer({ canvas, store, ui, actions, hover, signal });
  const redraw = (): void => ui.set({});
  for (const type of ["focus", "blur"]) canvas.addEventListener(type, redraw, { signal });
  const observer = new ResizeObserver(() => layout());
  observer.observe(element);
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });

  /** The last layout. Reading the canvas's size at every update would lay out the whole page. */
  let laidOut = "";
  const wantedLayout = (): string => `${store.state.image?.width} ${store.state.image?.height} ${display.full}`;
  const layout = (): void => {
    const width = canvas.clientWidth;
    if (!width) return;
    const { image } = store.state;
    const wanted = image ? (width * image.height) / image.width : WITHOUT_PHOTO;
    const highest = display.full ? element.clientHeight : HIGHEST;
    const height = display.full ? highest : Math.round(Math.min(highest, Math.max(LOWEST, wanted)));
    canvas.style.height = `${height}px`;
    // Over a small photo the buttons would cover much of it.
    setAttributes(element, { "data-compact": !display.full && (width < COMPACT.width || height < COMPACT.height) });
    laidOut = wantedLayout();
    ui.layout(image, { width, height });
  };

  return {
    element,
    canvas,
    update() {
      const { image } = store.state;
      if (wantedLayout() !== laidOut || !ui.frame) layout();
      const problem = isError(store) && (store.failed || !store.tiles.ready);
      const waiting = !image || !store.tiles.ready;
      const embedding = store.state.status === "embedding" && store.tiles.ready;
      setText(notice, problem || waiting ? statusText(store) : "");
      setAttributes(notice, { hidden: !(problem || waiting), "data-error": problem, "data-over": store.tiles.ready });
      setText(veil, embedding ? "Embedding…" : "");
      setAttributes(veil, { hidden: !embedding });
      setAttributes(zooms, { hidden: !store.tiles.ready });
      sharpen.update();
      // Nothing is announced before the first switch.
      if (ui.sharpens || automatic.textContent)
        setText(automatic, ui.sharpens ? "Sharpens automatically" : "Sharpens on request");
      setAttributes(sharpen.element, { "data-automatic": ui.sharpens });
      const percent = 100 * ui.view.scale;
      const shown = `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
      setText(actual, shown);
      setAttributes(actual, { "aria-label": `${shown}, show actual size`, title: `Actual size (${ACTUAL})` });
      setAttributes(full, { "aria-pressed": String(display.full) });
      setAttributes(photo.element, { hidden: !display.photo });
      brush.update(ui);
      const picks = ui.tool === "pick" || ui.pointed !== null;
      const over = ui.moving || ui.overHandle ? "move" : brush.shown ? "none" : picks ? "pick" : null;
      const holding = ui.panning ? "grabbing" : ui.spaceHeld || ui.tool === "pan" ? "grab" : over;
      setAttributes(canvas, {
        "data-cursor": holding,
        "data-view": [ui.view.scale, ui.view.x, ui.view.y].map((value) => +value.toFixed(4)).join(" "),
      });
      if (ui.cursor && ui.cursorMoved)
        setText(place, `Cursor at ${Math.floor(ui.cursor.x)}, ${Math.floor(ui.cursor.y)}`);
    },
    draw() {
      const { frame, view } = ui;
      const { image } = store.state;
      if (!frame) return;
      const ratio = window.devicePixelRatio || 1;
      for (const layer of layers) fitLayer(layer, frame.width, frame.height, ratio);
      const { tiles } = store;
      tiles.look({ view, frame, ratio, rendering: actions.view.rendering });
      const place = [view, frame, ratio];

      if (hasChanged(photo, [tiles.version, ...place])) drawPicture(start(photo, ratio), tiles, view, frame, ratio);

      const ready = image !== null && tiles.ready;
      const those = ready ? accepted.of(store, ui, display, engine.filled) : NONE;
      const offered = ready
        ? [...instanceLooks(store, ui, display), ...candidateLooks(store, ui, display, hover.taken?.mask ?? null)]
        : NONE;
      // One cover hides the rest of the photo, so its holes are cut together.
      const cut = display.masks === "cutout" && [...those, ...offered].some((look) => !look.dashed);
      objects.draw(cut ? NONE : those, view, frame, ratio);
      const all = cut ? [...those, ...offered] : offered;
      const shown = [display.masks, cut ? those : null, ...offered.flatMap((look) => Object.values(look))];
      if (hasChanged(masks, [...shown, ...place])) {
        const pen = start(masks, ratio);
        if (cut)
          painter.cutOut(
            pen,
            all.filter((look) => !look.dashed),
            view,
            ratio,
          );
        else if (all.some((look) => look.fill > 0)) painter.fill(pen, all, view, ratio);
        show(masks, cut || all.some((look) => look.fill > 0));
      }
      const { objects: named, search } = display.names && ready ? store.state : NO_NAMES;
      if (hasChanged(outlines, [...shown, named, search, ui.highlight, ui.marked, ...place])) {
        // The edge of a cut-out is visible anyway.
        const lined = cut ? all.filter((look) => look.dashed) : all;
        drawOutlines(start(outlines, ratio), lined, view, frame, ratio);
        const marked = new Set(ui.marked);
        const lit = (item: string): boolean =>
          item === ui.highlight || marked.has(item) || item === (ui.pointed ?? ui.instance);
        const names = search ? [...instanceNames(store, ui), ...named] : named;
        drawNames(outlines.context, names, lit, view, frame);
        show(outlines, lined.length > 0 || names.length > 0);
      }
      minimap.draw(those, offered);

      const answered = store.chosen === null ? null : store.state.candidates[store.chosen].crop;
      const edges = JSON.stringify([store.state.crop, answered]);
      if (hasChanged(crop, [edges, ...place])) {
        drawCrops(start(crop, ratio), store.state.crop, answered, view);
        show(crop, store.state.crop !== null || answered !== null);
      }

      const { anchor, opposite, cursor, line, painting, selected, tool } = ui;
      const focused = canvas.matches(":focus");
      const drawn = [anchor, opposite, cursor, line, painting, selected, tool];
      if (hasChanged(prompts, [image, actions.handles.prompt, focused, ...drawn, ...place])) {
        const pen = start(prompts, ratio);
        if (image) drawOverlay(pen, actions.handles.prompt, ui, focused);
        const under = anchor !== null || line.length > 0 || painting !== null || (cursor !== null && focused);
        show(prompts, under || !isEmpty(actions.handles.prompt));
      }
    },
    drawHover() {
      if (ui.frame) hovered.draw(hover, ui.view, ui.frame, display);
    },
  };
}
