import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { EngineData } from "../../src/protocol";
import { Engine, PATIENCE } from "../../src/state/engine";

const DATA: EngineData = {
  stage: 1,
  stages: [
    { name: "Assisted-manual", hindrance: "" },
    { name: "Semi-automatic", hindrance: "Mark 3 more photos as done first." },
    { name: "Fully automatic", hindrance: "Mark 3 more photos as done first." },
  ],
  photos: 5,
  done: 0,
  advice: "Click on an object.",
  buttons: ["done"],
  seconds: [],
  clicks: [],
  rounds: [],
  expected: null,
  accepted: null,
  filled: [],
  job: null,
  error: "",
  check: null,
  current: null,
};

class Traits {
  panel: Partial<EngineData> = {};
  listener = (): void => {};
  get(): unknown {
    return this.panel;
  }
  on(_event: string, callback: () => void): void {
    this.listener = callback;
  }
  off(): void {
    this.listener = () => {};
  }
  set(panel: Partial<EngineData>): void {
    this.panel = { ...DATA, ...panel };
    this.listener();
  }
}

function open() {
  const traits = new Traits();
  const changed = vi.fn();
  const closing = new AbortController();
  const engine = new Engine(traits, changed, closing.signal, () => Date.now());
  return { traits, changed, closing, engine };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("a data engine", () => {
  it("is closed for other widgets, and follows its trait", () => {
    const { traits, changed, engine } = open();
    expect([engine.open, engine.advice(true), engine.filled]).toEqual([false, "", []]);
    traits.set({ done: 2 });
    expect(engine.open).toBe(true);
    expect(engine.advice(false)).toBe("Click on an object.");
    expect(changed).toHaveBeenCalledTimes(2);
  });

  it("says to move on after 30 seconds on one mask, while one is worked on", () => {
    const { traits, changed, engine } = open();
    traits.set({ current: 12 });
    const before = changed.mock.calls.length;
    vi.advanceTimersByTime(1000 * (PATIENCE - 12) - 1);
    expect(engine.advice(true)).toBe("Click on an object.");
    vi.advanceTimersByTime(1);
    expect(changed).toHaveBeenCalledTimes(before + 1);
    expect(engine.advice(true)).toMatch(/^30 seconds on this mask: accept it as it is, or skip it \(Esc\)/);
    expect(engine.advice(false)).toBe("Click on an object.");
    traits.set({ current: 0 });
    expect(engine.advice(true)).toBe("Click on an object.");
    traits.set({ current: 90, stage: 3 });
    expect(engine.advice(true)).toBe("Click on an object.");
  });

  it("keeps the list of filled-in objects until it changes, so that nothing is drawn again", () => {
    const { traits, engine } = open();
    traits.set({ filled: ["a", "b"] });
    const { filled } = engine;
    traits.set({ filled: ["a", "b"], advice: "Continue." });
    expect(engine.filled).toBe(filled);
    traits.set({ filled: ["b"] });
    expect(engine.filled).toEqual(["b"]);
  });

  it("names the object to check in its own image alone, and stops with its model", () => {
    const { traits, changed, closing, engine } = open();
    traits.set({ check: { done: 0, wanted: 2, sentence: "", image: 3, object: "x" }, current: 1 });
    expect([engine.checked(3), engine.checked(2)]).toEqual(["x", null]);
    const before = changed.mock.calls.length;
    closing.abort();
    vi.advanceTimersByTime(60_000);
    expect(changed).toHaveBeenCalledTimes(before);
  });
});
