import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PAUSE } from "../../src/actions/finding";
import type { InstanceData, SearchData } from "../../src/protocol";
import { corrected, nearWords, shownInstances, wordsIn } from "../../src/state/search";
import { findMessage, promptName } from "../../src/view/find";
import { instanceLooks, instanceNames } from "../../src/view/instances";
import { objectOf, openDesk } from "../desk";

const instance = (id: string, score: number, fields: Partial<InstanceData> = {}): InstanceData => ({
  id,
  mask: `mask ${id}`,
  word: 0,
  score,
  found: score >= 0.5,
  ...fields,
});
const search = (instances: InstanceData[], fields: Partial<SearchData> = {}): SearchData => ({
  words: ["cat", "cup"],
  like: 0,
  not_like: 0,
  threshold: 0.5,
  message: "'cat': 1",
  instances,
  ...fields,
});
const THREE = [instance("a", 0.9), instance("b", 0.8, { word: 1 }), instance("c", 0.2)];
/** The masks of the fake kernel cover the first two pixels. */
const INSIDE = { x: 0.5, y: 0.5 };
const OUTSIDE = { x: 3.5, y: 3.5 };

async function open(instances = THREE, fields: Parameters<typeof openDesk>[0] = {}) {
  const desk = await openDesk({ search: search(instances), ...fields });
  desk.model.masks(...instances.map(({ mask }) => mask));
  return desk;
}

describe("typing", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("searches at a pause, once, as one gesture until the field is left", async () => {
    const { actions, model } = await openDesk();
    actions.find.begin();
    for (const text of ["c", "ca", "cat"]) actions.find.type(text);
    expect(model.count("find")).toBe(0);
    vi.advanceTimersByTime(PAUSE);
    const first = model.last("find");
    expect([model.count("find"), first.words, first.like, first.threshold]).toEqual([1, ["cat"], [], null]);
    actions.find.type("cat, red cup");
    vi.advanceTimersByTime(PAUSE);
    expect(model.last("find")).toMatchObject({ words: ["cat", "red cup"], gesture: first.gesture });
    actions.find.leave();
    actions.find.type("cup");
    vi.advanceTimersByTime(PAUSE);
    expect(model.last("find").gesture).not.toBe(first.gesture);
  });

  it("asks for the same words again only on Enter", async () => {
    const { actions, model } = await open();
    actions.find.type("cat");
    vi.advanceTimersByTime(PAUSE);
    actions.find.type("cat ");
    vi.advanceTimersByTime(PAUSE);
    expect(model.count("find")).toBe(1);
    actions.find.search();
    expect(model.count("find")).toBe(2);
  });

  it("is not lost when the field is left before the pause", async () => {
    const { actions, model } = await openDesk();
    actions.find.type("cat");
    actions.find.leave();
    expect(model.last("find").words).toEqual(["cat"]);
    vi.advanceTimersByTime(PAUSE);
    expect(model.count("find")).toBe(1);
  });
});

describe("words", () => {
  it("are separated by commas of any script", () => {
    expect(wordsIn(" cat,red  cup，貓、, cat")).toEqual(["cat", "red  cup", "貓"]);
  });

  it("that are unknown are reported next to the field, with others that replace them", async () => {
    const { actions, model, store, ui } = await openDesk();
    ui.set({ words: "red kat, cup" });
    actions.find.search();
    const error = "'kat' is not one of the 1,000 things that the model knows; near words: cat, bat";
    await model.answer(model.last("find"), { outcome: "error", error });
    expect([findMessage(store, ui.words), store.failure]).toEqual([error, null]);
    expect(nearWords(error)).toEqual(["cat", "bat"]);
    expect(corrected(ui.words, error, "cat")).toBe("red cat, cup");
    actions.find.search();
    await model.answer(model.last("find"), { outcome: "superseded" });
    expect(findMessage(store, ui.words)).toBe(error);
    await model.answer(model.last("find"));
    actions.find.search();
    await model.answer(model.last("find"));
    expect(store.find.error).toBeNull();
  });

  it("take examples with them, as long as these are objects", async () => {
    const { actions, model, ui } = await openDesk({ objects: [objectOf("one"), objectOf("two")] });
    ui.set({ words: "cat" });
    actions.find.more("one");
    actions.find.more("two");
    expect(model.last("find")).toMatchObject({ words: ["cat"], like: ["one", "two"] });
    model.update({}, [], { start: 0, removed: 1, added: [] });
    actions.find.search();
    expect(model.last("find").like).toEqual(["two"]);
    ui.set({ words: "" });
    actions.find.less("two");
    expect([model.count("find"), model.count("end_find")]).toEqual([3, 0]);
  });
});

describe("all images", () => {
  const openGallery = async () => {
    const desk = await openDesk({ objects: [objectOf("one"), objectOf("two")] });
    desk.gallery.names = ["a.jpg", "b.jpg"];
    return desk;
  };

  it("are searched for the words and examples of the field, or for one object alone", async () => {
    const { actions, model, ui } = await openGallery();
    expect(actions.find.canFindInAll).toBe(false);
    ui.set({ words: "cat, cup", like: ["one", "gone"] });
    actions.find.inAll();
    expect(model.last("find_in_all")).toMatchObject({ words: ["cat", "cup"], like: ["one"], threshold: null });
    actions.find.moreInAll("two");
    expect(model.last("find_in_all")).toMatchObject({ words: [], like: ["two"] });
    actions.find.cancelInAll();
    actions.find.endInAll();
    expect([model.count("stop_find_in_all"), model.count("end_find_in_all")]).toEqual([1, 1]);
  });

  it("are not there in a widget of one image", async () => {
    const { actions, model, ui } = await openDesk({ objects: [objectOf("one")] });
    ui.set({ words: "cat" });
    actions.find.inAll();
    actions.find.moreInAll("one");
    expect(model.count("find_in_all")).toBe(0);
  });

  it("are not waited for, and say next to the field what is wrong with the words", async () => {
    const { actions, model, store, ui } = await openGallery();
    ui.set({ words: "kat" });
    actions.find.inAll();
    expect(store.status).not.toBe("predicting");
    await model.answer(model.last("find_in_all"), { outcome: "error", error: "'kat' is unknown" });
    expect([findMessage(store, ui.words), store.failure]).toEqual(["'kat' is unknown", null]);
    actions.find.moreInAll("one");
    await model.answer(model.last("find_in_all"), { outcome: "error", error: "no such object" });
    expect([store.find.error, store.failure]).toEqual([null, "no such object"]);
  });
});

describe("the threshold", () => {
  it("shows what was requested until the kernel has it, and is kept for the next words", async () => {
    const { actions, model, store } = await open();
    actions.find.sift(0.3, "drag");
    expect(store.find.threshold).toBe(0.3);
    await model.answer(model.last("sift"));
    expect(store.find.threshold).toBe(0.5);
    actions.find.type("cup");
    actions.find.search();
    expect(model.last("find").threshold).toBe(0.3);
  });
});

describe("instances", () => {
  it("below the threshold are shown only if they are among the best", () => {
    const many = Array.from({ length: 50 }, (_, i) => instance(String(i), 0.4 - i / 200));
    const ids = shownInstances(search([instance("a", 0.9), ...many, instance("z", 0.1, { found: true })]));
    expect([ids.length, ids[0].id, ids.at(-1)?.id]).toEqual([22, "a", "z"]);
    expect(shownInstances(search([instance("best", 0.03), instance("next", 0.02)])).map(({ id }) => id)).toEqual([
      "best",
    ]);
  });

  it("are selected by a click and by its repetition, accepted alone, and refused", async () => {
    const { actions, model, ui } = await open();
    expect([actions.find.pick(OUTSIDE), ui.instance]).toEqual([false, null]);
    const picked = [1, 2, 3, 4].map(() => actions.find.pick(INSIDE) && ui.instance);
    expect(picked).toEqual(["a", "b", "c", "a"]);
    actions.confirm();
    expect([model.last("accept_found").instances, ui.instance]).toEqual([["a"], "b"]);
    actions.removeSelected();
    expect([model.last("refuse").instance, ui.instance]).toEqual(["b", "c"]);
    expect(actions.find.refuseAt(INSIDE)).toBe(true);
    expect([model.last("refuse").instance, model.count("predict")]).toEqual(["c", 0]);
  });

  it("leave clicks to the prompt while a mask is being worked on", async () => {
    const { actions, model, ui } = await open();
    ui.set({ label: "dog" });
    actions.find.refine("a");
    expect([model.last("refine_found").instance, ui.label]).toEqual(["a", ""]);
    model.set({
      revision: 3,
      candidates: [{ mask: "m", score: 0.9, stability: null, area: 2, crop: null }],
      chosen: 0,
    });
    await model.answer(model.last("refine_found"));
    expect([actions.find.pick(INSIDE), actions.find.refuseAt(INSIDE)]).toEqual([false, false]);
    actions.escape();
    expect([model.count("clear"), model.count("end_find")]).toEqual([1, 0]);
  });

  it("are all accepted, under the label of the examples if there are no words", async () => {
    const { actions, model } = await open([instance("a", 0.9)], { objects: [objectOf("one", { label: "leaf" })] });
    actions.find.acceptAll();
    expect(model.last("accept_found")).toMatchObject({ instances: [], label: null });
    actions.find.more("one");
    model.set({ revision: 3, search: search([instance("a", 0.9, { word: -1 })], { words: [], like: 1 }) });
    actions.find.acceptAll();
    expect(model.last("accept_found")).toMatchObject({ instances: [], label: "leaf" });
  });

  it("are drawn in one colour per word, those below the threshold first and as outlines", async () => {
    const { store, ui, display } = await open();
    const [faint, cat, cup] = instanceLooks(store, ui, display);
    expect([faint.fill, faint.line, cat.fill > 0, cup.fill > 0]).toEqual([0, 1, true, true]);
    expect(cat.color).not.toBe(cup.color);
    expect(faint.color.startsWith(cat.color)).toBe(true);
    expect(instanceNames(store, ui).map(({ label }) => label)).toEqual(["cat 0.90", "cup 0.80"]);
    ui.set({ pointed: "c" });
    const [lit] = instanceLooks(store, ui, display);
    expect([lit.fill > 0, lit.line > 1]).toEqual([true, true]);
  });

  it("are drawn in the background while another mask is being worked on", async () => {
    const { store, ui, display } = await open(THREE, {
      prompt: { points: [{ x: 1, y: 1, label: 1 }], boxes: [], strokes: [], mask: null },
    });
    const usual = await open();
    const [, behind] = instanceLooks(store, ui, display);
    const [, before] = instanceLooks(usual.store, usual.ui, usual.display);
    expect(behind.fill).toBeLessThan(before.fill);
  });
});

describe("the search", () => {
  it("ends on Escape, innermost first: a first search is stopped, then it ends", async () => {
    const under_way = { kind: "find" as const, done: 130, total: 256, found: [] };
    const { actions, model, store, ui } = await open(THREE, { everything: under_way });
    ui.set({ words: "cat", finding: true });
    expect(findMessage(store, ui.words)).toBe("Searching 128 of 256");
    actions.escape();
    expect([model.count("cancel"), model.count("end_find")]).toEqual([1, 0]);
    model.set({ revision: 3, everything: null });
    actions.escape();
    expect([model.count("end_find"), ui.words, ui.finding]).toEqual([1, "", false]);
  });

  it("is shown when another view or Python began it", async () => {
    const { actions, model } = await openDesk();
    expect(actions.find.open).toBe(false);
    model.set({ revision: 2, search: search(THREE) });
    expect(actions.find.open).toBe(true);
  });
});

describe("words together with a prompt", () => {
  const box = { x0: 1, y0: 1, x1: 3, y1: 3 };
  const point = { x: 1, y: 1, label: 1 as const };
  const prompt = { points: [], boxes: [box], strokes: [], mask: null };

  it("are offered by models that take them, where there is a prompt that does not have them", async () => {
    const { actions, model, ui } = await openDesk({ takes_words: true, prompt });
    expect(actions.find.phrase).toBeNull();
    ui.words = " red cup ";
    expect(actions.find.phrase).toBe("red cup");
    model.set({ revision: 2, takes_words: true, prompt: { ...prompt, words: "red cup" } });
    expect(actions.find.phrase).toBeNull();
    ui.words = "cup";
    expect(actions.find.phrase).toBe("cup");
    model.set({ revision: 3, takes_words: true, prompt: { ...prompt, boxes: [] } });
    expect(actions.find.phrase).toBeNull();
    model.set({ revision: 4, takes_words: false, prompt });
    expect(actions.find.phrase).toBeNull();
    const before = model.count("predict");
    actions.find.withPrompt();
    expect(model.count("predict")).toBe(before);
  });

  it("are sent with the whole prompt, instead of being searched for, and stay when a point is added", async () => {
    const { actions, model } = await openDesk({ takes_words: true, prompt });
    actions.find.type("red cup");
    actions.find.withPrompt();
    await vi.waitFor(() => expect(model.last("predict").prompt).toEqual({ ...prompt, words: "red cup" }));
    actions.find.leave();
    expect(model.count("find")).toBe(0);
    actions.prompt.point({ x: 1, y: 1 }, 1);
    await vi.waitFor(() => expect(model.last("predict").prompt).toMatchObject({ boxes: [box], words: "red cup" }));
    expect(model.last("predict").prompt).toHaveProperty("points.length", 1);
    actions.find.withoutWords();
    await vi.waitFor(() => expect(model.last("predict").prompt).toMatchObject({ boxes: [box], words: "" }));
  });

  it.each([
    [{ ...prompt }, "the box"],
    [{ ...prompt, boxes: [box, box] }, "the boxes"],
    [{ ...prompt, boxes: [], points: [point] }, "the point"],
    [{ ...prompt, boxes: [], points: [point, point] }, "the points"],
    [{ ...prompt, boxes: [], strokes: [{ vertices: [1, 1], label: 1 as const, closed: false }] }, "the stroke"],
    [{ ...prompt, points: [point] }, "the prompt"],
  ])("say what they go together with (%#)", (given, name) => {
    expect(promptName(given)).toBe(name);
  });
});
