import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { bindPointer } from "../../src/input/pointer";
import type { PromptData } from "../../src/protocol";
import { NO_PROMPT } from "../../src/state/prompt";
import { objectOf, openDesk, PHOTO } from "../desk";

class Canvas extends EventTarget {
  focused = true;
  readonly clientLeft = 1;
  readonly clientTop = 1;
  readonly offsetHeight = PHOTO.height + 2;
  /** How much larger the page shows the canvas than it is in its own pixels. */
  factor = 1;
  focus(): void {
    this.focused = true;
  }
  matches(): boolean {
    return this.focused;
  }
  setPointerCapture(): void {}
  getBoundingClientRect() {
    const [width, height] = [PHOTO.width + 2, PHOTO.height + 2].map((length) => length * this.factor);
    return { left: 100 - this.factor, top: 50 - this.factor, width, height };
  }
}

beforeEach(() => {
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("WheelEvent", { DOM_DELTA_LINE: 1 });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

type Fields = Partial<PointerEvent & WheelEvent>;

/** A desk whose canvas the test's pointers move on; places are in pixels of the photo as it is at first. */
async function open(...state: Parameters<typeof openDesk>) {
  const desk = await openDesk(...state);
  const canvas = new Canvas();
  const { store, ui, actions, hover } = desk;
  const signal = new AbortController().signal;
  bindPointer({ canvas: canvas as unknown as HTMLElement, store, ui, actions, hover, signal });
  const send = (type: string, x: number, y: number, fields: Fields = {}): Event => {
    const event = new Event(type, { cancelable: true, bubbles: true });
    const usual = { pointerId: 1, pointerType: "mouse", button: 0, clientX: x + 100, clientY: y + 50 };
    for (const [key, value] of Object.entries({ ...usual, ...fields })) Object.defineProperty(event, key, { value });
    canvas.dispatchEvent(event);
    return event;
  };
  const click = (x: number, y: number, fields: Fields = {}): void => {
    send("pointerdown", x, y, fields);
    send("pointerup", x, y, fields);
  };
  const drag = (x0: number, y0: number, x1: number, y1: number, fields: Fields = {}): void => {
    send("pointerdown", x0, y0, fields);
    for (const t of [0.25, 0.5, 0.75, 1]) send("pointermove", x0 + t * (x1 - x0), y0 + t * (y1 - y0), fields);
    send("pointerup", x1, y1, fields);
  };
  return { ...desk, canvas, send, click, drag };
}

const prompted = ({ model }: Awaited<ReturnType<typeof open>>) => model.last("predict").prompt;

describe("a click", () => {
  it.each([
    ["with the left button, foreground", {}, 1],
    ["with Alt, background", { altKey: true }, 0],
    ["with the right button, background", { button: 2 }, 0],
  ] as const)("adds a point: %s", async (_, fields, label) => {
    const desk = await open();
    desk.click(30, 40, fields);
    expect(prompted(desk)).toEqual({ ...NO_PROMPT, points: [{ x: 30, y: 40, label }] });
  });

  it("adds a point where it was pressed, however it trembled", async () => {
    const desk = await open();
    desk.send("pointerdown", 30, 40);
    desk.send("pointermove", 32, 41);
    desk.send("pointerup", 33, 42);
    expect(prompted(desk)).toMatchObject({ points: [{ x: 30, y: 40 }] });
  });

  it("of a finger that rests means the background", async () => {
    const desk = await open();
    desk.send("pointerdown", 30, 40, { pointerType: "touch", timeStamp: 0 });
    desk.send("pointerup", 30, 40, { pointerType: "touch", timeStamp: 600 });
    expect(prompted(desk)).toMatchObject({ points: [{ label: 0 }] });
  });

  it("means the pixel under it when the photo is zoomed and moved", async () => {
    const desk = await open();
    desk.actions.view.zoom(4, { x: 0, y: 0 });
    desk.actions.view.pan(-40, -80);
    desk.click(20, 40);
    expect(prompted(desk)).toMatchObject({ points: [{ x: 15, y: 30 }] });
  });

  it("on a point selects it, and a drag moves it", async () => {
    const desk = await open({ prompt: { ...NO_PROMPT, points: [{ x: 30, y: 40, label: 1 }] } });
    desk.click(33, 41);
    expect(desk.ui.selected).toEqual({ kind: "point", index: 0 });
    expect(desk.model.count("predict")).toBe(0);
    desk.drag(30, 40, 70, 60);
    expect(prompted(desk)).toMatchObject({ points: [{ x: 70, y: 60 }] });
  });

  it("on what a search has found selects it, with the right button refuses it, and elsewhere prompts", async () => {
    const instance = { id: "0", mask: "mask", word: 0, score: 0.9, found: true };
    const search = { words: ["cat"], like: 0, not_like: 0, threshold: 0.5, message: "", instances: [instance] };
    const desk = await open({ search });
    desk.model.masks("mask");
    desk.send("pointermove", 1, 0);
    expect(desk.ui.pointed).toBe("0");
    desk.click(1, 0);
    expect(desk.ui.instance).toBe("0");
    desk.click(1, 0, { button: 2 });
    expect(desk.model.last("refuse").instance).toBe("0");
    expect([desk.model.count("predict"), desk.model.count("preview")]).toEqual([0, 0]);
    expect(desk.send("contextmenu", 1, 0).defaultPrevented).toBe(true);
    desk.send("pointermove", 30, 40);
    expect(desk.ui.pointed).toBeNull();
    desk.click(30, 40);
    expect(prompted(desk)).toMatchObject({ points: [{ x: 30, y: 40, label: 1 }] });
    desk.drag(1, 0, 60, 80);
    expect(prompted(desk)).toMatchObject({ boxes: [{ x0: 1, y0: 0, x1: 60, y1: 80 }] });
  });

  it("with the pick tool picks, and a drag moves the photo", async () => {
    const desk = await open({ objects: [objectOf("cat")] });
    desk.model.masks("mask of cat");
    desk.actions.tool("pick");
    desk.click(1, 0.5);
    expect(desk.ui.marked).toEqual(["cat"]);
    desk.actions.view.zoom(2);
    const before = desk.ui.view.x;
    desk.drag(100, 100, 130, 100);
    expect([desk.ui.marked, desk.ui.view.x - before]).toEqual([["cat"], 30]);
  });
});

describe.each([1.1, 1.5, 0.8])("on a page that shows the widget %s times as large", (factor) => {
  async function scaled() {
    const desk = await open();
    desk.canvas.factor = factor;
    return { ...desk, at: (x: number, y: number) => [x * factor, y * factor] as const };
  }

  it("clicks, boxes and hovers mean the pixels under the pointer", async () => {
    const desk = await scaled();
    desk.send("pointermove", ...desk.at(150, 120));
    const hovered = desk.model.last("preview").prompt as PromptData;
    desk.click(...desk.at(150, 120));
    desk.drag(...desk.at(200, 40), ...desk.at(300, 90));
    const { points, boxes } = prompted(desk) as PromptData;
    const places = [...hovered.points, ...points].map(({ x, y }) => [x, y]);
    expect(places.flat().map(Math.round)).toEqual([150, 120, 150, 120]);
    expect(Object.values(boxes[0]).map(Math.round)).toEqual([200, 40, 300, 90]);
  });

  it("the wheel zooms about the pointer, and a drag pans with it", async () => {
    const desk = await scaled();
    desk.send("wheel", ...desk.at(100, 60), { deltaMode: 0, deltaY: -100 });
    const { scale, x, y } = desk.ui.view;
    expect([100 * scale + x, 60 * scale + y].map(Math.round)).toEqual([100, 60]);
    desk.drag(...desk.at(100, 60), ...desk.at(90, 55), { button: 1 });
    expect([desk.ui.view.x - x, desk.ui.view.y - y].map(Math.round)).toEqual([-10, -5]);
  });
});

describe("a drag", () => {
  it("draws a box, with Shift one more", async () => {
    const desk = await open();
    desk.drag(30, 40, 80, 90);
    expect(prompted(desk)).toMatchObject({ points: [], boxes: [{ x0: 30, y0: 40, x1: 80, y1: 90 }] });
    desk.drag(130, 140, 180, 190, { shiftKey: true });
    expect(prompted(desk)).toMatchObject({ boxes: [{ x0: 30 }, { x0: 130, y0: 140, x1: 180, y1: 190 }] });
    expect(desk.ui.anchor).toBeNull();
  });

  it("with the space bar or the middle button pans and prompts nothing", async () => {
    const desk = await open();
    desk.actions.view.zoom(2);
    const { x } = desk.ui.view;
    desk.ui.set({ spaceHeld: true });
    desk.drag(100, 100, 140, 100);
    desk.ui.set({ spaceHeld: false });
    desk.drag(100, 100, 140, 100, { button: 1 });
    expect([desk.ui.view.x - x, desk.ui.panning, desk.model.count("predict")]).toEqual([80, false, 0]);
  });

  it("draws with the brush from its first touch on: a scribble, and then paint", async () => {
    const desk = await open();
    desk.actions.tool("brush");
    desk.click(30, 40);
    expect(prompted(desk)).toMatchObject({ strokes: [{ vertices: [30, 40], label: 1 }] });
    desk.drag(50, 60, 90, 60, { altKey: true });
    expect(desk.model.last("brush")).toMatchObject({ vertices: [50, 60, 90, 60], radius: 14, label: 0 });
  });

  it("counts for nothing when the pointer is lost", async () => {
    const desk = await open();
    desk.send("pointerdown", 30, 40);
    desk.send("pointermove", 80, 90);
    expect(desk.ui.anchor).not.toBeNull();
    desk.send("pointercancel", 80, 90);
    expect([desk.ui.anchor, desk.model.count("predict")]).toEqual([null, 0]);
  });
});

describe("two fingers", () => {
  it("zoom and pan, and prompt nothing", async () => {
    const desk = await open();
    const finger = (pointerId: number): Fields => ({ pointerId, pointerType: "touch" });
    desk.send("pointerdown", 150, 150, finger(1));
    desk.send("pointerdown", 250, 150, finger(2));
    desk.send("pointermove", 100, 150, finger(1));
    desk.send("pointermove", 300, 150, finger(2));
    expect(desk.ui.view.scale).toBeCloseTo(2);
    desk.send("pointerup", 100, 150, finger(1));
    desk.send("pointerup", 300, 150, finger(2));
    expect(desk.model.count("predict")).toBe(0);
  });
});

describe("the wheel", () => {
  it("zooms about the pointer where the photo has the focus, or with Ctrl", async () => {
    const desk = await open();
    const wheel = (fields: Fields) => desk.send("wheel", 100, 60, { deltaMode: 0, ...fields });
    desk.canvas.focused = false;
    expect(wheel({ deltaY: -100 }).defaultPrevented).toBe(false);
    expect(desk.ui.view.scale).toBe(1);
    expect(wheel({ deltaY: -100, ctrlKey: true }).defaultPrevented).toBe(true);
    desk.canvas.focused = true;
    wheel({ deltaY: -100 });
    const { scale, x, y } = desk.ui.view;
    expect(scale).toBeCloseTo(Math.exp(0.36));
    expect([100 * scale + x, 60 * scale + y].map(Math.round)).toEqual([100, 60]);
  });

  it("lets the page scroll on where the photo can be no smaller", async () => {
    const desk = await open();
    expect(desk.send("wheel", 100, 60, { deltaMode: 0, deltaY: 100 }).defaultPrevented).toBe(false);
  });
});

describe("hovering", () => {
  it("asks about the pixel under the mouse, and not for a finger", async () => {
    const desk = await open();
    desk.send("pointermove", 30, 40, { pointerType: "touch" });
    expect(desk.model.count("preview")).toBe(0);
    desk.send("pointermove", 30, 40);
    expect(desk.model.last("preview").prompt).toMatchObject({ points: [{ x: 30, y: 40, label: 1 }] });
  });

  it("ends when the pointer leaves", async () => {
    const desk = await open();
    desk.send("pointermove", 30, 40);
    expect(desk.hover.at).not.toBeNull();
    desk.send("pointerleave", 30, 40);
    expect(desk.hover.at).toBeNull();
  });
});
