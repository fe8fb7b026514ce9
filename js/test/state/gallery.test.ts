import { afterEach, describe, expect, it, vi } from "vitest";
import { findShortcut } from "../../src/input/keyboard";
import { Gallery } from "../../src/state/gallery";
import { NO_PROMPT } from "../../src/state/prompt";
import type { Store } from "../../src/state/store";
import { FakeModel, openStore, settled } from "../fake";

const closing = new AbortController();
afterEach(() => closing.abort());

class Traits {
  readonly listeners = new Map<string, () => void>();
  values: Record<string, unknown> = {};
  get(key: string): unknown {
    return this.values[key];
  }
  on(event: string, callback: () => void): void {
    this.listeners.set(event, callback);
  }
  off(event: string): void {
    this.listeners.delete(event);
  }
}

describe("a gallery", () => {
  it("is closed for a widget of one image", () => {
    const gallery = new Gallery(new Traits(), vi.fn(), new AbortController().signal);
    expect(gallery.open).toBe(false);
  });

  it("follows its traits, and tells how far an image is", () => {
    const traits = new Traits();
    const changed = vi.fn();
    const controller = new AbortController();
    const gallery = new Gallery(traits, changed, controller.signal);
    traits.values = {
      gallery: { names: ["a.jpg", "b.jpg", "c.jpg"] },
      place: { index: 1, objects: [2, 1, 0], done: [0], failed: [2] },
    };
    traits.listeners.get("change:gallery")?.();
    expect(changed).toHaveBeenCalledTimes(2);
    expect(gallery.open).toBe(true);
    expect([0, 1, 2].map((n) => gallery.describe(n))).toEqual([
      "a.jpg, 2 objects, done",
      "b.jpg, 1 object",
      "c.jpg, cannot be opened",
    ]);
    controller.abort();
    expect(traits.listeners.size).toBe(0);
  });

  it("has keys of its own, which mean nothing elsewhere", () => {
    for (const key of [".", ",", "c", "o", "PageDown", "PageUp"]) {
      const event = { key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false };
      expect(findShortcut(event, true, true)?.gallery).toBe(true);
      expect(findShortcut(event, true, false)).toBeUndefined();
    }
  });
});

describe("on the way to another image", () => {
  async function open() {
    const model = new FakeModel();
    const options = { decode: vi.fn(), close: vi.fn(), changed: vi.fn(), signal: new AbortController().signal };
    const { store } = openStore<unknown>({ model, ...options });
    await model.answer(model.last("hello"));
    return { model, store };
  }
  const click = (store: Store<unknown>) =>
    store.edit(() => ({ ...NO_PROMPT, points: [{ x: 1, y: 1, label: 1 as const }] }));

  it("does nothing to the one that is left", async () => {
    const { model, store } = await open();
    void store.show(3);
    await settled();
    expect(store.index(0)).toBe(3);
    void click(store);
    void store.accept("late");
    void store.mark(true);
    expect(await store.preview(NO_PROMPT)).toBeNull();
    expect(model.sent.map((item) => item.type)).toEqual(["hello", "show"]);
    await model.answer(model.last("show"));
    expect(store.index(3)).toBe(3);
    void click(store);
    await settled();
    expect(model.count("predict")).toBe(1);
  });

  it("goes to the one asked for last", async () => {
    const { model, store } = await open();
    void store.show(1);
    void store.show(2);
    await settled();
    expect(store.index(0)).toBe(2);
    await model.answer(model.sent[1], { outcome: "superseded" });
    expect(store.index(0)).toBe(2);
    await model.answer(model.sent[2]);
    expect(store.index(2)).toBe(2);
  });
});

describe("the search in all images", () => {
  const open = (searched: unknown) => {
    const traits = new Traits();
    traits.values = { gallery: { names: ["a.jpg", "b.jpg"] }, searched };
    return new Gallery(traits, vi.fn(), new AbortController().signal);
  };

  it("tells how far it is, and then what was found", () => {
    const searched = { text: "cat", done: 1, total: 2, message: "", hits: [] };
    const running = open(searched);
    expect(running.searching).toBe(true);
    expect(running.searchMessage).toBe("Searching 1 of 2 images: cat");
    const over = open({ ...searched, done: 2, message: "3 found in 1 of 2 images." });
    expect(over.searching).toBe(false);
    expect(over.searchMessage).toBe("cat: 3 found in 1 of 2 images.");
  });

  it("is not there before, after, and in older kernels", () => {
    for (const nothing of [undefined, {}, null, { hits: 3 }]) {
      expect(open(nothing).searched).toBeNull();
      expect(open(nothing).searching).toBe(false);
    }
  });
});
