/** One view of a widget: its stores, its parts of the screen, and their updates. */

import { Actions } from "../actions/actions";
import { bindKeyboard } from "../input/keyboard";
import { Hover } from "../preview/hover";
import { FrameScheduler } from "../preview/scheduler";
import { Sharpener } from "../preview/sharpen";
import type { PromptData } from "../protocol";
import { Display } from "../state/display";
import type { Engine } from "../state/engine";
import type { Gallery } from "../state/gallery";
import type { RemoteSession } from "../state/session";
import { type Preview, Store } from "../state/store";
import { Ui } from "../state/ui";
import { createCandidates } from "./candidates";
import type { Context } from "./context";
import { h, setAttributes } from "./dom";
import { createEngine } from "./engine";
import { createFind } from "./find";
import { createFullScreen } from "./fullscreen";
import { createGallery } from "./gallery";
import { createHelp } from "./help";
import { createObjects } from "./objects";
import { createOptions } from "./options";
import { createSettings } from "./settings";
import { createStage } from "./stage";
import { createStatus } from "./status";
import { createToolbar } from "./toolbar";
import { createToolOptions } from "./tooloptions";

let views = 0;

/** What all views of a widget share. */
export interface Shared {
  readonly session: RemoteSession;
  readonly gallery: Gallery;
  readonly engine: Engine;
}

/** Show a widget in an element. Returns a function that closes the view. */
export function createView({ session, gallery, engine }: Shared, el: HTMLElement): () => void {
  const closing = new AbortController();
  const { signal } = closing;
  const prefix = `sam-${++views}-${Math.random().toString(36).slice(2, 8)}`;

  let updating = false;
  /** Called at every change. Elements are updated once per task, canvases once per frame. */
  const changed = (): void => {
    if (updating) return;
    updating = true;
    queueMicrotask(() => {
      updating = false;
      if (!signal.aborted) update();
    });
  };
  let frame = 0;
  let whole = false;
  /** Draw in the next frame: everything that has changed, or only the hover. */
  const draw = (everything: boolean): void => {
    whole ||= everything;
    frame ||= requestAnimationFrame((time) => {
      frame = 0;
      scheduler.frame(time);
      if (scheduler.watches) draw(false);
      if (whole) stage.draw();
      whole = false;
      stage.drawHover();
    });
  };
  signal.addEventListener("abort", () => cancelAnimationFrame(frame), { once: true });

  const store = new Store(session, changed, signal);
  const ui = new Ui(changed);
  const display = new Display(changed);
  const scheduler = new FrameScheduler();
  const preview = async (prompt: PromptData): Promise<Preview | null> => {
    const asked = performance.now();
    const answer = await store.preview(prompt);
    if (answer) scheduler.answered(performance.now() - asked);
    return answer;
  };
  let waiting = 0;
  const later = (go: () => void): void => {
    const wait = scheduler.wait(performance.now());
    if (wait < 1) go();
    else waiting = window.setTimeout(go, wait);
  };
  signal.addEventListener("abort", () => clearTimeout(waiting), { once: true });
  const hover = new Hover(preview, (stale) => draw(stale === "masks"), later);
  const sharpener = new Sharpener((region) => store.sharpenLater(region), signal);
  const actions = new Actions({ store, ui, hover, display, gallery, engine });
  const base = {
    store,
    ui,
    display,
    actions,
    hover,
    gallery,
    engine,
    signal,
    id: (name: string) => `${prefix}-${name}`,
  };
  const stage = createStage(base);
  const context: Context = { ...base, focusCanvas: () => stage.canvas.focus({ preventScroll: true }) };
  const [images, stages, toolbar, toolOptions, find, candidates, settings, objects, status, help, options] = [
    createGallery(context),
    createEngine(context),
    createToolbar(context),
    createToolOptions(context),
    createFind(context),
    createCandidates(context),
    createSettings(context),
    createObjects(context),
    createStatus(context),
    createHelp(context),
    createOptions(context),
  ];
  const root = h(
    "div",
    { class: "sam-widget" },
    images.element,
    stages.element,
    h(
      "div",
      { class: "sam-layout" },
      toolbar.element,
      toolOptions.element,
      stage.element,
      h("div", { class: "sam-side" }, find.element, candidates.element, settings.element, objects.element),
      status.element,
      help.element,
      options.element,
    ),
  );
  const fullScreen = createFullScreen(root, display, signal);
  bindKeyboard({ root, canvas: stage.canvas, actions, ui, signal });

  const update = (): void => {
    fullScreen.update();
    const parts = [
      images,
      stages,
      toolbar,
      toolOptions,
      stage,
      find,
      candidates,
      settings,
      objects,
      status,
      help,
      options,
    ];
    for (const part of parts) part.update();
    const { image } = store.state;
    root.style.setProperty("--sam-aspect", String(image ? image.width / image.height : 1.5));
    setAttributes(root, { "data-state": store.status, "data-seq": store.answered, "data-saved": store.saved });
    setAttributes(root, { "data-photo": store.tiles.ready });
    hover.follow({
      prompt: store.prompt,
      active:
        actions.hover.on && (ui.tool === "point" || ui.tool === "box") && !ui.spaceHeld && !ui.panning && !ui.helpOpen,
      ready: store.status === "ready",
      pending: store.pending,
      source: JSON.stringify(store.state.crop),
    });
    const ready = store.state.status === "ready" && store.tiles.ready;
    sharpener.follow({ on: ui.sharpens, ready, image, seen: actions.view.seen, crop: store.state.crop });
    draw(true);
  };
  el.append(root);
  update();
  return () => {
    closing.abort();
    root.remove();
  };
}
