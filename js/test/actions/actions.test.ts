import { describe, expect, it } from "vitest";
import { toFrame } from "../../src/geometry/geometry";
import { findShortcut } from "../../src/input/keyboard";
import { NO_PROMPT } from "../../src/state/prompt";
import { objectOf, openDesk, PHOTO } from "../desk";
import { packedMask, settled } from "../fake";

const POINT = { x: 10, y: 20, label: 1 as const };
const BOX = { x0: 10, y0: 20, x1: 60, y1: 80 };
const candidates = ["a", "b"].map((mask) => ({ mask, score: 0.9, stability: 0.8, area: 2, crop: null }));

describe("points and boxes", () => {
  it("become part of the prompt, a new box replaces the last unless several are wanted", async () => {
    const { actions, model, ui } = await openDesk();
    actions.prompt.point({ x: 10, y: 20 }, 1);
    actions.prompt.box({ x: 60, y: 80 }, { x: 10, y: 20 });
    expect(model.last("predict").prompt).toEqual({ ...NO_PROMPT, points: [POINT], boxes: [BOX] });
    actions.prompt.box({ x: 0, y: 0 }, { x: 5, y: 5 });
    expect(model.last("predict").prompt).toMatchObject({ boxes: [{ x0: 0, y0: 0, x1: 5, y1: 5 }] });
    ui.set({ several: true });
    actions.prompt.box({ x: 10, y: 20 }, { x: 60, y: 80 });
    expect(model.last("predict").prompt).toMatchObject({ boxes: [{ x1: 5 }, BOX] });
  });

  it("are nothing outside the photo, or without any extent", async () => {
    const { actions, model, ui } = await openDesk();
    actions.prompt.point({ x: -1, y: 20 }, 1);
    actions.prompt.corner({ x: 10, y: 301 });
    actions.prompt.box({ x: 10, y: 20 }, { x: 10.4, y: 200 });
    expect([model.count("predict"), ui.anchor]).toEqual([0, null]);
  });

  it("are drawn in two clicks, too", async () => {
    const { actions, model, ui } = await openDesk();
    actions.prompt.corner({ x: 10, y: 20 });
    expect([ui.anchor, model.count("predict")]).toEqual([{ x: 10, y: 20 }, 0]);
    actions.prompt.corner({ x: 60, y: 80 });
    expect(ui.anchor).toBeNull();
    expect(model.last("predict").prompt).toMatchObject({ boxes: [BOX] });
  });

  it("are accepted under the label, without the blanks around it", async () => {
    const { actions, model, ui } = await openDesk({ candidates, chosen: 0 });
    ui.set({ label: "  cat " });
    actions.prompt.accept();
    expect(model.last("accept").label).toBe("cat");
  });
});

describe("a box while it is drawn", () => {
  const answer = { type: "preview_mask", width: 4, height: 4, score: 0.7 };

  it("asks for its mask on the way, which stays until the prompt's own are there", async () => {
    const { actions, model, hover, follow } = await openDesk();
    actions.prompt.stretch({ x: 10, y: 20 }, { x: 60, y: 80 });
    const { client, seq, prompt } = model.last("preview");
    expect(prompt).toEqual({ ...NO_PROMPT, boxes: [BOX] });
    model.emit("msg:custom", { ...answer, client, seq }, [packedMask()]);
    await settled();
    expect(hover.shown?.score).toBe(0.7);
    actions.prompt.box({ x: 10, y: 20 }, { x: 60, y: 80 });
    follow();
    expect(hover.shown?.score).toBe(0.7);
    model.set({ revision: 2, prompt: { ...NO_PROMPT, boxes: [BOX] } });
    await model.answer(model.last("predict"), { revision: 2 });
    follow();
    expect(hover.shown).toBeNull();
  });

  it("leaves nothing behind when it is given up", async () => {
    const { actions, model, hover, ui } = await openDesk();
    actions.prompt.stretch({ x: 10, y: 20 }, { x: 60, y: 80 });
    const { client, seq } = model.last("preview");
    model.emit("msg:custom", { ...answer, client, seq }, [packedMask()]);
    await settled();
    actions.escape();
    expect([hover.shown, ui.anchor, ui.opposite, model.count("predict")]).toEqual([null, null, null, 0]);
  });
});

describe("labels", () => {
  it("stay for the next object, and are offered again under their keys", async () => {
    const { actions, ui, model } = await openDesk({ candidates, chosen: 0, objects: [objectOf("cup")] });
    ui.set({ label: "cat" });
    actions.prompt.accept();
    expect([ui.label, actions.prompt.labels]).toEqual(["cat", ["cat", "cup"]]);
    actions.prompt.useLabel(1);
    actions.prompt.useLabel(7);
    expect(ui.label).toBe("cup");
    findShortcut({ key: "4", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false }, false)?.run(actions);
    expect(ui.label).toBe("cat");
    expect(model.count("accept")).toBe(1);
  });
});

describe("lines", () => {
  const line = [
    { x: 10, y: 10 },
    { x: 20, y: 10.1 },
    { x: 30, y: 10 },
    { x: 30, y: 40 },
  ];

  it("scribble with the brush as long as there is nothing to paint on, and then paint", async () => {
    const { actions, model, ui } = await openDesk();
    actions.tool("brush");
    actions.lines.stroke(line);
    const vertices = [10, 10, 30, 10, 30, 40];
    expect(model.last("predict").prompt).toMatchObject({ strokes: [{ vertices, label: 1, closed: false }] });
    await model.answer(model.last("predict"));
    model.set({ revision: 2, candidates, chosen: 0 });
    actions.view.zoom(2);
    actions.lines.toggleErase();
    actions.lines.stroke([{ x: 10, y: 10 }]);
    expect(model.last("brush")).toMatchObject({ vertices: [10, 10], radius: ui.brushSize / 4, label: 0 });
    expect(ui.painting).not.toBeNull();
    await model.answer(model.last("brush"));
    expect(ui.painting).toBeNull();
  });

  it("enclose with the lasso once they are closed", async () => {
    const { actions, model, ui } = await openDesk();
    actions.tool("lasso");
    for (const at of [line[0], line[2], line[3]]) actions.lines.vertex(at);
    expect([ui.line.length, model.count("predict")]).toEqual([3, 0]);
    actions.lines.vertex({ x: 13, y: 12 });
    expect(ui.line).toEqual([]);
    const vertices = [10, 10, 30, 10, 30, 40];
    expect(model.last("predict").prompt).toMatchObject({ strokes: [{ vertices, label: 1, closed: true }] });
    actions.lines.stroke(line.slice(0, 2));
    expect(model.count("predict")).toBe(1);
  });

  it("are drawn with a brush of limited size", async () => {
    const { actions, ui } = await openDesk();
    for (let i = 0; i < 40; i++) actions.lines.brushLarger();
    expect(ui.brushSize).toBe(160);
    for (let i = 0; i < 200; i++) actions.lines.brushSmaller();
    expect(ui.brushSize).toBe(2);
  });
});

describe("handles", () => {
  const prompt = { ...NO_PROMPT, points: [POINT], boxes: [BOX] };

  it("are gone through in order, both ways, and named", async () => {
    const { actions } = await openDesk({ prompt });
    actions.selectNext(1);
    expect(actions.handles.selectedName).toBe("Foreground point 1 at 10, 20");
    actions.selectNext(1);
    expect(actions.handles.selectedName).toBe("Top left corner of box 1 at 10, 20");
    actions.selectNext(-1);
    actions.selectNext(-1);
    expect(actions.handles.selectedName).toBe("Box 1 at 35, 50");
  });

  it("move in one edit, from where they were", async () => {
    const { actions, model } = await openDesk({ prompt });
    const handle = { kind: "point", index: 0 } as const;
    actions.handles.carry(prompt, handle, { x: 3, y: 0 });
    actions.handles.carry(prompt, handle, { x: 5, y: 1 });
    expect([actions.handles.prompt.points[0].x, model.count("predict")]).toEqual([15, 0]);
    actions.handles.drop();
    expect(model.last("predict").prompt).toMatchObject({ points: [{ x: 15, y: 21 }] });
    actions.handles.carry(prompt, handle, { x: 50, y: 0 });
    actions.handles.drop(false);
    expect([actions.handles.prompt.points[0].x, model.count("predict")]).toEqual([15, 1]);
  });

  it("are removed from the prompt, once", async () => {
    const { actions, model } = await openDesk({ prompt });
    actions.handles.select({ kind: "box", index: 0 });
    actions.removeSelected();
    actions.removeSelected();
    expect(model.last("predict").prompt).toEqual({ ...prompt, boxes: [] });
    expect(model.count("predict")).toBe(1);
  });
});

describe("objects", () => {
  const objects = [objectOf("small"), objectOf("large", { area: 9 }), objectOf("third")];

  async function openObjects() {
    const desk = await openDesk({ objects });
    desk.model.masks("mask of small", "mask of large");
    desk.actions.tool("pick");
    return desk;
  }

  it("are picked by a click, again there the next larger, and several", async () => {
    const { actions, ui } = await openObjects();
    const at = { x: 0.5, y: 0.5 };
    actions.objects.pick(at);
    expect(ui.marked).toEqual(["small"]);
    actions.objects.pick(at);
    expect(ui.marked).toEqual(["large"]);
    actions.objects.pick(at, true);
    expect(ui.marked).toEqual(["large", "small"]);
    actions.objects.pick({ x: 200, y: 200 });
    expect(ui.marked).toEqual([]);
    actions.objects.pointAt(at);
    expect(ui.highlight).toBe("small");
    actions.objects.pointAt(null);
    expect(ui.highlight).toBeNull();
  });

  it("are gone through by keys with the pick tool", async () => {
    const { actions, ui } = await openObjects();
    actions.selectNext(-1);
    expect(ui.marked).toEqual(["third"]);
    actions.selectNext(1);
    expect(ui.marked).toEqual(["small"]);
  });

  it("are merged, subtracted, named and removed as they were picked", async () => {
    const { actions, model, ui } = await openObjects();
    actions.objects.merge();
    expect(model.count("merge")).toBe(0);
    actions.objects.pickAll();
    actions.objects.label("  ");
    actions.objects.label(" cat ");
    expect(model.last("rename")).toMatchObject({ objects: ["small", "large", "third"], label: "cat" });
    actions.objects.mark("small", false);
    actions.objects.mark("small", true);
    actions.objects.merge();
    expect(model.last("merge").objects).toEqual(["large", "third", "small"]);
    expect(ui.marked).toEqual(["large"]);
    actions.objects.mark("third", true);
    actions.objects.subtract();
    expect(model.last("subtract")).toMatchObject({ object: "large", other: "third" });
    actions.objects.mark("large", true);
    actions.objects.keepMarked();
    expect(model.last("remove").objects).toEqual(["small", "third"]);
    actions.removeSelected();
    expect(model.last("remove").objects).toEqual(["large"]);
    expect(model.count("rename")).toBe(1);
  });

  it("are edited again, the newest unless told", async () => {
    const { actions, model, ui } = await openObjects();
    ui.set({ label: "left over" });
    actions.objects.editObject();
    await settled();
    expect([model.last("edit").object, ui.label]).toEqual(["third", ""]);
  });
});

describe("looking", () => {
  it("zooms about the keyboard cursor, once that has moved, else about the middle", async () => {
    const { actions, ui } = await openDesk();
    actions.view.zoomIn();
    expect(toFrame(ui.view, { x: 200, y: 150 })).toEqual({ x: 200, y: 150 });
    actions.view.fit();
    actions.moveCursor(-50, 0);
    const cursor = ui.cursor ?? { x: 0, y: 0 };
    const before = toFrame(ui.view, cursor);
    actions.view.zoomIn();
    expect(toFrame(ui.view, cursor).x).toBeCloseTo(before.x);
    actions.view.actualSize();
    expect(ui.view.scale).toBe(1);
  });

  it("sharpens what is seen, and gives that up with the whole photo in view", async () => {
    const { actions, model } = await openDesk();
    const { client, seq } = model.last("tile");
    model.emit("msg:custom", { type: "tile_picture", client, seq, mime: "image/png" }, [new Uint8Array(1)]);
    await model.answer(model.last("tile"));
    actions.view.sharpen();
    expect([actions.view.finer, model.count("sharpen")]).toEqual([false, 0]);
    actions.view.zoom(4);
    actions.view.sharpen();
    expect(model.last("sharpen")).toMatchObject({ region: { x0: 150, y0: 112.5, x1: 250, y1: 187.5 }, later: false });
    await model.answer(model.last("sharpen"));
    model.set({ revision: 2, crop: { x0: 100, y0: 80, x1: 300, y1: 220 } });
    actions.view.fit();
    actions.view.sharpen();
    expect(model.last("sharpen").region).toBeNull();
  });

  it("hovers where answers are fast, until a person says otherwise", async () => {
    const { actions, model } = await openDesk({ decode_ms: 300 });
    expect(actions.hover.on).toBe(false);
    model.set({ revision: 2, decode_ms: 20 });
    expect(actions.hover.on).toBe(true);
    expect(actions.hover.why).toBe("");
    model.set({ revision: 3, decode_ms: 120.4 });
    expect(actions.hover.why).toContain("answers take 120 ms");
    actions.hover.toggle();
    expect(actions.hover.why).toBe("");
    actions.hover.toggle();
    model.set({ revision: 4, decode_ms: 10 });
    expect(actions.hover.on).toBe(false);
  });
});

describe("view options", () => {
  it("close on Escape and when the tool changes", async () => {
    const { actions, display } = await openDesk();
    for (const close of [() => actions.escape(), () => actions.tool("box")]) {
      actions.toggleOptions();
      expect(display.open).toBe(true);
      close();
      expect(display.open).toBe(false);
    }
  });
});

describe("keys whose meaning depends", () => {
  it("give up what is under way, innermost first", async () => {
    const prompt = { ...NO_PROMPT, points: [POINT] };
    const { actions, model, ui } = await openDesk({ prompt, objects: [objectOf("cat")] });
    actions.tool("pick");
    actions.objects.pickAll();
    ui.set({ helpOpen: true, overviewOpen: true, anchor: { x: 1, y: 1 }, selected: { kind: "point", index: 0 } });
    const left = () => [ui.helpOpen, ui.overviewOpen, ui.anchor !== null, ui.selected !== null, ui.marked.length > 0];
    for (let gone = 1; gone <= 5; gone++) {
      actions.escape();
      expect(left()).toEqual([1, 2, 3, 4, 5].map((n) => n > gone));
    }
    expect(model.count("clear")).toBe(0);
    actions.escape();
    expect(model.count("clear")).toBe(1);
  });

  it("use the tool where the cursor has been moved to, else accept", async () => {
    const { actions, model, ui } = await openDesk({ candidates, chosen: 0 });
    actions.confirm();
    expect(model.count("accept")).toBe(1);
    actions.moveCursor(1, 0);
    actions.confirm();
    const [x, y] = [PHOTO.width / 2 + 1.5, PHOTO.height / 2 + 0.5];
    expect(model.last("predict").prompt).toMatchObject({ points: [{ x, y, label: 1 }] });
    expect(ui.cursorMoved).toBe(false);
    actions.background();
    expect(model.last("predict").prompt).toMatchObject({ points: [{ label: 1 }, { x, y, label: 0 }] });
  });
});
