/** Mouse, pen and touch on the photo. One pointer prompts or pans; two fingers pan and zoom. */

import type { Actions } from "../actions/actions";
import { distance, toImage, type Vec } from "../geometry/geometry";
import { type Handle, handleAt } from "../geometry/handles";
import type { Hover } from "../preview/hover";
import type { PromptData } from "../protocol";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";
import { placeIn } from "./place";

/** A press that moves further than this, in CSS pixels, is a drag. */
const DRAG = 4;
/** How near, in CSS pixels, a press has to be to a point or a corner to grab it; more for a finger. */
const REACH = { mouse: 9, touch: 18 };
/** A line gets its next vertex after this many CSS pixels. */
const SPACING = 1.5;
/** A finger held this long, in milliseconds, means the background: touch has no right click. */
const LONG_PRESS = 500;
/** Zoom per unit of wheel: a notch of 100 units is a fifth. Trackpad pinches arrive as small Ctrl+wheel steps. */
const WHEEL = 0.0018;
const PINCH = 0.01;

interface PointerOptions {
  canvas: HTMLElement;
  store: Store;
  ui: Ui;
  actions: Actions;
  hover: Hover;
  signal: AbortSignal;
}

/** What a pressed pointer does. */
interface Press {
  readonly kind: "prompt" | "pan" | "line" | "handle" | "pick";
  readonly from: Vec;
  readonly since: number;
  readonly label: 0 | 1;
  /** Whether a new box keeps the earlier ones. */
  readonly add: boolean;
  /** The handle that was grabbed, and the prompt at that time. */
  readonly held?: { readonly handle: Handle; readonly prompt: PromptData };
  dragged: boolean;
}

const onMac = typeof navigator !== "undefined" && /Mac/.test(navigator.platform);

export function bindPointer({ canvas, store, ui, actions, hover, signal }: PointerOptions): void {
  const pointers = new Map<number, Vec>();
  let press: Press | null = null;

  const position = (event: MouseEvent): Vec => placeIn(canvas, event);
  /** The label of a left click; a right click always means background. */
  const labelOf = (event: MouseEvent | KeyboardEvent): 0 | 1 => (event.altKey || (onMac && event.ctrlKey) ? 0 : 1);
  const cancel = (): void => {
    press = null;
    actions.handles.drop(false);
    actions.prompt.dropBox();
    hover.leave();
    ui.set({ panning: false, line: [] });
  };
  const prompts = (): boolean => ui.tool === "point" || ui.tool === "box";
  /** The handle that a press here would grab. */
  const heldAt = (at: Vec, event: PointerEvent): Handle | null => {
    const reach = REACH[event.pointerType === "touch" ? "touch" : "mouse"];
    return prompts() && !ui.anchor ? handleAt(store.prompt, toImage(ui.view, at), reach / ui.view.scale) : null;
  };

  const down = (event: PointerEvent): void => {
    canvas.focus({ preventScroll: true });
    const at = position(event);
    pointers.set(event.pointerId, at);
    canvas.setPointerCapture(event.pointerId);
    if (pointers.size > 1) {
      cancel();
      return;
    }
    const panning = event.button === 1 || (event.button === 0 && (ui.spaceHeld || ui.tool === "pan"));
    if (!panning && event.button !== 0 && event.button !== 2) {
      hover.press();
      return;
    }
    const label = event.button === 2 ? 0 : labelOf(event);
    const started = { from: at, since: event.timeStamp, label, add: event.shiftKey || ui.several, dragged: false };
    const handle = label === 1 && !panning ? heldAt(at, event) : null;
    if (panning) press = { kind: "pan", ...started };
    else if (handle) press = { kind: "handle", ...started, held: { handle, prompt: store.prompt } };
    else if (ui.tool === "pick") press = { kind: "pick", ...started, add: event.shiftKey || ui.pickSeveral };
    else press = { kind: prompts() ? "prompt" : "line", ...started };
    const picks = actions.find.at(toImage(ui.view, at)).length > 0;
    if (press.kind === "prompt" && !picks && (label === 0 || ui.tool === "point"))
      actions.hover.promise(toImage(ui.view, at), label);
    else hover.press();
    if (panning) ui.set({ panning: true });
    // A brush paints from the first touch; a lasso may also be clicked from corner to corner.
    if (press.kind !== "line") return;
    ui.set({ lineLabel: label === 0 ? 0 : actions.lines.strokeLabel });
    if (ui.tool === "brush") ui.set({ line: [toImage(ui.view, at)] });
  };

  const move = (event: PointerEvent): void => {
    const at = position(event);
    ui.pointer = toImage(ui.view, at);
    const before = pointers.get(event.pointerId);
    if (!before) {
      // A box begun with a click follows the pointer.
      if (event.pointerType === "touch") return;
      const overHandle = heldAt(at, event) !== null;
      if (overHandle !== ui.overHandle) ui.set({ overHandle });
      if (ui.tool === "pick") actions.objects.pointAt(toImage(ui.view, at));
      else if (ui.anchor) actions.prompt.stretch(ui.anchor, toImage(ui.view, at));
      else if (ui.line.length) ui.set({ opposite: toImage(ui.view, at) });
      else if (overHandle || actions.find.pointAt(toImage(ui.view, at))) hover.leave();
      else if (prompts()) actions.hover.move(toImage(ui.view, at), labelOf(event));
      return;
    }
    if (pointers.size > 1) pinch(event.pointerId, at);
    pointers.set(event.pointerId, at);
    if (!press || pointers.size > 1) return;
    if (press.kind === "pick") {
      // A drag moves the photo.
      press.dragged ||= distance(press.from, at) > DRAG;
      if (press.dragged) actions.view.pan(at.x - before.x, at.y - before.y);
    } else if (press.kind === "pan") {
      actions.view.pan(at.x - before.x, at.y - before.y);
    } else if (press.kind === "line") {
      drawLine(press, at);
    } else if (press.held) {
      carry(press, press.held, at);
    } else if (press.label === 1) {
      if (!press.dragged && distance(press.from, at) > DRAG) {
        press.dragged = true;
        hover.leave();
      }
      if (press.dragged && store.state.image) {
        const first = ui.opposite && ui.anchor ? ui.anchor : toImage(ui.view, press.from);
        actions.prompt.stretch(first, toImage(ui.view, at), press.add);
      }
    }
  };

  const drawLine = (drawn: Press, at: Vec): void => {
    if (!drawn.dragged && distance(drawn.from, at) <= DRAG) return;
    const from = drawn.dragged ? ui.line : [toImage(ui.view, drawn.from)];
    drawn.dragged = true;
    const next = toImage(ui.view, at);
    const last = from.at(-1);
    const far = !last || distance(last, next) * ui.view.scale >= SPACING;
    ui.set({ line: far ? [...from, next] : from, opposite: null });
  };

  const carry = (begun: Press, { handle, prompt }: NonNullable<Press["held"]>, at: Vec): void => {
    if (!begun.dragged && distance(begun.from, at) <= DRAG) return;
    begun.dragged = true;
    const [from, to] = [toImage(ui.view, begun.from), toImage(ui.view, at)];
    actions.handles.carry(prompt, handle, { x: to.x - from.x, y: to.y - from.y });
  };

  /** Keep the image under both fingers. */
  const pinch = (id: number, at: Vec): void => {
    const other = [...pointers].find(([key]) => key !== id)?.[1];
    const before = pointers.get(id);
    if (other && before) actions.view.pinch([before, other], [at, other]);
  };

  const up = (event: PointerEvent): void => {
    pointers.delete(event.pointerId);
    const ended = press;
    if (!ended || pointers.size > 0) return;
    press = null;
    if (ended.kind === "pan") {
      ui.set({ panning: false });
      return;
    }
    const at = position(event);
    if (ended.kind === "pick") {
      if (!ended.dragged) actions.objects.pick(toImage(ui.view, at), ended.add);
      return;
    }
    if (ended.held) {
      if (ended.dragged) actions.handles.drop();
      else actions.handles.select(ended.held.handle);
      return;
    }
    if (ended.kind === "line") {
      if (ended.dragged || ui.tool === "brush") actions.lines.stroke(ui.line, ui.lineLabel);
      else actions.lines.vertex(toImage(ui.view, at));
      return;
    }
    if (ended.dragged && ui.anchor) actions.prompt.box(ui.anchor, toImage(ui.view, at), ended.add);
    else if (distance(ended.from, at) <= DRAG) tap(ended, event);
    else hover.leave();
  };

  const tap = ({ from, since, label }: Press, event: PointerEvent): void => {
    const at = toImage(ui.view, from);
    const long = event.pointerType === "touch" && event.timeStamp - since > LONG_PRESS;
    const background = label === 0 || long;
    if (background ? actions.find.refuseAt(at) : actions.find.pick(at)) return;
    if (background) actions.prompt.point(at, 0);
    else if (ui.tool === "box") actions.prompt.corner(at);
    else actions.prompt.point(at, 1);
  };

  const wheel = (event: WheelEvent): void => {
    const held = event.ctrlKey || event.metaKey;
    // The notebook scrolls under the pointer unless the photo has the focus.
    if (!held && !canvas.matches(":focus")) return;
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 33 : 1;
    const small = held && Math.abs(event.deltaY) < 50;
    const { view } = ui;
    actions.view.zoom(Math.exp(-event.deltaY * lines * (small ? PINCH : WHEEL)), position(event));
    // At the limits of zoom the page scrolls.
    if (!held && view.scale === ui.view.scale) return;
    event.preventDefault();
    event.stopPropagation();
  };

  canvas.addEventListener("pointerdown", down, { signal });
  canvas.addEventListener("pointermove", move, { signal });
  canvas.addEventListener("pointerup", up, { signal });
  const lost = (event: PointerEvent): void => {
    if (pointers.delete(event.pointerId)) cancel();
  };
  canvas.addEventListener("pointercancel", lost, { signal });
  const away = (): void => {
    ui.pointer = null;
    hover.leave();
    if (ui.tool === "pick") actions.objects.pointAt(null);
    actions.find.pointAt(null);
  };
  canvas.addEventListener("pointerleave", away, { signal });
  canvas.addEventListener("blur", () => hover.leave(), { signal });
  window.addEventListener("blur", () => hover.leave(), { signal });
  const relabel = (event: KeyboardEvent): void => {
    if (event.key === "Alt" || (onMac && event.key === "Control")) hover.relabel(labelOf(event));
  };
  for (const type of ["keydown", "keyup"] as const) window.addEventListener(type, relabel, { signal });
  canvas.addEventListener("wheel", wheel, { signal, passive: false });
  const swallow = (event: Event): void => {
    event.preventDefault();
    event.stopPropagation();
  };
  canvas.addEventListener("contextmenu", swallow, { signal });
  // No autoscroll and no selection. The event still bubbles, because it makes the notebook's cell active.
  canvas.addEventListener("mousedown", (event) => event.preventDefault(), { signal });
}
