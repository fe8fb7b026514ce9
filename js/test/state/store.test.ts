import { afterEach, describe, expect, it, vi } from "vitest";
import type { PointData, PromptData, State } from "../../src/protocol";
import { NO_PROMPT } from "../../src/state/prompt";
import { objectOf } from "../desk";
import { bytes, FakeModel, imageOf, openStore, packedMask, STATE, settled } from "../fake";

const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

const closing: AbortController[] = [];
afterEach(() => {
  for (const controller of closing.splice(0)) controller.abort();
});

/** A store whose hello has been answered, by default. */
async function open(state: unknown = STATE, { greeted = true } = {}) {
  const model = new FakeModel(state);
  const controller = new AbortController();
  closing.push(controller);
  const changed = vi.fn();
  const decode = vi.fn(async (bytes: Uint8Array, mime: string) => {
    if (mime === "image/broken") throw new Error("no such format");
    return `picture of ${bytes.length} bytes`;
  });
  const close = vi.fn();
  const { session, store } = openStore({ model, decode, close, changed, signal: controller.signal });
  if (greeted) await model.answer(model.last("hello"));
  return { model, session, store, changed, decode, close, controller };
}

const point = (x: number, label: 0 | 1 = 1): PointData => ({ x, y: 1, label });
const add = (p: PointData) => (prompt: PromptData) => ({ ...prompt, points: [...prompt.points, p] });
const candidate = (mask: string) => ({ mask, score: 0.9, stability: 0.8, area: 2, crop: null });

describe("answers and states", () => {
  it("counts an answer as arrived only with the state it led to", async () => {
    const { model, store } = await open();
    void store.edit(add(point(1)));
    await model.answer(model.last("predict"), { revision: 2 });
    expect(store.answered).toBe(1);
    expect(store.status).toBe("predicting");
    expect(store.prompt.points).toEqual([point(1)]);
    model.set({ revision: 2, prompt: { ...NO_PROMPT, points: [point(1)] } });
    await settled();
    expect(store.answered).toBe(2);
    expect(store.status).toBe("ready");
  });

  it("takes a state that comes before its answer", async () => {
    const { model, store } = await open();
    void store.edit(add(point(1)));
    model.set({ revision: 2 });
    expect(store.status).toBe("predicting");
    await model.answer(model.last("predict"), { revision: 2 });
    expect(store.answered).toBe(2);
  });

  it("is busy until the last of its requests is answered", async () => {
    const { model, store } = await open();
    void store.edit(add(point(1)));
    void store.edit(add(point(2)));
    await model.answer(model.sent[1], { outcome: "superseded" });
    expect(store.status).toBe("predicting");
    await model.answer(model.sent[2]);
    expect(store.status).toBe("ready");
  });

  it("shows the kernel's own status first", async () => {
    const { model, store } = await open({ ...STATE, status: "embedding" });
    void store.edit(add(point(1)));
    expect(store.status).toBe("embedding");
    model.set({ revision: 2, status: "error", message: "no such file" });
    expect(store.status).toBe("error");
  });

  it("starts from an empty trait", async () => {
    const { store } = await open({});
    expect(store.status).toBe("loading");
    expect(store.prompt).toEqual(NO_PROMPT);
  });
});

describe("the prompt", () => {
  it("is drawn at once and built upon before any answer", async () => {
    const { model, store } = await open();
    void store.edit(add(point(1)));
    void store.edit(add(point(2, 0)));
    expect(store.prompt.points).toEqual([point(1), point(2, 0)]);
    expect(model.last("predict").prompt).toEqual({ ...NO_PROMPT, points: [point(1), point(2, 0)] });
  });

  it("stays drawn when an older request is answered, whatever the state says", async () => {
    const { model, store } = await open();
    void store.edit(add(point(1)));
    void store.edit(add(point(2)));
    await model.answer(model.sent[1], { outcome: "superseded" });
    model.set({ revision: 2, prompt: NO_PROMPT });
    expect(store.prompt.points).toHaveLength(2);
  });

  it("falls back to the kernel's after an error, which is shown until something succeeds", async () => {
    const { model, store } = await open();
    void store.edit(add(point(1)));
    await model.answer(model.last("predict"), { outcome: "error", error: "out of memory" });
    expect(store.prompt.points).toEqual([]);
    expect(store.failure).toBe("out of memory");
    expect(store.status).toBe("ready");
    void store.edit(add(point(2)));
    await model.answer(model.last("predict"));
    expect(store.failure).toBeNull();
  });

  it("is empty at once after accept or clear, so that the next click starts from scratch", async () => {
    const { model, store } = await open({ ...STATE, prompt: { ...NO_PROMPT, points: [point(1)] } });
    void store.clear();
    void store.edit(add(point(5)));
    expect(model.last("predict").prompt).toEqual({ ...NO_PROMPT, points: [point(5)] });
    void store.accept("cat");
    expect(store.prompt.points).toEqual([]);
    expect(model.last("accept").label).toBe("cat");
  });

  it("is pending until the state has its masks, even before the answer", async () => {
    const { model, store } = await open();
    void store.edit(add(point(1)));
    expect(store.pending).toBe(true);
    model.set({ revision: 2, prompt: { ...NO_PROMPT, points: [point(1)] } });
    expect([store.pending, store.status]).toEqual([false, "predicting"]);
    await model.answer(model.last("predict"), { revision: 2 });
    expect(store.pending).toBe(false);
  });

  it("waits for undo to say what it is before the next click builds on it", async () => {
    const { model, store } = await open({ ...STATE, can_undo: true, prompt: { ...NO_PROMPT, points: [point(1)] } });
    void store.undo();
    void store.edit(add(point(9)));
    await settled();
    expect(model.count("predict")).toBe(0);
    model.set({ revision: 2, prompt: NO_PROMPT });
    await model.answer(model.last("undo"), { revision: 2 });
    expect(model.last("predict").prompt).toEqual({ ...NO_PROMPT, points: [point(9)] });
  });

  it("sends nothing for what cannot be done", async () => {
    const { model, store } = await open();
    await Promise.all([store.accept(""), store.clear(), store.undo(), store.redo(), store.choose(0)]);
    expect(model.sent.map((request) => request.type)).toEqual(["hello"]);
  });
});

describe("choosing", () => {
  const three: State = { ...STATE, candidates: ["a", "b", "c"].map(candidate), chosen: 1 };

  it("shows the choice at once, and the kernel's when it refuses", async () => {
    const { model, store } = await open(three);
    void store.choose(2);
    expect(store.chosen).toBe(2);
    await model.answer(model.last("choose"), { outcome: "error", error: "no" });
    expect(store.chosen).toBe(1);
  });

  it("forgets a choice that the new candidates do not have", async () => {
    const { model, store } = await open(three);
    void store.choose(2);
    model.set({ revision: 2, candidates: [candidate("a")], chosen: 0 });
    expect(store.chosen).toBeNull();
    await model.answer(model.last("choose"));
    expect(store.chosen).toBe(0);
  });
});

describe("mask settings", () => {
  it("are shown at once, and the kernel's when it refuses", async () => {
    const { model, store } = await open();
    void store.adjust({ holes: 5 }, "drag");
    void store.adjust({ threshold: 1 }, "drag");
    expect(store.settings).toEqual({ threshold: 1, holes: 5, islands: 0, smoothing: 0, specks: true });
    expect(model.last("adjust")).toMatchObject({ settings: store.settings, gesture: "drag" });
    await model.answer(model.sent[1], { outcome: "superseded" });
    expect(store.settings.threshold).toBe(1);
    await model.answer(model.last("adjust"), { outcome: "error", error: "no" });
    expect(store.settings).toEqual(STATE.settings);
  });
});

describe("what changes the prompt in the kernel", () => {
  it.each(["edit", "refine"] as const)("by %s holds back the next edit", async (type) => {
    const { model, store } = await open({ ...STATE, candidates: [candidate("a")], chosen: 0 });
    if (type === "edit") void store.editObject("object");
    else void store.refine();
    await settled();
    void store.edit(add(point(9)));
    await settled();
    expect(model.count("predict")).toBe(0);
    model.set({ revision: 2, prompt: { ...NO_PROMPT, points: [point(1)], mask: "m" } });
    await model.answer(model.last(type), { revision: 2 });
    expect(model.last("predict").prompt).toEqual({ ...NO_PROMPT, points: [point(1), point(9)], mask: "m" });
  });

  it("cannot be asked of a model that takes no masks, or without one", async () => {
    const { model, store } = await open();
    await store.refine();
    model.set({ revision: 2, candidates: [candidate("a")], chosen: 0, refines: false });
    await store.refine();
    expect(model.count("refine")).toBe(0);
  });
});

describe("masks", () => {
  it("are kept while the state names them, however often", async () => {
    const { model, store } = await open();
    const object = objectOf("cat", { mask: "b" });
    model.update({ candidates: [candidate("a"), candidate("b")] }, ["a", "b"]);
    model.update({ candidates: [candidate("b")] }, [], { start: 0, removed: 0, added: [object] });
    expect([store.mask("a"), store.mask("b")?.width]).toEqual([null, 4]);
    model.update({ candidates: [] });
    expect(store.mask("b")?.width).toBe(4);
    model.update({}, [], { start: 0, removed: 1, added: [] });
    expect(store.mask("b")).toBeNull();
    expect(model.count("hello")).toBe(1);
  });

  it("come with the state that names them, which the trait then repeats", async () => {
    const { model, store, changed } = await open();
    const state: State = { ...STATE, revision: 2, candidates: [candidate("a")], chosen: 0 };
    model.emit("msg:custom", { type: "whole", masks: [{ id: "a", width: 4, height: 4 }], state }, [packedMask()]);
    expect([store.chosen, store.mask("a")?.width]).toEqual([0, 4]);
    changed.mockClear();
    model.set({ ...state, revision: 2 });
    model.set({ ...state, revision: 1, candidates: [] });
    expect(changed).not.toHaveBeenCalled();
    expect(store.chosen).toBe(0);
    model.set({ ...state, revision: 3, chosen: null });
    expect(store.chosen).toBeNull();
  });

  it("that no state names are not kept", async () => {
    const { model, store } = await open();
    model.masks("nameless");
    model.set({ revision: 3, candidates: [candidate("nameless")] });
    expect(store.mask("nameless")).toBeNull();
  });

  it("asks again for a mask that the state names and it does not know, once for each state", async () => {
    const { model } = await open();
    model.set({ revision: 2, candidates: [candidate("missed")] });
    expect(model.count("hello")).toBe(2);
    model.set({ revision: 2 });
    await model.answer(model.last("hello"), { revision: 2 });
    expect(model.count("hello")).toBe(2);
    model.set({ revision: 3 });
    expect(model.count("hello")).toBe(3);
  });

  it("asks again after its first hello if the state has changed meanwhile", async () => {
    const { model } = await open(STATE, { greeted: false });
    model.set({ revision: 2, candidates: [candidate("missed")] });
    expect(model.count("hello")).toBe(1);
    await model.answer(model.last("hello"), { revision: 1 });
    expect(model.count("hello")).toBe(2);
  });

  it("says so when a mask cannot be read", async () => {
    const { model, store } = await open();
    const fields = { revision: 2, candidates: [candidate("bad")] };
    const message = { type: "update", since: 1, fields, objects: null, masks: [{ id: "bad", width: 1, height: 1 }] };
    model.emit("msg:custom", message, [new DataView(new ArrayBuffer(8), 0, 7)]);
    expect(store.failure).toContain("could not be read");
    expect(store.mask("bad")).toBeNull();
  });
});

describe("what has changed", () => {
  it("is taken over, and what stays is the same as before", async () => {
    const objects = ["a", "b", "c", "d"].map((id) => objectOf(id));
    const { model, store } = await open({ ...STATE, objects }, { greeted: false });
    model.masks(...objects.map(({ mask }) => mask));
    await model.answer(model.last("hello"));
    const [a, , , d] = store.state.objects;
    model.update({ chosen: null, message: "new" }, ["e"], {
      start: 1,
      removed: 2,
      added: [objectOf("e", { mask: "e" })],
    });
    expect(store.state.message).toBe("new");
    expect(store.state.objects.map(({ id }) => id)).toEqual(["a", "e", "d"]);
    expect([store.state.objects[0], store.state.objects[2]]).toEqual([a, d]);
    expect(store.state.objects[0]).toBe(a);
    expect([store.mask("mask of b"), store.mask("e")?.width]).toEqual([null, 4]);
    const before = store.state.objects;
    model.update({ message: "newer" });
    expect(store.state.objects).toBe(before);
    expect(model.count("hello")).toBe(1);
  });

  it("costs the same among a thousand objects: none of them is looked at", async () => {
    let looks = 0;
    const watch = (id: string) =>
      new Proxy(objectOf(id), {
        get: (target, key, receiver) => {
          looks++;
          return Reflect.get(target, key, receiver);
        },
      });
    const objects = Array.from({ length: 1000 }, (_, i) => watch(String(i)));
    const { model, store } = await open({ ...STATE, objects }, { greeted: false });
    model.masks(...Array.from({ length: 1000 }, (_, i) => `mask of ${i}`));
    await model.answer(model.last("hello"));
    looks = 0;
    model.update({ candidates: [candidate("x")], chosen: 0 }, ["x"]);
    model.update({ candidates: [] }, [], { start: 1000, removed: 0, added: [objectOf("x", { mask: "x" })] });
    expect([store.state.objects.length, store.mask("x")?.width, looks]).toEqual([1001, 4, 0]);
  });

  it("since a state that is not here is asked for as a whole, once", async () => {
    const { model, store } = await open();
    model.update({ revision: 9, message: "missed" }, [], null, 8);
    expect([store.state.revision, model.count("hello")]).toEqual([1, 2]);
    model.update({ revision: 10, message: "more" }, [], null, 9);
    expect(model.count("hello")).toBe(2);
    model.masks();
    await model.answer(model.last("hello"), { revision: 10 });
    expect([store.state.message, model.count("hello")]).toEqual(["more", 2]);
    model.update({ message: "and on" });
    expect(store.state.message).toBe("and on");
  });
});

describe("previews", () => {
  const prompt: PromptData = { ...NO_PROMPT, points: [point(1)] };
  const found = { type: "preview_mask", width: 4, height: 4, score: 0.7 };

  it("are their own answer, and show neither as work nor as an answered request", async () => {
    const { model, store, changed } = await open();
    changed.mockClear();
    const preview = store.preview(prompt);
    const { client, seq } = model.last("preview");
    expect(model.last("preview").prompt).toEqual(prompt);
    model.emit("msg:custom", { ...found, client, seq }, [packedMask(3)]);
    expect(await preview).toEqual({ mask: { width: 4, height: 4, runs: Uint32Array.of(0, 2) }, score: 0.7 });
    expect([store.status, store.answered, store.prompt.points.length]).toEqual(["ready", 1, 0]);
    expect(changed).not.toHaveBeenCalled();
  });

  it("are null when superseded, refused, unreadable or without a kernel", async () => {
    const { model, store } = await open();
    for (const outcome of ["superseded", "error"] as const) {
      const preview = store.preview(prompt);
      await model.answer(model.last("preview"), { outcome, error: "no" });
      expect(await preview).toBeNull();
    }
    const unreadable = store.preview(prompt);
    const { client, seq } = model.last("preview");
    model.emit("msg:custom", { ...found, client, seq }, [bytes([99, 99])]);
    expect(await unreadable).toBeNull();
    const lost = store.preview(prompt);
    model.emit("comm_live_update");
    expect(await lost).toBeNull();
    expect(await store.preview(prompt)).toBeNull();
    expect(model.count("preview")).toBe(4);
  });

  it("of another view are not its own", async () => {
    const { model, store } = await open();
    const preview = store.preview(prompt);
    const { seq } = model.last("preview");
    model.emit("msg:custom", { ...found, client: "another", seq }, [packedMask()]);
    await model.answer(model.last("preview"));
    expect(await preview).toBeNull();
  });
});

describe("everything", () => {
  const photo = { ...STATE, image: imageOf(4, 4) };

  it("runs while other requests are answered, and does not count as work", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { model, store } = await open(photo);
    void store.everything(16);
    void store.everything(16);
    expect([model.count("everything"), model.last("everything").points_per_side]).toEqual([1, 16]);
    vi.advanceTimersByTime(60_000);
    expect([store.searching, store.busy, store.status === "predicting"]).toEqual([true, false, false]);
    void store.edit(add(point(1)));
    await model.answer(model.last("predict"));
    expect(store.answered).toBe(model.last("predict").seq);
    model.set({
      revision: 2,
      everything: { kind: "everything" as const, done: 16, total: 256, found: [{ mask: "a", color: 0 }] },
    });
    model.masks("a");
    expect(store.mask("a")).not.toBeNull();
    model.set({ revision: 3, everything: null });
    expect(store.mask("a")).toBeNull();
    await model.answer(model.last("everything"), { revision: 3 });
    expect(store.searching).toBe(false);
    vi.useRealTimers();
  });

  it("sends only what it finds in a step and what it drops, and masks are kept as long as they are found", async () => {
    const { model, store } = await open(photo);
    const running = (done: number) => ({ kind: "everything" as const, done, total: 256, found: [] });
    const found = (...ids: string[]) => ids.map((mask, color) => ({ mask, color }));
    const shown = () => store.state.everything?.found.map(({ mask }) => mask);
    model.update({ everything: running(16) }, ["a", "b"], null, undefined, { removed: [], added: found("a", "b") });
    expect(shown()).toEqual(["a", "b"]);
    model.update({ everything: running(32) });
    expect(shown()).toEqual(["a", "b"]);
    model.update({ everything: running(48) }, ["c"], null, undefined, { removed: ["a"], added: found("c") });
    expect(shown()).toEqual(["b", "c"]);
    expect(["a", "b", "c"].map((id) => store.mask(id) !== null)).toEqual([false, true, true]);
    const { everything } = store.state;
    model.update({ message: "busy" });
    expect(store.state.everything).toBe(everything);
    model.update({ everything: null });
    expect(store.mask("b")).toBeNull();
    model.update({ everything: running(16) }, ["d"], null, undefined, { removed: [], added: found("d") });
    expect(shown()).toEqual(["d"]);
  });

  it("is stopped by a request of its own, and says what went wrong", async () => {
    const { model, store } = await open(photo);
    void store.everything(32);
    void store.cancel();
    await model.answer(model.last("cancel"));
    expect(store.searching).toBe(true);
    await model.answer(model.last("everything"), { outcome: "error", error: "too little memory" });
    expect([store.searching, store.failure]).toEqual([false, "too little memory"]);
  });

  it("is not asked for without a photo, or of a page that was saved", async () => {
    const { model, store } = await open();
    void store.everything(32);
    expect(model.count("everything")).toBe(0);
  });
});

describe("export", () => {
  const file = (request: { client: string; seq: number }, client = request.client) => ({
    type: "file",
    client,
    seq: request.seq,
    name: "cat.json",
    mime: "application/json",
  });

  it("gives the bytes that come before the answer", async () => {
    const { model, store } = await open();
    const exported = store.export("coco");
    const request = model.last("export");
    model.emit("msg:custom", file(request, "another view"), [bytes([9])]);
    model.emit("msg:custom", file(request), [bytes([1, 2, 3], 5)]);
    await model.answer(request);
    expect(await exported).toEqual({
      name: "cat.json",
      mime: "application/json",
      bytes: Uint8Array.from([1, 2, 3]),
    });
  });

  it("gives nothing where the kernel refuses, and says why", async () => {
    const { model, store } = await open();
    const exported = store.export("pandas");
    await model.answer(model.last("export"), { outcome: "error", error: "pandas is not installed" });
    expect(await exported).toBeNull();
    expect(store.failure).toBe("pandas is not installed");
  });
});

describe("the photo", () => {
  const named: State = { ...STATE, image: imageOf(40, 30) };

  async function give(model: FakeModel, mime = "image/png") {
    const { client, seq } = model.last("tile");
    model.emit("msg:custom", { type: "tile_picture", client, seq, mime }, [new DataView(new ArrayBuffer(9), 2, 5)]);
    await model.answer(model.last("tile"));
  }

  it("is loading until the whole of it is there, and asked for once", async () => {
    const { model, store, decode, close, controller } = await open(named);
    expect(store.status).toBe("loading");
    await give(model);
    expect(store.tiles.whole?.bitmap).toBe("picture of 5 bytes");
    expect(store.status).toBe("ready");
    model.set({ revision: 2 });
    expect(model.count("tile")).toBe(1);
    expect(decode).toHaveBeenCalledOnce();
    controller.abort();
    expect(close).toHaveBeenCalledExactlyOnceWith("picture of 5 bytes");
  });

  it("is asked for again when the state names another", async () => {
    const { model, store, close } = await open(named);
    await give(model);
    model.set({ revision: 2, image: imageOf(4, 3, 1, "dog") });
    expect(model.count("tile")).toBe(2);
    expect(close).toHaveBeenCalledOnce();
    expect(store.status).toBe("loading");
  });

  it("is an error when it cannot be decoded, and not asked for over and over", async () => {
    const { model, store } = await open(named);
    await give(model, "image/broken");
    expect(store.failure).toContain("no such format");
    expect(store.status).toBe("error");
    expect(model.count("tile")).toBe(1);
  });

  it("is an error when the kernel refuses it, in the kernel's words", async () => {
    const { model, store } = await open(named);
    await model.answer(model.last("tile"), { outcome: "error", error: "no such level" });
    expect(store.failure).toBe("no such level");
  });

  it("is asked for again when a kernel that was gone is back", async () => {
    const { model, store } = await open(named);
    model.emit("comm_live_update");
    await settled();
    expect(store.status).toBe("error");
    expect(model.count("tile")).toBe(1);
    model.set({ revision: 2 });
    expect(model.count("tile")).toBe(2);
    await give(model);
    expect(store.status).toBe("ready");
  });
});

describe("a kernel that goes away", () => {
  it("ends what waits, with an error", async () => {
    const { model, store } = await open();
    void store.edit(add(point(1)));
    await model.answer(model.last("predict"), { revision: 7 });
    model.emit("comm_live_update");
    await settled();
    expect(store.status).toBe("error");
    expect(store.failure).toContain("Run the cell again");
    expect(store.prompt.points).toEqual([]);
    void store.edit(add(point(2)));
    expect(store.prompt.points).toEqual([]);
    expect(model.count("predict")).toBe(1);
  });

  it("is there again as soon as it speaks", async () => {
    const { model, store } = await open();
    model.emit("comm_live_update");
    model.set({ revision: 2 });
    expect(store.status).toBe("ready");
    expect(store.failure).toBeNull();
  });

  it("is told from one that is silent from the start", async () => {
    vi.useFakeTimers();
    try {
      const { store } = await open(STATE, { greeted: false });
      expect(store.unanswered).toBe(false);
      vi.advanceTimersByTime(10_000);
      expect(store.unanswered).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("a kernel busy with a cell", () => {
  it("is told after a while, and until it answers", async () => {
    const { model, store } = await open();
    vi.useFakeTimers();
    try {
      void store.edit(add(point(1)));
      vi.advanceTimersByTime(2000);
      expect(store.busy).toBe(false);
      vi.advanceTimersByTime(200);
      expect(store.busy).toBe(true);
      void store.edit(add(point(2)));
      expect(store.prompt.points).toEqual([point(1), point(2)]);
      vi.useRealTimers();
      await model.answer(model.sent[1], { outcome: "superseded" });
      expect([store.busy, store.status]).toEqual([false, "predicting"]);
      await model.answer(model.sent[2]);
      expect(store.status).toBe("ready");
    } finally {
      vi.useRealTimers();
    }
  });

  it("is not reported while it embeds, or without a request", async () => {
    const { model, store } = await open();
    vi.useFakeTimers();
    try {
      vi.advanceTimersByTime(60_000);
      expect(store.busy).toBe(false);
      void store.edit(add(point(1)));
      model.set({ revision: 2, status: "embedding" });
      vi.advanceTimersByTime(60_000);
      expect(store.busy).toBe(false);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("a saved page", () => {
  const saved = {
    mime: "image/png",
    picture: btoa("photo"),
    masks: [{ id: "a", width: 4, height: 4, runs: btoa(String.fromCharCode(...bytesOf(packedMask()))) }],
  };

  it("shows photo and masks, and sends nothing", async () => {
    const state = { ...STATE, image: imageOf(4, 4), candidates: [candidate("a")], chosen: 0, can_undo: true };
    const model = new FakeModel({ ...state, status: "embedding" });
    model.saved = saved;
    const controller = new AbortController();
    closing.push(controller);
    const decode = vi.fn(async (bytes: Uint8Array) => `${bytes.length} bytes`);
    const options = { decode, close: vi.fn(), changed: vi.fn(), signal: controller.signal };
    const { store } = openStore({ model, ...options });
    await settled();
    expect([store.saved, store.status, store.tiles.whole?.bitmap]).toEqual([true, "ready", "5 bytes"]);
    expect(store.state.status).toBe("ready"); // Nothing is embedded there.
    expect([...(store.mask("a")?.runs ?? [])]).toEqual([0, 2]);
    expect([store.canAccept, store.canClear, store.state.can_undo]).toEqual([false, false, false]);
    await store.edit(add(point(1)));
    await store.undo();
    expect(await store.preview(NO_PROMPT)).toBeNull();
    expect(store.prompt.points).toEqual([]);
    expect(model.sent).toEqual([]);
  });
});

it("stops listening when the view closes", async () => {
  const { model, controller } = await open();
  controller.abort();
  expect(model.listening).toBe(0);
});
