import { describe, expect, it } from "vitest";
import {
  allHandles,
  type Handle,
  handleAt,
  handleName,
  hasHandle,
  moved,
  placeOf,
  removed,
} from "../../src/geometry/handles";
import type { PromptData } from "../../src/protocol";
import { isEmpty, NO_PROMPT } from "../../src/state/prompt";

const IMAGE = { width: 100, height: 80 };
const PROMPT: PromptData = {
  points: [
    { x: 10, y: 10, label: 1 },
    { x: 30, y: 30, label: 0 },
  ],
  boxes: [{ x0: 20, y0: 20, x1: 60, y1: 50 }],
  strokes: [{ vertices: [70, 70, 90, 70, 90, 75], label: 1, closed: true }],
  mask: "mask",
};

describe("words", () => {
  it("stay when the last part that was drawn is removed, and are a prompt by themselves", () => {
    const prompt = { ...NO_PROMPT, points: [{ x: 1, y: 2, label: 1 as const }], words: "red cup" };
    const rest = removed(prompt, { kind: "point", index: 0 });
    expect(rest).toEqual({ ...NO_PROMPT, words: "red cup" });
    expect([isEmpty(rest), isEmpty(NO_PROMPT)]).toEqual([false, true]);
  });
});

describe("a handle", () => {
  it.each<[string, number, number, Handle | null]>([
    ["a point", 12, 10, { kind: "point", index: 0 }],
    ["a corner", 61, 49, { kind: "corner", index: 0, corner: 2 }],
    ["an edge", 40, 21, { kind: "box", index: 0 }],
    ["a stroke", 80, 71, { kind: "stroke", index: 0 }],
    ["the closing side of a lasso", 80, 72.6, { kind: "stroke", index: 0 }],
    ["nothing inside a box", 45, 35, null],
    ["nothing", 5, 70, null],
  ])("is found near %s", (_, x, y, expected) => {
    expect(handleAt(PROMPT, { x, y }, 4)).toEqual(expected);
  });

  it("of what was drawn last comes first", () => {
    const twice = { ...NO_PROMPT, points: [PROMPT.points[0], { ...PROMPT.points[0], label: 0 as const }] };
    expect(handleAt(twice, { x: 10, y: 10 }, 3)).toEqual({ kind: "point", index: 1 });
  });

  it("is one of all, each with a place and a name", () => {
    const all = allHandles(PROMPT);
    expect(all).toHaveLength(2 + 5 + 1);
    expect(new Set(all.map((handle) => handleName(PROMPT, handle))).size).toBe(8);
    for (const handle of all) {
      expect(hasHandle(PROMPT, handle)).toBe(true);
      expect(hasHandle(NO_PROMPT, handle)).toBe(false);
      expect(Number.isFinite(placeOf(PROMPT, handle).x)).toBe(true);
    }
    expect(handleName(PROMPT, all[1])).toBe("Background point 2 at 30, 30");
    expect(handleName(PROMPT, all[4])).toBe("Bottom right corner of box 1 at 60, 50");
    expect(handleName(PROMPT, all[7])).toBe("Lasso 1 at 70, 70");
  });
});

describe("moving", () => {
  it("a point keeps its label and stops at the edge", () => {
    const { points } = moved(PROMPT, { kind: "point", index: 1 }, { x: -50, y: 7 }, IMAGE);
    expect(points).toEqual([PROMPT.points[0], { x: 0, y: 37, label: 0 }]);
    expect(PROMPT.points[1].x).toBe(30);
  });

  it("a corner leaves the opposite one, and may pass it", () => {
    const corner: Handle = { kind: "corner", index: 0, corner: 0 };
    expect(moved(PROMPT, corner, { x: -5, y: 5 }, IMAGE).boxes).toEqual([{ x0: 15, y0: 25, x1: 60, y1: 50 }]);
    expect(moved(PROMPT, corner, { x: 60, y: 5 }, IMAGE).boxes).toEqual([{ x0: 60, y0: 25, x1: 80, y1: 50 }]);
    expect(moved(PROMPT, corner, { x: 40, y: 30 }, IMAGE)).toBe(PROMPT);
  });

  it("a box or a stroke keeps its size at the edge", () => {
    const [box] = moved(PROMPT, { kind: "box", index: 0 }, { x: 500, y: -3 }, IMAGE).boxes;
    expect(box).toEqual({ x0: 60, y0: 17, x1: 100, y1: 47 });
    const [stroke] = moved(PROMPT, { kind: "stroke", index: 0 }, { x: -10, y: 20 }, IMAGE).strokes;
    expect(stroke).toEqual({ vertices: [60, 75, 80, 75, 80, 80], label: 1, closed: true });
  });
});

describe("removing", () => {
  it("takes what the handle is of", () => {
    expect(removed(PROMPT, { kind: "point", index: 0 }).points).toEqual([PROMPT.points[1]]);
    expect(removed(PROMPT, { kind: "corner", index: 0, corner: 3 }).boxes).toEqual([]);
    expect(removed(PROMPT, { kind: "box", index: 0 }).boxes).toEqual([]);
    expect(removed(PROMPT, { kind: "stroke", index: 0 })).toEqual({ ...PROMPT, strokes: [] });
  });

  it("takes the mask prompt with the last thing drawn", () => {
    const one = { ...NO_PROMPT, points: [PROMPT.points[0]], mask: "mask" };
    expect(removed(one, { kind: "point", index: 0 })).toEqual(NO_PROMPT);
  });
});
