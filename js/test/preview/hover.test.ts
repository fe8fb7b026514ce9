import { describe, expect, it } from "vitest";
import { asksAtPress, Hover, onByDefault, type Situation } from "../../src/preview/hover";
import type { PointData, PromptData } from "../../src/protocol";
import { NO_PROMPT } from "../../src/state/prompt";
import type { Preview } from "../../src/state/store";
import { settled } from "../fake";

const at = (x: number, label: 0 | 1 = 1): PointData => ({ x, y: 10, label });
const preview = (score: number): Preview => ({ mask: { width: 4, height: 4, runs: Uint32Array.of(0, 2) }, score });
const OPEN: Situation = { prompt: NO_PROMPT, active: true, ready: true, pending: false, source: "" };
const clicked: PromptData = { ...NO_PROMPT, points: [at(50)] };

/** A hover whose kernel is the test: `asked` are the requests, `answer` answers the oldest that is open. */
function open(situation: Partial<Situation> = {}, later?: (go: () => void) => void) {
  const asked: PromptData[] = [];
  const waiting: ((preview: Preview | null) => void)[] = [];
  let changes = 0;
  const drawn: string[] = [];
  const hover = new Hover(
    (prompt) => {
      asked.push(prompt);
      return new Promise((resolve) => waiting.push(resolve));
    },
    (layer) => {
      changes++;
      drawn.push(layer);
    },
    later,
  );
  const follow = (values: Partial<Situation> = {}) => hover.follow({ ...OPEN, ...situation, ...values });
  follow();
  return {
    hover,
    asked,
    follow,
    changes: () => changes,
    /** What had to be drawn since this was asked last. */
    drawn: () => drawn.splice(0),
    open: () => waiting.length,
    async answer(score: number | null) {
      const resolve = waiting.shift();
      if (!resolve) throw new Error("nothing was asked");
      resolve(score === null ? null : preview(score));
      await settled();
    },
  };
}

describe("asking", () => {
  it("asks for the present prompt and the point under the pointer", () => {
    const { hover, asked } = open({ prompt: clicked });
    hover.move(at(7, 0), 1);
    expect(asked).toEqual([{ ...NO_PROMPT, points: [at(50), at(7, 0)] }]);
  });

  it("has at most one request under way, and after it asks for where the pointer is by then", async () => {
    const { hover, asked, answer, open: underWay } = open();
    for (let x = 0; x <= 6000; x++) hover.move(at(x), 1);
    expect(underWay()).toBe(1);
    await answer(0.1);
    expect(underWay()).toBe(1);
    expect(asked.map(({ points }) => points[0].x)).toEqual([0, 6000]);
    await answer(0.2);
    expect(underWay()).toBe(0);
    expect(hover.shown?.score).toBe(0.2);
  });

  it("waits until it is time, and then asks for where the pointer is by then", async () => {
    const due: (() => void)[] = [];
    const { hover, asked, answer } = open({}, (go) => due.push(go));
    hover.move(at(1), 1);
    hover.move(at(30), 1);
    expect(asked).toHaveLength(0);
    due.shift()?.();
    hover.move(at(60), 1);
    await answer(0.1);
    expect(due).toHaveLength(1);
    due.shift()?.();
    expect(asked.map(({ points }) => points[0].x)).toEqual([30, 60]);
  });

  it("asks nothing when it is time, if the pointer has left, the button is down or the answer is known", async () => {
    const due: (() => void)[] = [];
    const { hover, asked, answer } = open({}, (go) => due.push(go));
    hover.move(at(1), 1);
    hover.leave();
    due.shift()?.();
    expect(asked).toHaveLength(0);
    hover.move(at(1), 1);
    due.shift()?.();
    await answer(0.1);
    hover.move(at(30), 1);
    hover.move(at(1), 1);
    due.shift()?.();
    hover.move(at(30), 1);
    hover.press();
    due.shift()?.();
    expect(asked.map(({ points }) => points[0].x)).toEqual([1]);
    expect(due).toHaveLength(0);
  });

  it("draws nothing between two answers", async () => {
    const { hover, answer, drawn } = open();
    hover.move(at(1), 1);
    drawn();
    hover.move(at(30), 1);
    hover.move(at(31), 1);
    expect(drawn()).toEqual([]);
    await answer(0.1);
    expect(drawn()).toEqual(["hover"]);
  });

  it("shows an answer for the previous place while the pointer moves on", async () => {
    const { hover, answer } = open();
    hover.move(at(1), 1);
    hover.move(at(30), 1);
    await answer(0.1);
    expect(hover.shown?.point).toEqual(at(1));
    await answer(0.2);
    expect(hover.shown?.point).toEqual(at(30));
  });

  it("asks nothing where an answer is known, and shows it", async () => {
    const { hover, asked, answer } = open();
    for (const [x, score] of [
      [10, 0.1],
      [20, 0.2],
    ]) {
      hover.move(at(x), 1);
      await answer(score);
    }
    hover.move(at(10.7), 1);
    expect(hover.shown?.score).toBe(0.1);
    hover.move(at(20.4), 1);
    expect(hover.shown?.score).toBe(0.2);
    expect(asked).toHaveLength(2);
    hover.move(at(10.8), 1);
    expect(asked).toHaveLength(3);
  });

  it("forgets what another part of the photo has answered, and asks again where the pointer is", async () => {
    const { hover, asked, follow, answer } = open();
    hover.move(at(10), 1);
    await answer(0.1);
    hover.move(at(30), 1);
    follow({ source: "a crop" });
    expect(hover.shown).toBeNull();
    // Asked of the photo as a whole, and of no use any more.
    await answer(0.2);
    expect(hover.shown).toBeNull();
    await answer(0.3);
    expect(hover.shown?.score).toBe(0.3);
    hover.move(at(10), 1);
    expect(asked.map(({ points }) => points[0].x)).toEqual([10, 30, 30, 10]);
  });

  it("measures what is near on the screen, not in the photo", async () => {
    const { hover, asked, answer } = open();
    hover.move(at(10), 0.25);
    await answer(0.1);
    hover.move(at(12.9), 0.25);
    expect(asked).toHaveLength(1);
    hover.move(at(10.2), 8);
    expect(asked).toHaveLength(2);
  });

  it("forgets the oldest answers", async () => {
    const { hover, asked, answer } = open();
    for (let x = 0; x < 330; x += 10) {
      hover.move(at(x), 1);
      await answer(x);
    }
    hover.move(at(10), 1);
    expect(asked).toHaveLength(33);
    hover.move(at(0), 1);
    expect(asked).toHaveLength(34);
  });

  it("does not let a late answer replace a known one", async () => {
    const { hover, answer } = open();
    hover.move(at(10), 1);
    await answer(0.1);
    hover.move(at(40), 1);
    hover.move(at(10), 1);
    await answer(0.4);
    expect(hover.shown?.score).toBe(0.1);
  });

  it("tells foreground from background, also when only the key changes", async () => {
    const { hover, asked, answer } = open();
    hover.move(at(10), 1);
    await answer(0.1);
    hover.relabel(0);
    expect(asked.at(-1)?.points).toEqual([at(10, 0)]);
    await answer(0.2);
    hover.relabel(1);
    expect(hover.shown?.score).toBe(0.1);
    expect(asked).toHaveLength(2);
  });

  it("waits until the kernel is ready", () => {
    const { hover, asked, follow } = open({ ready: false });
    hover.move(at(10), 1);
    hover.move(at(20), 1);
    expect(asked).toHaveLength(0);
    follow({ ready: true });
    expect(asked.map(({ points }) => points[0].x)).toEqual([20]);
  });

  it("does not ask again for what was refused, until the pointer moves", async () => {
    const { hover, asked, answer } = open();
    hover.move(at(10), 1);
    await answer(null);
    expect(hover.shown).toBeNull();
    expect(asked).toHaveLength(1);
    hover.move(at(30), 1);
    expect(asked).toHaveLength(2);
  });

  it("changes nothing while it is switched off", () => {
    const { hover, asked, changes } = open({ active: false });
    hover.move(at(10), 1);
    expect([asked.length, hover.at, changes()]).toEqual([0, null, 0]);
  });
});

describe("ending", () => {
  it("takes the mask away when the pointer leaves, and ignores the answer that comes after", async () => {
    const { hover, answer, asked } = open();
    hover.move(at(10), 1);
    await answer(0.1);
    hover.move(at(40), 1);
    hover.leave();
    expect(hover.shown).toBeNull();
    await answer(0.4);
    expect(hover.shown).toBeNull();
    expect(asked).toHaveLength(2);
  });

  it("takes it away when switched off", async () => {
    const { hover, answer, follow } = open();
    hover.move(at(10), 1);
    await answer(0.1);
    follow({ active: false });
    expect(hover.shown).toBeNull();
    expect(hover.at).toBeNull();
  });

  it("ignores an answer to an outdated prompt, and asks again", async () => {
    const { hover, answer, follow, asked } = open();
    hover.move(at(10), 1);
    follow({ prompt: clicked });
    await answer(0.1);
    expect(hover.shown).toBeNull();
    expect(asked.at(-1)?.points).toEqual([at(50), at(10)]);
    await answer(0.2);
    expect(hover.shown?.score).toBe(0.2);
  });

  it("keeps its answers while an equal prompt comes in another object", async () => {
    const { hover, answer, follow, asked } = open({ prompt: clicked });
    hover.move(at(10), 1);
    await answer(0.1);
    follow({ prompt: structuredClone(clicked) });
    hover.move(at(10), 1);
    expect(hover.shown?.score).toBe(0.1);
    expect(asked).toHaveLength(1);
  });
});

describe("a click", () => {
  async function shown() {
    const all = open();
    all.hover.move(at(10), 1);
    await all.answer(0.1);
    all.hover.press();
    return all;
  }
  const next = (point: PointData): PromptData => ({ ...NO_PROMPT, points: [point] });

  it("takes the point whose answer is known, and its mask for the prompt's own until those are there", async () => {
    const { hover, follow, drawn } = await shown();
    drawn();
    const point = hover.take(at(10.5), 1);
    expect(point).toEqual(at(10));
    expect([hover.taken?.score, hover.shown, drawn()]).toEqual([0.1, null, ["hover", "masks"]]);
    follow({ prompt: next(point), ready: false, pending: true });
    hover.leave();
    expect(hover.taken?.score).toBe(0.1);
    follow({ prompt: next(point) });
    expect([hover.taken, hover.shown]).toEqual([null, null]);
  });

  it("elsewhere adds the very point, and what is shown gives way to its masks", async () => {
    const { hover, follow } = await shown();
    expect(hover.take(at(13), 1)).toEqual(at(13));
    follow({ prompt: next(at(13)), ready: false, pending: true });
    expect(hover.shown?.score).toBe(0.1);
    follow({ prompt: next(at(13)) });
    expect(hover.shown).toBeNull();
  });

  it("with the other label takes the mask away: it was not what the click says", async () => {
    const { hover } = await shown();
    expect(hover.take(at(10, 0), 1)).toEqual(at(10, 0));
    expect(hover.shown).toBeNull();
  });

  it("that the kernel refuses takes the mask away", async () => {
    const { hover, follow } = await shown();
    hover.take(at(10), 1);
    follow({ prompt: next(at(10)), pending: true });
    follow();
    expect([hover.taken, hover.shown]).toEqual([null, null]);
  });

  it("is not followed by another preview until the pointer has moved on", async () => {
    const { hover, follow, asked } = await shown();
    hover.take(at(10), 1);
    follow({ prompt: next(at(10)) });
    hover.move(at(13), 1);
    expect(asked).toHaveLength(1);
    hover.move(at(15), 1);
    expect(asked).toHaveLength(2);
  });

  it("asks for nothing until its masks are there", async () => {
    const { hover, follow, asked } = await shown();
    hover.take(at(10), 1);
    follow({ prompt: next(at(10)), ready: false, pending: true });
    hover.move(at(90), 1);
    expect(asked).toHaveLength(1);
    follow({ prompt: next(at(10)) });
    expect(asked.at(-1)?.points).toEqual([at(10), at(90)]);
  });
});

describe("a press", () => {
  const next = (point: PointData): PromptData => ({ ...NO_PROMPT, points: [point] });
  const OFF = { active: false };

  it("asks at once what its release would give, hovering or not", () => {
    for (const active of [true, false]) {
      const { hover, asked } = open({ prompt: clicked, active });
      hover.press(at(7, 0), 1);
      expect(asked).toEqual([{ ...NO_PROMPT, points: [at(50), at(7, 0)] }]);
    }
  });

  it("does not wait for what was asked on the way, and shows its own answer while the button is down", async () => {
    const { hover, asked, answer, follow } = open();
    hover.move(at(1), 1);
    hover.press(at(30), 1);
    expect(asked.map(({ points }) => points[0].x)).toEqual([1, 30]);
    await answer(0.1);
    await answer(0.3);
    follow();
    expect([hover.shown?.score, hover.at]).toEqual([0.3, null]);
  });

  it("asks nothing where the answer is known, and shows that", async () => {
    const { hover, asked, answer } = open();
    for (const x of [1, 30]) {
      hover.move(at(x), 1);
      await answer(x);
    }
    hover.press(at(1), 1);
    expect([asked.length, hover.shown?.score]).toEqual([2, 1]);
  });

  it("asks nothing while the kernel has something else to do", () => {
    const { hover, asked } = open({ ready: false });
    hover.press(at(1), 1);
    expect(asked).toEqual([]);
  });

  it("that is answered before its release gives the click its mask at once", async () => {
    const { hover, answer, follow, drawn } = open(OFF);
    hover.press(at(30), 1);
    await answer(0.3);
    follow(OFF);
    expect([hover.shown, hover.taken, drawn()]).toEqual([null, null, []]);
    expect(hover.take(at(30), 1)).toEqual(at(30));
    expect([hover.taken?.score, drawn()]).toEqual([0.3, ["masks"]]);
    follow({ ...OFF, prompt: next(at(30)), ready: false, pending: true });
    expect(hover.taken?.score).toBe(0.3);
    follow({ ...OFF, prompt: next(at(30)) });
    expect([hover.taken, drawn()]).toEqual([null, ["masks"]]);
  });

  it("that is answered after its release does so, too, and takes away what was shown of another place", async () => {
    const { hover, answer, follow, drawn } = open();
    hover.move(at(1), 1);
    await answer(0.1);
    hover.press(at(30), 1);
    hover.take(at(30), 1);
    follow({ prompt: next(at(30)), ready: false, pending: true });
    hover.leave();
    expect([hover.shown?.score, hover.taken]).toEqual([0.1, null]);
    drawn();
    await answer(0.3);
    expect([hover.shown, hover.taken?.score, drawn()]).toEqual([null, 0.3, ["hover", "masks"]]);
  });

  it("that is answered after the prompt's own masks gives nothing", async () => {
    const { hover, answer, follow } = open(OFF);
    hover.press(at(30), 1);
    hover.take(at(30), 1);
    follow({ ...OFF, prompt: next(at(30)), ready: false, pending: true });
    follow({ ...OFF, prompt: next(at(30)) });
    await answer(0.3);
    expect([hover.shown, hover.taken]).toEqual([null, null]);
  });

  it("that is superseded or refused leaves all to the prompt's own masks", async () => {
    const { hover, answer, follow } = open(OFF);
    hover.press(at(30), 1);
    hover.take(at(30), 1);
    follow({ ...OFF, prompt: next(at(30)), ready: false, pending: true });
    await answer(null);
    expect([hover.shown, hover.taken]).toEqual([null, null]);
  });

  it("that becomes something else than a click has promised nothing", async () => {
    const { hover, answer, follow } = open();
    hover.press(at(30), 1);
    hover.leave();
    await answer(0.3);
    expect([hover.shown, hover.taken]).toEqual([null, null]);
    // Held for long, a finger means the background.
    hover.press(at(60), 1);
    hover.take(at(60, 0), 1);
    follow({ prompt: next(at(60, 0)), ready: false, pending: true });
    await answer(0.6);
    expect([hover.shown, hover.taken]).toEqual([null, null]);
  });

  it("of no click asks nothing", () => {
    const { hover, asked } = open();
    hover.press();
    expect(asked).toEqual([]);
  });

  it("belongs to the prompt and the part of the photo that it was asked of", async () => {
    const { hover, answer, follow } = open(OFF);
    hover.press(at(30), 1);
    follow({ ...OFF, source: "a crop" });
    await answer(0.3);
    hover.take(at(30), 1);
    expect(hover.taken).toBeNull();
  });
});

describe("a probe", () => {
  const moved = (x: number): PromptData => ({ ...NO_PROMPT, points: [at(x)] });

  it("asks for the newest prompt only, and shows its mask without a score at the pointer", async () => {
    const { hover, asked, answer } = open({ prompt: clicked });
    for (const x of [1, 2, 3]) hover.probe(moved(x));
    expect(asked).toEqual([moved(1)]);
    await answer(0.1);
    expect(hover.shown?.score).toBe(0.1);
    expect(asked.at(-1)).toEqual(moved(3));
    await answer(0.3);
    expect([hover.shown?.score, hover.at, asked.length]).toEqual([0.3, null, 2]);
  });

  it("leaves what it shows until the masks of the edit are there", async () => {
    const { hover, follow, answer } = open({ prompt: clicked });
    hover.probe(moved(1));
    await answer(0.1);
    hover.endProbe(true);
    follow({ prompt: moved(1), ready: false, pending: true });
    expect(hover.shown?.score).toBe(0.1);
    follow({ prompt: moved(1) });
    expect(hover.shown).toBeNull();
  });

  it("that is given up shows nothing, whatever is still answered", async () => {
    const { hover, answer, asked } = open({ prompt: clicked });
    hover.probe(moved(1));
    hover.endProbe(false);
    await answer(0.1);
    expect([hover.shown, asked.length]).toEqual([null, 1]);
  });

  it("asks nothing while hovering is off", () => {
    const { hover, asked } = open({ active: false });
    hover.probe(moved(1));
    expect(asked).toEqual([]);
  });
});

it("is on by default where an answer takes no time to speak of", () => {
  expect([null, 12, 80, 80.1].map(onByDefault)).toEqual([false, true, true, false]);
});

it("asks at a press unless an answer takes so long that a drag would wait for it", () => {
  expect([null, 12, 250, 250.1].map(asksAtPress)).toEqual([false, true, true, false]);
});
