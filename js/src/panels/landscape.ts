/** The click landscape: what the model would answer to a click anywhere in the photo; as `teach/landscape.py`. */

import { h } from "../view/dom";
import { button, Choice, figure, Line, row } from "./controls";
import { css, dim, enlarged, heat, LEVELS, star, tint } from "./drawing";
import { agreement, resized } from "./measures";
import { Picture } from "./picture";
import type { Room } from "./room";
import type { Subject } from "./subject";

/** How much of the photo remains visible under the colours. */
const SEEN = 0.4;
/** Clicks per question to the worker; a picture is drawn after each. */
const BATCH = 24;

type Values = "score" | "level" | "agreement";

/** A grid of clicks, each decoded once: its best score, which mask has it, and how much the three agree. */
export function clickLandscape({ say, study, maps }: Room, subject: Subject, side: number): HTMLElement {
  const { width, height } = subject.size;
  const points = Array.from({ length: side * side }, (_, i): [number, number] => [
    (((i % side) + 0.5) / side) * width,
    ((Math.floor(i / side) + 0.5) / side) * height,
  ]);
  const values: Record<Values, number[]> = { score: [], level: [], agreement: [] };
  /** The best mask of each click, at the size of the logits. */
  const masks: Uint8Array[] = [];
  let hovered = -1;
  const map = new Picture(say("land.map"), { width: 420, hover: lookAt, press: lookAt });
  const mask = new Picture(say("land.mask"), { width: 300 });
  const note = new Line(say("land.ready", { count: points.length }));
  const [legend, here] = [new Line(), new Line()];
  const names = (["score", "level", "agreement"] as const).map((name) => [say(`land.${name}`), name] as const);
  const view = new Choice<Values>(names, "score", draw);
  const begin = button(say("land.start"), () => void run(), true);

  async function run(): Promise<void> {
    begin.disabled = true;
    masks.length = 0;
    for (const each of Object.values(values)) each.length = 0;
    const began = performance.now();
    for (let first = 0; first < points.length; first += BATCH) {
      const batch = points.slice(first, first + BATCH);
      for (const { masks: three, scores } of await study.ask("once", { photo: subject.number, points: batch })) {
        const best = scores.indexOf(Math.max(...scores));
        const inside = three.map((logits) => Uint8Array.from(subject.unpadded(logits), (value) => Number(value > 0)));
        values.score.push(scores[best]);
        values.level.push(best);
        values.agreement.push(agreement(inside));
        masks.push(inside[best]);
      }
      note.text = say("land.so_far", { done: masks.length, count: points.length });
      draw();
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    note.text = say("land.done", { count: points.length, seconds });
    begin.disabled = false;
  }

  function lookAt(x: number, y: number): void {
    const near = (place: number, length: number): number => Math.min(side - 1, Math.floor((place / length) * side));
    const number = near(y, height) * side + near(x, width);
    if (number === hovered || number >= masks.length) return;
    hovered = number;
    const { width: columns, height: rows } = subject.upscaling.inside;
    const pixels = resized(masks[number], [columns, rows], [width, height]);
    const [px, py] = points[number];
    const level = values.level[number];
    mask.show(tint(dim(subject.photo, pixels), pixels, LEVELS[level], 0.4), {
      draw: (pen, scale) => star(pen, px * scale, py * scale),
    });
    here.text = say("land.here", {
      x: px.toFixed(0),
      y: py.toFixed(0),
      number: level + 1,
      score: values.score[number].toFixed(2),
      agreement: values.agreement[number].toFixed(2),
    });
  }

  function draw(): void {
    legend.text = say(`land.legend_${view.value}`);
    const known = values[view.value];
    const colours = heat(known, maps.viridis, 0, 1);
    if (view.value === "level") for (const [i, level] of known.entries()) colours.set([...LEVELS[level], 255], 4 * i);
    // Transparent where no click is decoded yet.
    const cells = new Uint8ClampedArray(4 * points.length);
    cells.set(colours);
    const over = enlarged(cells, side, width, height).data;
    const data = subject.photo.data.map((value, i) =>
      over[i | 3] ? Math.floor(SEEN * value + (1 - SEEN) * over[i]) : value,
    );
    map.show({ width, height, data }, { draw: key });
  }

  /** The key of the colours, in the lower left corner. */
  function key(pen: CanvasRenderingContext2D): void {
    const bottom = (420 * height) / width;
    pen.font = "13px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    if (view.value === "level") {
      LEVELS.forEach((colour, i) => {
        pen.fillStyle = css(colour);
        pen.fillRect(6 + 26 * i, bottom - 24, 22, 18);
        pen.fillStyle = "black";
        pen.fillText(String(i + 1), 17 + 26 * i, bottom - 15);
      });
      return;
    }
    const colours = heat(
      Array.from({ length: 60 }, (_, i) => i / 59),
      maps.viridis,
      0,
      1,
    );
    for (let i = 0; i < 60; i++) {
      pen.fillStyle = css([colours[4 * i], colours[4 * i + 1], colours[4 * i + 2]]);
      pen.fillRect(6 + i, bottom - 18, 1, 12);
    }
    pen.strokeStyle = "black";
    pen.fillStyle = "white";
    pen.lineWidth = 3;
    for (const [text, x] of [
      ["0", 10],
      ["1", 62],
    ] as const) {
      pen.strokeText(text, x, bottom - 26);
      pen.fillText(text, x, bottom - 26);
    }
  }

  mask.show(dim(subject.photo, new Uint8Array(width * height)));
  draw();
  return h("div", {}, row(begin, view.element), note.element, row(figure(map, legend), figure(mask, here)));
}
