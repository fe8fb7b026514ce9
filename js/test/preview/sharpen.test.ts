import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { gain, REST, Sharpener, type Situation, suits } from "../../src/preview/sharpen";
import type { BoxData } from "../../src/protocol";

const IMAGE = { width: 4000, height: 3000 };
const box = (x0: number, y0: number, side: number): BoxData => ({ x0, y0, x1: x0 + side, y1: y0 + side });

describe("what is worth an embedding", () => {
  it("is seen finer than the photo, margin and all", () => {
    expect(gain({ x0: 0, y0: 0, x1: 4000, y1: 3000 }, IMAGE)).toBeLessThan(1);
    expect(gain(box(100, 100, 2000), IMAGE)).toBeCloseTo(4000 / 3000);
    expect(gain(box(100, 100, 100), IMAGE)).toBeGreaterThan(20);
  });

  it("is not embedded again where a part shows all of it about as finely", () => {
    const crop = box(1000, 1000, 600);
    expect(suits(crop, box(1100, 1100, 400))).toBe(true);
    expect(suits(crop, box(1300, 1100, 400))).toBe(false);
    expect(suits(crop, box(1100, 1100, 100))).toBe(false);
    expect(suits(null, box(1100, 1100, 400))).toBe(false);
  });
});

describe("sharpening by itself", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function open() {
    const asked: BoxData[] = [];
    const answers: (() => void)[] = [];
    const closing = new AbortController();
    const ask = (region: BoxData): Promise<void> => {
      asked.push(region);
      return new Promise((resolve) => answers.push(resolve));
    };
    const sharpener = new Sharpener(ask, closing.signal);
    let now: Situation = { on: true, ready: true, image: IMAGE, seen: box(1000, 1000, 400), crop: null };
    const follow = (values: Partial<Situation> = {}): void => {
      now = { ...now, ...values };
      sharpener.follow(now);
    };
    return { asked, answers, closing, follow };
  }

  it("waits until the view rests", async () => {
    const { asked, follow } = open();
    for (let x = 0; x < 50; x++) {
      follow({ seen: box(x, 0, 400) });
      await vi.advanceTimersByTimeAsync(REST - 1);
    }
    expect(asked).toEqual([]);
    follow();
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toEqual([box(49, 0, 400)]);
  });

  it("asks for nothing that would hardly be finer, nor while it is off, nor after the view has closed", async () => {
    const { asked, follow, closing } = open();
    for (const values of [{ seen: box(0, 0, 1900) }, { seen: box(0, 0, 400), on: false }, { on: true, ready: false }]) {
      follow(values);
      await vi.advanceTimersByTimeAsync(2 * REST);
    }
    follow({ ready: true });
    closing.abort();
    await vi.advanceTimersByTimeAsync(2 * REST);
    expect(asked).toEqual([]);
  });

  it("has one request under way, and after it asks for where the view came to rest meanwhile", async () => {
    const { asked, answers, follow } = open();
    follow();
    await vi.advanceTimersByTimeAsync(REST);
    for (const x of [2000, 3000]) {
      follow({ seen: box(x, 0, 400) });
      await vi.advanceTimersByTimeAsync(REST);
    }
    expect(asked).toHaveLength(1);
    answers.shift()?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toEqual([box(1000, 1000, 400), box(3000, 0, 400)]);
  });

  it("does not ask twice for what came out no better", async () => {
    const { asked, answers, follow } = open();
    follow({ seen: box(1000, 1000, 40) });
    await vi.advanceTimersByTimeAsync(REST);
    answers.shift()?.();
    follow({ crop: box(900, 900, 192) });
    await vi.advanceTimersByTimeAsync(REST);
    answers.shift()?.();
    follow({ ready: false });
    follow({ ready: true });
    await vi.advanceTimersByTimeAsync(REST);
    expect(asked).toHaveLength(2);
  });
});
