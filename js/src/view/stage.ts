/** The photo with what lies over it, on four canvases that are drawn at most once a frame and only when they change. */

import type { View } from "../geometry";
import { bindPointer } from "../input/pointer";
import type { Context, Part } from "./context";
import { h, iconButton, setAttributes, setText } from "./dom";
import { HoverLayer } from "./hover";
import { createLayer, fitLayer, hasChanged, start } from "./layer";
import { drawOutlines, Fills, looks } from "./masks";
import { drawOverlay } from "./overlay";
import { isError, statusText } from "./status";

/** The canvas area is as wide as the cell allows, and no higher or lower than this in CSS pixels. */
const HIGHEST = 520;
const LOWEST = 140;
/** Its height while there is no photo. */
const WITHOUT_PHOTO = 220;

export interface Stage extends Part {
  /** What has the focus when a person works in the photo. */
  readonly canvas: HTMLElement;
  draw(): void;
  /** Draw the mask under the pointer, and nothing else. */
  drawHover(): void;
}

export function createStage(context: Omit<Context, "focusCanvas">): Stage {
  const { store, ui, actions, hover, signal, id } = context;
  const photo = createLayer();
  const masks = createLayer();
  const overlay = createLayer();
  const layers = [photo, masks, overlay];
  const hovered = new HoverLayer();
  const fills = new Fills();

  const keys = h(
    "p",
    { id: id("keys"), class: "sam-hidden" },
    "Arrow keys move a cursor, Enter adds a foreground point there, Shift+Enter a background point. ",
    "Enter again accepts, Escape clears. Press question mark for all keys.",
  );
  const place = h("p", { class: "sam-hidden", "aria-live": "polite" });
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
    masks.element,
    hovered.element,
    overlay.element,
    hovered.tag,
  );
  const veil = h("div", { class: "sam-veil" });
  const notice = h("div", { class: "sam-notice" });
  const zoomOut = iconButton("minus", "Zoom out", "Zoom out (−)");
  const fitAll = iconButton("fit", "Show the whole photo", "Show the whole photo (0)");
  const zoomIn = iconButton("plus", "Zoom in", "Zoom in (+)");
  zoomOut.addEventListener("click", () => actions.zoomOut(), { signal });
  fitAll.addEventListener("click", () => actions.fit(), { signal });
  zoomIn.addEventListener("click", () => actions.zoomIn(), { signal });
  const zooms = h("div", { class: "sam-zooms" }, zoomOut, fitAll, zoomIn);
  const element = h("div", { class: "sam-stage" }, canvas, veil, notice, zooms, keys, place);

  bindPointer({ canvas, store, ui, actions, hover, signal });
  const redraw = (): void => ui.set({});
  for (const type of ["focus", "blur"]) canvas.addEventListener(type, redraw, { signal });
  const observer = new ResizeObserver(() => layout());
  observer.observe(element);
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });

  const layout = (): void => {
    const width = canvas.clientWidth;
    if (!width) return;
    const { image } = store.state;
    const wanted = image ? (width * image.height) / image.width : WITHOUT_PHOTO;
    const height = Math.round(Math.min(HIGHEST, Math.max(LOWEST, wanted)));
    canvas.style.height = `${height}px`;
    ui.layout(image, { width, height });
  };

  return {
    element,
    canvas,
    update() {
      layout();
      const { image } = store.state;
      const problem = isError(store) && !store.picture;
      const waiting = !image || !store.picture;
      const embedding = store.state.status === "embedding" && store.picture !== null;
      setText(notice, problem || waiting ? statusText(store) : "");
      setAttributes(notice, { hidden: !(problem || waiting), "data-error": problem });
      setText(veil, embedding ? "Embedding…" : "");
      setAttributes(veil, { hidden: !embedding });
      setAttributes(zooms, { hidden: !store.picture });
      const holding = ui.panning ? "grabbing" : ui.spaceHeld || ui.tool === "pan" ? "grab" : null;
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
      const picture = store.picture?.hash === image?.hash ? store.picture : null;
      const smooth = view.scale * ratio < 3;

      if (hasChanged(photo, [picture, view, frame, ratio])) {
        const pen = start(photo, ratio);
        if (picture) drawScaled(pen, picture.bitmap, picture, view, smooth);
      }
      const all = image && picture ? looks(store, ui) : [];
      if (hasChanged(masks, [picture, view, frame, ratio, ...all.flatMap((look) => Object.values(look))])) {
        const pen = start(masks, ratio);
        if (image && all.length) {
          fills.update(image, all);
          drawScaled(pen, fills.canvas, image, view, smooth);
          drawOutlines(pen, all, view);
        }
      }
      const pen = start(overlay, ratio);
      if (image) drawOverlay(pen, store.prompt, ui, canvas.matches(":focus"));
    },
    drawHover() {
      if (ui.frame) hovered.draw(hover, ui.view, ui.frame);
    },
  };
}

function drawScaled(
  pen: CanvasRenderingContext2D,
  source: CanvasImageSource,
  image: { width: number; height: number },
  view: View,
  smooth: boolean,
): void {
  pen.imageSmoothingEnabled = smooth;
  pen.imageSmoothingQuality = "high";
  pen.drawImage(source, view.x, view.y, image.width * view.scale, image.height * view.scale);
}
