/** What a data engine has achieved: seconds and clicks a mask, rounds of tuning, filled-in masks, the check. */

import { ceiling, change, places, runningMean } from "../geometry/chart";
import type { RoundData } from "../protocol";
import type { Context, Part } from "./context";
import { h, setAttributes, setText } from "./dom";

const SIZE = { width: 150, height: 36 };
/** The last rounds that are listed. */
const MOST_ROUNDS = 6;

interface Figure {
  readonly element: HTMLElement;
  update(values: readonly number[]): void;
}

export function createAchieved({ engine, id }: Context): Part {
  const seconds = createFigure("Seconds a mask", (value) => `${value.toFixed(value < 10 ? 1 : 0)} s`);
  const clicks = createFigure("Clicks a mask", (value) => value.toFixed(1));
  const rounds = h("ol", { class: "sam-rounds", role: "list", "aria-label": "Rounds of tuning" });
  const tuning = h(
    "figure",
    { class: "sam-figure" },
    h("figcaption", { class: "sam-caption" }, "Clicks to IoU 0.85"),
    rounds,
  );
  const filled = h("p", { class: "sam-empty" });
  const check = h("p", { class: "sam-empty" });
  const none = h(
    "p",
    { class: "sam-empty" },
    "Seconds and clicks a mask are drawn here as you accept masks; both should fall.",
  );
  const element = h(
    "details",
    { class: "sam-achieved", id: id("achieved") },
    h("summary", {}, "Progress"),
    none,
    h("div", { class: "sam-figures" }, seconds.element, clicks.element, tuning),
    filled,
    check,
  );
  let shown: unknown = null;
  return {
    element,
    update() {
      const { data } = engine;
      if (!data || data === shown) return;
      shown = data;
      seconds.update(data.seconds);
      clicks.update(data.clicks);
      setAttributes(none, { hidden: data.seconds.length + data.clicks.length + data.rounds.length > 0 });
      setAttributes(tuning, { hidden: data.rounds.length === 0 });
      rounds.replaceChildren(...data.rounds.slice(-MOST_ROUNDS).map(createRound));
      setText(filled, filledIn(data.accepted, data.expected));
      setText(check, data.check?.sentence ? `Blind check: ${data.check.sentence}.` : "");
    },
  };
}

/** The share of filled-in masks that are right, in a sentence; empty if nothing is known. */
export function filledIn(accepted: number | null, expected: number | null): string {
  const percent = (share: number): string => `${Math.round(100 * share)}%`;
  if (accepted !== null)
    return `You left ${percent(accepted)} of the filled-in masks as they were${expected === null ? "" : ` (expected: ${percent(expected)})`}.`;
  return expected === null ? "" : `Of the masks that would be filled in, about ${percent(expected)} are right.`;
}

function createRound({ number, adopted, reason, before, after }: RoundData): HTMLElement {
  const clicks = before === null || after === null ? "" : `${before.toFixed(1)} → ${after.toFixed(1)} `;
  return h(
    "li",
    { title: reason, "data-adopted": adopted },
    h("span", { class: "sam-facts" }, `Round ${number}`),
    `${clicks}${adopted ? "adopted" : "refused"}`,
  );
}

function createFigure(name: string, text: (value: number) => string): Figure {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  const [each, mean] = ["sam-each", "sam-mean"].map((kind) => {
    const line = document.createElementNS(ns, "polyline");
    line.setAttribute("class", kind);
    svg.append(line);
    return line;
  });
  setAttributes(svg, { class: "sam-chart", role: "img", viewBox: `0 0 ${SIZE.width} ${SIZE.height}` });
  const range = h("span", { class: "sam-facts" });
  const element = h(
    "figure",
    { class: "sam-figure" },
    h("figcaption", { class: "sam-caption" }, name, range),
    svg as unknown as HTMLElement,
  );
  return {
    element,
    update(values) {
      setAttributes(element, { hidden: values.length === 0 });
      const smooth = runningMean(values);
      const top = ceiling(values);
      setAttributes(each, { points: places(values, top, SIZE).join(" ") });
      setAttributes(mean, { points: places(smooth, top, SIZE).join(" ") });
      const said = change(smooth.length > 1 ? [smooth[0], smooth.at(-1) ?? 0] : smooth, text);
      setText(range, said);
      setAttributes(svg, { "aria-label": `${name}: ${said}` });
    },
  };
}
