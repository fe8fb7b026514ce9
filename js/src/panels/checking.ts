/** Does the score mean what it says, and what makes a prompt unambiguous? As `teach/score_check.py` and `ladder.py`. */

import type { Predicted } from "../local/predicting";
import { pixelsOf } from "../local/tidy";
import type { CandidateData, PointData } from "../protocol";
import { h } from "../view/dom";
import { scatter } from "./charts";
import { button, figure, Line, row, Select } from "./controls";
import { BACKGROUND, type Colour, dim, LEVELS, star, tint, YOURS } from "./drawing";
import { agreement, areaOf, iou } from "./measures";
import { Picture } from "./picture";
import { Newest, type Room } from "./room";
import type { Subject } from "./subject";
import { NO_PROMPT, type PhotoView } from "./view";

const SCORE: Colour = [0, 114, 178];
const SHOWN = 12;
const SIDE = 280;

/** The object that is meant, over the dark photo. */
function wanted(subject: Subject, mask: Uint8Array): Parameters<Picture["show"]>[0] {
  return tint(dim(subject.photo, mask), mask, YOURS, 0.35);
}

/** A list of a scene's objects. */
function objects({ say }: Room, subject: Subject, target: number, changed: () => void): Select {
  const choice = new Select(say("check.target"), changed);
  choice.offer(subject.masks.map((_, i) => say("check.object", { number: i + 1 })));
  choice.value = target;
  return choice;
}

/** A view to click in, the object that is meant, and a chart: what the model says about its mask, and the truth. */
export function scoreCheck(
  room: Room,
  subject: Subject,
  { view, root }: { view: PhotoView; root: HTMLElement },
  object: number,
): HTMLElement {
  const { say } = room;
  const rows: { clicks: number; score: number; stability: number; iou: number }[] = [];
  let seen: CandidateData | null = null;
  const target = new Picture(say("check.wanted"), { width: SIDE });
  const chart = new Picture(say("check.chart"), { width: SIDE, height: SIDE });
  const [last, mean] = [new Line(), new Line()];
  const choice = objects(room, subject, object, choose);

  function choose(): void {
    target.show(wanted(subject, subject.masks[choice.value]));
    clear();
  }

  function clear(): void {
    rows.length = 0;
    view.clear();
    draw();
  }

  /** Add a row for a new answer. */
  function edited(): void {
    const { candidates, chosen, prompt } = view.state;
    const now = chosen === null ? null : candidates[chosen];
    const mask = now && view.mask(now.mask);
    if (!now || !mask || now.score === null || now === seen) return;
    seen = now;
    const truth = iou(pixelsOf(mask), subject.masks[choice.value]);
    const clicks = prompt.points.length + prompt.boxes.length;
    rows.push({ clicks, score: now.score, stability: now.stability ?? 0, iou: truth });
    draw();
  }

  function draw(): void {
    const shown = rows.slice(-SHOWN);
    const scores = shown.map(({ score, iou: y, clicks }) => ({ x: score, y, colour: SCORE, mark: String(clicks) }));
    const stable = shown.map(({ stability, iou: y }) => ({ x: stability, y, colour: BACKGROUND }));
    scatter(chart, [...scores, ...stable], SIDE);
    const newest = shown.at(-1);
    if (!newest) {
      [last.text, mean.text] = [say("check.ready"), ""];
      return;
    }
    last.text = say("check.row", {
      clicks: newest.clicks,
      score: newest.score.toFixed(2),
      stability: newest.stability.toFixed(2),
      iou: newest.iou.toFixed(2),
    });
    const off = rows.reduce((sum, { score, iou: truth }) => sum + Math.abs(score - truth), 0) / rows.length;
    mean.text = say("check.mean", { count: rows.length, off: off.toFixed(2) });
  }

  const again = button(say("check.clear"), clear);
  target.show(wanted(subject, subject.masks[choice.value]));
  draw();
  view.follow(edited);
  root.classList.add("lesson-middle");
  const left = h("div", { class: "lesson-narrow" }, choice.element, target.element, again);
  const right = h("div", { class: "lesson-narrow" }, chart.element, last.element, mean.element);
  return row(left, root, right);
}

/** Prompts for an object that are made when the page is written: three clicks, and a box. */
export interface Rungs {
  readonly clicks: readonly PointData[];
  readonly box: readonly [number, number, number, number];
}

/** Five prompts for the same object: how much their three masks agree, and how good the chosen one is. */
export function promptLadder(room: Room, subject: Subject, rungs: readonly Rungs[], target: number): HTMLElement {
  const { say, study } = room;
  const kinds = ["click", "clicks", "more", "box", "mask"] as const;
  const aim = new Picture(say("check.wanted"), { width: 220 });
  const pictures = kinds.map((kind) => new Picture(say(`ladder.${kind}`), { width: 220 }));
  const lines = kinds.map(() => new Line());
  const newest = new Newest();
  const choice = objects(room, subject, target, climb);

  function climb(): void {
    aim.show(wanted(subject, subject.masks[choice.value]));
    void newest.run(async () => {
      const { clicks, box } = rungs[choice.value];
      const photo = subject.number;
      const [x0, y0, x1, y1] = box;
      const boxed = { ...NO_PROMPT, boxes: [{ x0, y0, x1, y1 }] };
      const clicked = (count: number) => ({ ...NO_PROMPT, points: clicks.slice(0, count) });
      const first = await study.ask("predict", { photo, prompt: clicked(1) });
      show(0, first, clicks.slice(0, 1));
      show(1, await study.ask("predict", { photo, prompt: clicked(2) }), clicks.slice(0, 2));
      show(2, await study.ask("predict", { photo, prompt: clicked(3) }), clicks.slice(0, 3));
      show(3, await study.ask("predict", { photo, prompt: boxed }), [], box);
      const mask = first.masks[first.best];
      show(4, await study.ask("predict", { photo, prompt: clicked(1), mask }), clicks.slice(0, 1));
    });
  }

  function show(
    rung: number,
    { masks, scores, best }: Predicted,
    points: readonly PointData[],
    box?: Rungs["box"],
  ): void {
    const found = masks.map((logits) => subject.pixels(logits));
    // The smaller one is on top.
    const order = [0, 1, 2].sort((a, b) => areaOf(found[b]) - areaOf(found[a]));
    const any = found[0].map((value, i) => value | found[1][i] | found[2][i]);
    const shown = order.reduce((under, i) => tint(under, found[i], LEVELS[i]), dim(subject.photo, any));
    pictures[rung].show(shown, {
      draw(pen, scale) {
        if (box) {
          const [x0, y0, x1, y1] = box.map((value) => value * scale);
          pen.strokeStyle = "white";
          pen.lineWidth = 2;
          pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
        }
        for (const { x, y, label } of points) star(pen, x * scale, y * scale, label, 6);
      },
    });
    lines[rung].text = say("ladder.row", {
      kind: say(`ladder.${kinds[rung]}`),
      agreement: agreement(found).toFixed(2),
      score: scores[best].toFixed(2),
      iou: iou(found[best], subject.masks[choice.value]).toFixed(2),
    });
  }

  climb();
  const figures = pictures.map((picture, i) => figure(picture, lines[i]));
  return h("div", {}, choice.element, row(figure(aim, new Line(say("check.wanted"))), ...figures));
}
