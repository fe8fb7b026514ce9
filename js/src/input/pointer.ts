/** Mouse, pen and touch on the photo. One pointer prompts or pans; two fingers pan and zoom. */

import type { Actions } from "../actions";
import { distance, toImage, type Vec } from "../geometry";
import type { Hover } from "../hover";
import type { Store } from "../store";
import type { Ui } from "../ui";

/** A press that travels further than this, in CSS pixels, is a drag. */
const DRAG = 4;
/** A finger that rests this long, in milliseconds, means the background: there is no right click by touch. */
const LONG_PRESS = 500;
/** Wheel to zoom: a notch of 100 units is a fifth; pinches on a trackpad arrive as small Ctrl+wheel steps. */
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

/** What one pressed pointer is about. */
interface Press {
  readonly kind: "prompt" | "pan";
  readonly from: Vec;
  readonly since: number;
  readonly label: 0 | 1;
  dragged: boolean;
}

const onMac = typeof navigator !== "undefined" && /Mac/.test(navigator.platform);

export function bindPointer({ canvas, store, ui, actions, hover, signal }: PointerOptions): void {
  const pointers = new Map<number, Vec>();
  let press: Press | null = null;

  const position = (event: MouseEvent): Vec => {
    const { left, top } = canvas.getBoundingClientRect();
    return { x: event.clientX - left - canvas.clientLeft, y: event.clientY - top - canvas.clientTop };
  };
  /** What a left click would say of the place; a right click says background whatever keys are held. */
  const labelOf = (event: MouseEvent | KeyboardEvent): 0 | 1 => (event.altKey || (onMac && event.ctrlKey) ? 0 : 1);
  const cancel = (): void => {
    press = null;
    hover.leave();
    ui.set({ panning: false, anchor: null, opposite: null });
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
    hover.press();
    const panning = event.button === 1 || (event.button === 0 && (ui.spaceHeld || ui.tool === "pan"));
    if (!panning && event.button !== 0 && event.button !== 2) return;
    const label = event.button === 2 ? 0 : labelOf(event);
    press = { kind: panning ? "pan" : "prompt", from: at, since: event.timeStamp, label, dragged: false };
    if (panning) ui.set({ panning: true });
  };

  const move = (event: PointerEvent): void => {
    const at = position(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      // A box begun with a click follows the pointer.
      if (event.pointerType === "touch") return;
      if (ui.anchor) ui.set({ opposite: toImage(ui.view, at) });
      else actions.hover(toImage(ui.view, at), labelOf(event));
      return;
    }
    if (pointers.size > 1) pinch(event.pointerId, at);
    pointers.set(event.pointerId, at);
    if (!press || pointers.size > 1) return;
    if (press.kind === "pan") {
      actions.pan(at.x - before.x, at.y - before.y);
    } else if (press.label === 1) {
      if (!press.dragged && distance(press.from, at) > DRAG) {
        press.dragged = true;
        hover.leave();
      }
      if (press.dragged && store.state.image) {
        const first = ui.opposite && ui.anchor ? ui.anchor : toImage(ui.view, press.from);
        ui.set({ anchor: first, opposite: toImage(ui.view, at) });
      }
    }
  };

  /** Keep the image under both fingers. */
  const pinch = (id: number, at: Vec): void => {
    const other = [...pointers].find(([key]) => key !== id)?.[1];
    const before = pointers.get(id);
    if (other && before) actions.pinch([before, other], [at, other]);
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
    if (ended.dragged && ui.anchor) actions.box(ui.anchor, toImage(ui.view, at));
    else if (distance(ended.from, at) <= DRAG) tap(ended, event);
    else hover.leave();
  };

  const tap = ({ from, since, label }: Press, event: PointerEvent): void => {
    const at = toImage(ui.view, from);
    const long = event.pointerType === "touch" && event.timeStamp - since > LONG_PRESS;
    if (label === 0 || long) actions.point(at, 0);
    else if (ui.tool === "box") actions.corner(at);
    else actions.point(at, 1);
  };

  const wheel = (event: WheelEvent): void => {
    const held = event.ctrlKey || event.metaKey;
    // A notebook scrolls under the pointer unless the person is at work in the photo.
    if (!held && !canvas.matches(":focus")) return;
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 33 : 1;
    const small = held && Math.abs(event.deltaY) < 50;
    const { view } = ui;
    actions.zoom(Math.exp(-event.deltaY * lines * (small ? PINCH : WHEEL)), position(event));
    // At its limits the photo lets the page scroll on.
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
  canvas.addEventListener("pointerleave", () => hover.leave(), { signal });
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
  // No autoscroll, no selection; the event itself goes on, for a notebook makes the cell active by it.
  canvas.addEventListener("mousedown", (event) => event.preventDefault(), { signal });
}
