import { describe, expect, it } from "vitest";
import { candidateLooks, ObjectLooks, objectLooks } from "../../src/view/masks";
import { objectOf, openDesk } from "../desk";

const candidate = { mask: "m", score: 0.9, stability: 0.8, area: 2, crop: null };

async function open() {
  const objects = [objectOf("small", { area: 2, color: 1 }), objectOf("large", { area: 900, color: 2 })];
  const desk = await openDesk({ objects, candidates: [candidate], chosen: 0 });
  desk.model.masks("mask of small", "mask of large", "m");
  const { store, ui, display } = desk;
  return { ...desk, all: () => [...objectLooks(store, ui, display), ...candidateLooks(store, ui, display, null)] };
}

describe("the masks to draw", () => {
  it("begin with the largest, so that a small one is never covered, and end with the candidate", async () => {
    const { all, store } = await open();
    const masks = ["mask of large", "mask of small", "m"].map((id) => store.mask(id));
    expect(all().map(({ mask }) => mask)).toEqual(masks);
    expect(all().map(({ mask }, i) => mask === masks[i])).toEqual([true, true, true]);
  });

  it("are quieter than the candidate, with thin lines in one tone", async () => {
    const { all } = await open();
    const [large, small, chosen] = all();
    for (const { fill, line, plain } of [large, small])
      expect([fill < chosen.fill, line < chosen.line, plain]).toEqual([true, true, true]);
    expect(chosen.plain).toBeFalsy();
  });

  it("leave the one under the pointer alone, also among those that are picked", async () => {
    const { all, ui } = await open();
    const usual = all()[0].fill;
    ui.set({ highlight: "small", marked: ["large"] });
    const [large, small] = all();
    expect(small.fill).toBeGreaterThan(usual);
    expect(small.plain).toBe(false);
    expect(large.fill).toBeLessThan(usual / 2);
    expect(large.line).toBe(0);
  });

  it("are made again only when something that they show has changed", async () => {
    const { model, store, ui, display } = await open();
    const looks = new ObjectLooks();
    const first = looks.of(store, ui, display);
    model.update({ candidates: [], chosen: null });
    expect(looks.of(store, ui, display)).toBe(first);
    ui.set({ highlight: "small" });
    const lit = looks.of(store, ui, display);
    expect(lit).not.toBe(first);
    model.update({}, ["new"], { start: 2, removed: 0, added: [objectOf("new", { mask: "new" })] });
    expect(looks.of(store, ui, display).length).toBe(3);
  });

  it("are made again when a mask that was missing has arrived", async () => {
    const { model, store, ui, display } = await openDesk({ objects: [objectOf("late")] });
    const looks = new ObjectLooks();
    expect(looks.of(store, ui, display)).toEqual([]);
    model.masks("mask of late");
    expect(looks.of(store, ui, display).length).toBe(1);
  });
});
