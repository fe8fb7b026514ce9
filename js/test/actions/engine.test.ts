import { describe, expect, it } from "vitest";
import type { EngineData } from "../../src/protocol";
import { objectOf, openDesk } from "../desk";

/** A desk of a data engine in this stage. */
async function openEngine(stage: number) {
  const desk = await openDesk({ objects: [objectOf("small"), objectOf("large", { area: 9 })] });
  desk.engine.data = { stage, stages: [], check: null } as unknown as EngineData;
  for (const id of ["mask of small", "mask of large"]) desk.model.masks(id);
  return desk;
}

const types = (sent: readonly { type: string }[]): string[] =>
  sent.map(({ type }) => type).filter((type) => type !== "hello" && type !== "tile");

describe("key X", () => {
  it("removes the smallest object under the pointer, else the one that is picked", async () => {
    const { model, ui, actions } = await openEngine(2);
    ui.set({ pointer: { x: 0.5, y: 0.5 }, marked: ["large"] });
    actions.cross();
    expect(model.last("remove").objects).toEqual(["small"]);
    ui.set({ pointer: { x: 399, y: 299 } });
    actions.cross();
    expect(model.last("remove").objects).toEqual(["large"]);
    expect(ui.marked).toEqual([]);
  });

  it("switches between adding and removing in stage 1, and with a brush", async () => {
    const first = await openEngine(1);
    first.actions.cross();
    expect(first.ui.erase).toBe(true);
    const second = await openEngine(2);
    second.ui.set({ tool: "brush", pointer: { x: 0.5, y: 0.5 } });
    second.actions.cross();
    expect(second.ui.erase).toBe(true);
    expect(types(second.model.sent)).toEqual([]);
  });
});
