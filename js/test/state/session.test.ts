import { afterEach, describe, expect, it, vi } from "vitest";
import { RemoteSession } from "../../src/state/session";
import { Store } from "../../src/state/store";
import { FakeModel, imageOf, STATE, settled } from "../fake";

const unpackMask = vi.hoisted(() => vi.fn());
vi.mock("../../src/kernel/maskcodec", async (original) => {
  const module = await original<typeof import("../../src/kernel/maskcodec")>();
  return { ...module, unpackMask: unpackMask.mockImplementation(module.unpackMask) };
});

afterEach(() => unpackMask.mockClear());

/** A widget of which several views can be opened. */
function open(state: unknown = STATE) {
  const model = new FakeModel(state);
  const closing = new AbortController();
  const decode = vi.fn(async (bytes: Uint8Array) => ({ size: bytes.length }));
  const close = vi.fn();
  const session = new RemoteSession({ model, decode, close, signal: closing.signal });
  const view = () => {
    const closed = new AbortController();
    const changed = vi.fn();
    return { store: new Store(session, changed, closed.signal), changed, close: () => closed.abort() };
  };
  return { model, session, view, decode, close, closing };
}

async function giveTile(model: FakeModel) {
  const { client, seq } = model.last("tile");
  model.emit("msg:custom", { type: "tile_picture", client, seq, mime: "image/png" }, [new Uint8Array(7)]);
  await model.answer(model.last("tile"));
}

const candidate = (mask: string) => ({ mask, score: 0.9, stability: 0.8, area: 2, crop: null });

describe("two views of a widget", () => {
  it("decode a mask once, also if one opens later", async () => {
    const { model, view } = open();
    const first = view();
    await model.answer(model.last("hello"));
    model.update({ candidates: [candidate("a")], chosen: 0 }, ["a"]);
    const second = view();
    await settled();
    expect(first.store.mask("a")).not.toBeNull();
    expect(second.store.mask("a")).toBe(first.store.mask("a"));
    expect(unpackMask).toHaveBeenCalledOnce();
    expect(model.count("hello")).toBe(1);
  });

  it("fetch and decode a tile once, and close it with the last of them", async () => {
    const { model, view, decode, close } = open({ ...STATE, image: imageOf(40, 30) });
    const [first, second] = [view(), view()];
    expect(model.count("tile")).toBe(1);
    await giveTile(model);
    const third = view();
    await settled();
    expect(model.count("tile")).toBe(1);
    expect(decode).toHaveBeenCalledOnce();
    const bitmaps = [first, second, third].map(({ store }) => store.tiles.whole?.bitmap);
    expect(bitmaps).toEqual([{ size: 7 }, { size: 7 }, { size: 7 }]);
    first.close();
    second.close();
    expect(close).not.toHaveBeenCalled();
    third.close();
    expect(close).toHaveBeenCalledOnce();
  });

  it("ask again for a tile that could not be had", async () => {
    const { model, view } = open({ ...STATE, image: imageOf(40, 30) });
    view();
    await model.answer(model.last("tile"), { outcome: "error", error: "no such level" });
    const second = view();
    expect(model.count("tile")).toBe(2);
    await giveTile(model);
    expect(second.store.tiles.ready).toBe(true);
  });

  it("are told about every change until they close", async () => {
    const { model, view } = open();
    const [first, second] = [view(), view()];
    first.close();
    first.changed.mockClear();
    model.set({ revision: 2 });
    expect(second.changed).toHaveBeenCalled();
    expect(first.changed).not.toHaveBeenCalled();
  });

  it("draft and fail each on their own", async () => {
    const { model, view } = open();
    const [first, second] = [view(), view()];
    await model.answer(model.last("hello"));
    void first.store.edit((prompt) => ({ ...prompt, points: [{ x: 1, y: 1, label: 1 }] }));
    expect([first.store.status, second.store.status]).toEqual(["predicting", "ready"]);
    expect(second.store.prompt.points).toEqual([]);
    await model.answer(model.last("predict"), { outcome: "error", error: "out of memory" });
    expect([first.store.failure, second.store.failure]).toEqual(["out of memory", null]);
  });
});

describe("a model that is destroyed", () => {
  it("ends what waits, and leaves its views what they show", async () => {
    const { model, view, close, closing, session } = open({ ...STATE, image: imageOf(40, 30) });
    const { store } = view();
    await giveTile(model);
    void store.edit((prompt) => ({ ...prompt, points: [{ x: 1, y: 1, label: 1 }] }));
    closing.abort();
    await settled();
    expect(model.listening).toBe(0);
    expect([session.lost, store.status, store.prompt.points.length]).toEqual([true, "error", 0]);
    expect(store.failure).toContain("Run the cell again");
    expect(close).not.toHaveBeenCalled();
  });
});
