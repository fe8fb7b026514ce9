/** One click means several things: draw the mask you expect, then see the model's three; as `teach/expected_mask.py`. */

import { h } from "../view/dom";
import { button, figure, Line, row } from "./controls";
import { css, dim, LEVELS, star, tint, YOURS } from "./drawing";
import { areaOf, fill, iou } from "./measures";
import { Picture } from "./picture";
import type { Room } from "./room";
import type { Subject } from "./subject";
import { NO_PROMPT } from "./view";

type Place = readonly [number, number];

/** A photo with a click, to draw on; drag around what it should mean, or click from corner to corner. */
export function expectedMask({ say, study }: Room, subject: Subject, clicks: readonly Place[]): HTMLElement {
  const { width, height } = subject.size;
  let click = 0;
  let areas: Place[][] = [];
  let corners: Place[] = [];
  let dragged: Place[] = [];

  const paper = new Picture(say("expect.paper"), {
    width: 420,
    press(x, y) {
      corners.push([x, y]);
      redraw();
    },
    drag(x, y) {
      // The press began an outline, rather than adding a corner.
      if (dragged.length === 0) dragged = corners.splice(-1);
      dragged.push([x, y]);
      redraw();
    },
    release() {
      if (dragged.length > 0) areas.push(dragged);
      dragged = [];
      redraw();
    },
  });
  const answers = [1, 2, 3].map((number) => new Picture(say("expect.mask", { number }), { width: 190 }));
  const lines = answers.map(() => new Line());
  const note = new Line();

  function drawing(): Uint8Array {
    const mask = new Uint8Array(width * height);
    for (const area of [...areas, dragged, corners]) fill(mask, width, area);
    return mask;
  }

  function redraw(): void {
    paper.show(tint(subject.photo, drawing(), YOURS, 0.5), {
      draw(pen, scale) {
        pen.strokeStyle = pen.fillStyle = css(YOURS);
        pen.lineWidth = 3;
        for (const path of [corners, dragged]) {
          pen.beginPath();
          for (const [x, y] of path) pen.lineTo(x * scale, y * scale);
          pen.stroke();
        }
        for (const [x, y] of corners) pen.fillRect(x * scale - 3, y * scale - 3, 6, 6);
        mark(pen, scale);
      },
    });
  }

  function mark(pen: CanvasRenderingContext2D, scale: number): void {
    star(pen, clicks[click][0] * scale, clicks[click][1] * scale);
  }

  function clear(): void {
    [areas, corners, dragged] = [[], [], []];
    const nothing = dim(subject.photo, new Uint8Array(width * height));
    answers.forEach((picture, i) => {
      picture.show(nothing);
      lines[i].text = "?";
    });
    note.text = say("expect.draw");
    redraw();
  }

  async function reveal(): Promise<void> {
    const expected = drawing();
    if (areaOf(expected) === 0) {
      note.text = say("expect.first");
      return;
    }
    const [x, y] = clicks[click];
    const prompt = { ...NO_PROMPT, points: [{ x, y, label: 1 as const }] };
    const { masks, scores } = await study.ask("predict", { photo: subject.number, prompt });
    const found = masks.map((logits) => subject.pixels(logits));
    const ious = found.map((mask) => iou(mask, expected));
    found.forEach((mask, i) => {
      const kept = mask.map((value, p) => value | expected[p]);
      answers[i].show(tint(dim(subject.photo, kept), mask, LEVELS[i]), { draw: mark });
      lines[i].text = say("expect.row", { number: i + 1, score: scores[i].toFixed(2), iou: ious[i].toFixed(2) });
    });
    const highest = (values: readonly number[]): number => values.indexOf(Math.max(...values)) + 1;
    note.text = say("expect.result", { chosen: highest(scores), nearest: highest(ious) });
  }

  const show = button(say("expect.show"), () => void reveal(), true);
  const next = button(say("expect.next"), () => {
    click = (click + 1) % clicks.length;
    clear();
  });
  const buttons = row(show, button(say("expect.clear"), clear), next);
  clear();
  const left = h("div", { class: "lesson-figure lesson-paper" }, paper.element, buttons, note.element);
  return row(left, ...answers.map((picture, i) => figure(picture, lines[i])));
}
