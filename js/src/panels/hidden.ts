/** What a masked autoencoder sees of a picture, what it paints, and how wrong it is; as `teach/hidden_patches.py`. */

import { h } from "../view/dom";
import { between } from "./between";
import { Choice, figure, Line, row, Slider } from "./controls";
import { css, enlarged, heat, type Pixels, YOURS } from "./drawing";
import { Picture } from "./picture";
import { Newest, type Room } from "./room";

const WIDTH = 190;
const PATTERNS = ["random", "block", "grid"] as const;
const STEP = 5;

type Pattern = (typeof PATTERNS)[number] | "hand";

/** What `sam_widget/teach/lesson_panels.py` writes. */
export interface HiddenData {
  /** Patches per side, and pixels per side of a patch. */
  readonly side: number;
  readonly size: number;
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  /** How many ratios, in steps of 5%, and seeds. */
  readonly ratios: number;
  readonly seeds: number;
  readonly pattern: Pattern;
  readonly ratio: number;
  readonly seed: number;
}

/** Errors of a picture's patches: mean squared, with colours from 0 to 1, times 1000. */
export function patchErrors(painted: Pixels, original: Pixels, side: number): Float32Array {
  const size = original.width / side;
  const errors = new Float32Array(side * side);
  for (let i = 0; i < original.data.length; i++) {
    if (i % 4 === 3) continue;
    const at = i >> 2;
    const patch = Math.floor(at / original.width / size) * side + Math.floor((at % original.width) / size);
    errors[patch] += (((painted.data[i] - original.data[i]) / 255) ** 2 * 1000) / (size * size * 3);
  }
  return errors;
}

/**
 * Hide patches by a pattern or with the mouse, and see what is painted there.
 *
 * @param original The square that the model sees.
 * @param hiddenBy Patches that are hidden (1) for each pattern, ratio and seed, one after the other.
 */
export function hiddenPatches(room: Room, data: HiddenData, original: Pixels, hiddenBy: Uint8Array): HTMLElement {
  const { say, study, maps } = room;
  const { side, size, mean, deviation } = data;
  const count = side * side;
  const patches = normalised();
  const newest = new Newest();
  let hidden: Uint8Array = new Uint8Array(count);
  let errors: Float32Array = new Float32Array(count);
  let others: Float32Array = new Float32Array(count);
  /** What the present stroke does, and where it was last. */
  let hides = true;
  let last: readonly [number, number] = [0, 0];

  const pressed = (x: number, y: number): void => {
    hides = !hidden[patchAt(x, y)];
    last = [x, y];
    paint([patchAt(x, y)]);
  };
  const dragged = (x: number, y: number): void => {
    // A fast pointer jumps over patches.
    const [x0, y0] = last;
    const steps = 1 + Math.floor((2 * Math.max(Math.abs(x - x0), Math.abs(y - y0))) / size);
    last = [x, y];
    paint(
      Array.from({ length: steps }, (_, i) =>
        patchAt(x0 + ((i + 1) / steps) * (x - x0), y0 + ((i + 1) / steps) * (y - y0)),
      ),
    );
  };
  const look = { width: WIDTH, hover: lookAt, press: lookAt };
  const sees = new Picture(say("mae.sees"), { width: WIDTH, hover: lookAt, press: pressed, drag: dragged });
  const [painted, filled, truth] = ["painted", "between", "truth"].map((name) => new Picture(say(`mae.${name}`), look));
  const cells = {
    width: WIDTH,
    hover: (x: number, y: number) => lookAt(x * size, y * size),
    press: (x: number, y: number) => lookAt(x * size, y * size),
  };
  const wrong = new Picture(say("mae.wrong"), cells);
  const says = Array.from({ length: 5 }, () => new Line());
  const [note, here] = [new Line(), new Line(say("mae.hover"))];
  const names = ([...PATTERNS, "hand"] as const).map((name) => [say(`mae.${name}`), name] as const);
  const pattern = new Choice<Pattern>(names, data.pattern, choose);
  const most = STEP * (data.ratios - 1);
  const ratio = new Slider(say("mae.ratio"), { low: 0, high: most, step: STEP, value: data.ratio, digits: 0 }, choose);
  const seed = new Slider(
    say("mae.seed"),
    { low: 0, high: data.seeds - 1, step: 1, value: data.seed, digits: 0 },
    choose,
  );

  function choose(): void {
    const byHand = pattern.value === "hand";
    ratio.input.disabled = seed.input.disabled = byHand;
    if (byHand) return;
    const which =
      (PATTERNS.indexOf(pattern.value as never) * data.ratios + ratio.value / STEP) * data.seeds + seed.value;
    hide(hiddenBy.slice(which * count, (which + 1) * count));
  }

  function paint(places: readonly number[]): void {
    const now = hidden.slice();
    for (const place of places) now[place] = Number(hides);
    if (now.every((value, i) => value === hidden[i])) return;
    if (now.every(Boolean)) {
      note.text = say("mae.one_left");
      return;
    }
    pattern.choose("hand");
    ratio.input.disabled = seed.input.disabled = true;
    hide(now);
  }

  function hide(now: Uint8Array): void {
    hidden = now;
    const pixels = enlargedMask();
    const shown = { ...original, data: original.data.slice() };
    pixels.forEach((value, i) => {
      if (value) shown.data.fill(128, 4 * i, 4 * i + 3);
    });
    sees.show(shown);
    void newest.run(async () => {
      const any = now.some(Boolean);
      const prediction = any ? await study.ask("paint", { patches, hidden: now }) : patches;
      draw(now, prediction, any ? between(original, pixels) : original);
    });
  }

  function draw(now: Uint8Array, prediction: Float32Array, interpolated: Pixels): void {
    const pasted = { ...original, data: original.data.slice() };
    let [squares, numbers] = [0, 0];
    eachNumber((patch, i, at, c) => {
      if (!now[patch]) return;
      pasted.data[at] = prediction[i] * deviation[c] + mean[c];
      squares += (prediction[i] - patches[i]) ** 2;
      numbers++;
    });
    [errors, others] = [patchErrors(pasted, original, side), patchErrors(interpolated, original, side)];
    const places = [...now.keys()].filter((patch) => now[patch]);
    const any = places.length > 0;
    const meanOf = (values: Float32Array): string =>
      (places.reduce((sum, patch) => sum + values[patch], 0) / places.length).toFixed(1);
    const won = places.filter((patch) => errors[patch] < others[patch]).length;
    painted.show(pasted);
    filled.show(interpolated);
    truth.show(original);
    const high = places.length
      ? quantile(
          places.flatMap((patch) => [errors[patch], others[patch]]),
          0.95,
        )
      : 1;
    const known = errors.map((value, patch) => (now[patch] ? value : Number.NaN));
    wrong.show({ width: side, height: side, data: heat(known, maps.inferno, 0, high) }, { smooth: false, draw: worst });
    says[0].text = say("mae.sees_row", { visible: count - places.length, count });
    says[1].text = any ? say("mae.painted_row", { error: meanOf(errors) }) : say("mae.painted");
    says[2].text = any ? say("mae.between_row", { error: meanOf(others) }) : say("mae.between");
    says[3].text = say("mae.truth");
    says[4].text = any ? say("mae.wrong_row", { high: high.toFixed(0) }) : say("mae.wrong");
    note.text = any
      ? say("mae.note", { hidden: places.length, loss: (squares / numbers).toFixed(3), won })
      : say("mae.nothing");

    /** Outline the patch that is painted worst. */
    function worst(pen: CanvasRenderingContext2D, scale: number): void {
      if (!any) return;
      const patch = places.reduce((best, one) => (errors[one] > errors[best] ? one : best), places[0]);
      pen.strokeStyle = css(YOURS);
      pen.lineWidth = 2;
      pen.strokeRect((patch % side) * scale, Math.floor(patch / side) * scale, scale, scale);
    }
  }

  function lookAt(x: number, y: number): void {
    const patch = patchAt(x, y);
    const where = { row: Math.floor(patch / side), column: patch % side };
    const [model, interpolated] = [errors[patch].toFixed(1), others[patch].toFixed(1)];
    here.text = say(hidden[patch] ? "mae.here" : "mae.visible", { ...where, model, between: interpolated });
  }

  function patchAt(x: number, y: number): number {
    const within = (value: number): number => Math.min(side - 1, Math.max(0, Math.floor(value / size)));
    return within(y) * side + within(x);
  }

  /** Which pixels are hidden: 1, or 0. */
  function enlargedMask(): Uint8Array {
    const cell = new Uint8ClampedArray(4 * count);
    for (const [i, value] of hidden.entries()) cell[4 * i] = value;
    const { data: large } = enlarged(cell, side, side * size, side * size);
    return Uint8Array.from({ length: large.length / 4 }, (_, i) => large[4 * i]);
  }

  /** Call with each number of the patches: its patch, its index, and where it is in the picture. */
  function eachNumber(call: (patch: number, index: number, at: number, channel: number) => void): void {
    let index = 0;
    for (let patch = 0; patch < count; patch++)
      for (let y = 0; y < size; y++)
        for (let x = 0; x < size; x++) {
          const pixel = (Math.floor(patch / side) * size + y) * side * size + (patch % side) * size + x;
          for (let c = 0; c < 3; c++) call(patch, index++, 4 * pixel + c, c);
        }
  }

  /** The picture's patches (N, p * p * 3) as the model takes them. */
  function normalised(): Float32Array {
    const made = new Float32Array(original.width * original.height * 3);
    eachNumber((_, i, at, c) => {
      made[i] = (original.data[at] - mean[c]) / deviation[c];
    });
    return made;
  }

  choose();
  const figures = [sees, painted, filled, truth, wrong].map((picture, i) => figure(picture, says[i]));
  const controls = [row(pattern.element), row(ratio.element, seed.element)];
  return h("div", {}, ...controls, row(...figures), note.element, here.element);
}

/** A quantile, linear between the values next to it. */
function quantile(values: number[], share: number): number {
  const sorted = values.sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}
