/** The panels of lesson 04: the embedding, the tokens, attention, and how a mask is made. */

import { h } from "../view/dom";
import { componentsOf } from "./components";
import { Choice, figure, Line, percent, row, Select, Slider } from "./controls";
import { css, dim, heat, LEVELS, type Pixels, star, strip, tint, YOURS } from "./drawing";
import { Picture } from "./picture";
import type { Room } from "./room";
import type { Subject } from "./subject";
import { type TracedPhoto, variation } from "./traced";

const WIDTH = 330;

/** The photo, its embedding as colours, and the similarity of one patch to all others; `colours` are of the cells. */
export function embeddingExplorer({ say, maps }: Room, subject: Subject, colours: Uint8ClampedArray): HTMLElement {
  const units = unitsOf(subject);
  const here = new Line(say("embed.hover"));
  const options = { width: WIDTH, hover: lookAt, press: lookAt, drag: lookAt };
  const names = ["embed.photo", "embed.colours", "embed.similar"].map((key) => say(key));
  const [photo, embedding, map] = names.map((name) => new Picture(name, options));
  const coloured = subject.spread(colours);
  let seen = "";

  function lookAt(x: number, y: number): void {
    const cell = subject.cellAt(x, y);
    if (seen === cell.join()) return;
    seen = cell.join();
    const [at, columns] = [cell[0] * subject.columns + cell[1], subject.columns];
    const similar = Float32Array.from(units, (unit) => unit.reduce((sum, value, c) => sum + value * units[at][c], 0));
    const draw = (pen: CanvasRenderingContext2D, scale: number): void => {
      pen.strokeStyle = css(YOURS);
      pen.lineWidth = 2;
      const [left, top, width, height] = subject.boxOf(cell).map((value) => value * scale);
      pen.strokeRect(left, top, width, height);
    };
    photo.show(subject.photo, { draw });
    embedding.show(coloured, { draw });
    map.show(subject.over(heat(similar, maps.viridis, -0.3, 1)), { draw });
    const alike = similar.filter((value) => value > 0.5).length - 1;
    const { channels } = subject.embedding;
    here.text = say("embed.here", {
      row: cell[0],
      column: at % columns,
      channels,
      alike,
      count: subject.count,
    });
  }

  const { width, height } = subject.size;
  lookAt(width / 2, height / 2);
  const figures = [photo, embedding, map].map((picture, i) => figure(picture, new Line(names[i])));
  return h("div", {}, row(...figures), here.element);
}

/** Features of the cells that cover the photo, less their mean, with length 1. */
function unitsOf({ embedding: { values, channels }, rows, columns }: Subject): Float32Array[] {
  const side = Math.sqrt(values.length / channels);
  const cells = Array.from({ length: rows * columns }, (_, i) => {
    const at = (Math.floor(i / columns) * side + (i % columns)) * channels;
    return values.slice(at, at + channels);
  });
  for (let c = 0; c < channels; c++) {
    const mean = cells.reduce((sum, cell) => sum + cell[c], 0) / cells.length;
    for (const cell of cells) cell[c] -= mean;
  }
  return cells.map((cell) => {
    const length = Math.max(Math.hypot(...cell), 1e-9);
    return cell.map((value) => value / length);
  });
}

/** The prompt's tokens as strips, the positions that are like that of its first place, and the dense prompt. */
export function promptTokens(traced: TracedPhoto): HTMLElement {
  const { subject, room } = traced;
  const { say, maps } = room;
  const strips = new Picture(say("tokens.strips"), { width: WIDTH });
  const map = new Picture(say("tokens.positions"), { width: WIDTH, press: traced.click });
  const dense = new Picture(say("tokens.dense"), { width: WIDTH });
  const [list, says] = [new Line(), new Line()];
  traced.follow(({ nearness }) => {
    const tokens = traced.promptTokens();
    strips.show(stacked(tokens.map((token) => strip(token, maps.RdBu_r))), { smooth: false });
    const names = traced.names().slice(-tokens.length);
    list.text = say("tokens.list", { count: tokens.length, size: tokens[0]?.length ?? 0, names: names.join(", ") });
    const { points, boxes } = traced.prompt;
    const [x, y] =
      points.length > 0 ? [points[0].x, points[0].y] : boxes.length > 0 ? [boxes[0].x0, boxes[0].y0] : [0, 0];
    if (nearness)
      map.show(subject.over(heat(subject.cells(nearness), maps.viridis, -0.3, 1)), {
        draw: (pen, scale) => star(pen, x * scale, y * scale),
      });
    const varies = subject.cells(variation(traced.step("dense_prompt")));
    const most = Math.max(...varies);
    dense.show(subject.over(heat(varies, maps.viridis, 0, Math.max(most, 1e-3))));
    says.text = say(traced.masked ? "tokens.with_mask" : most < 1e-4 ? "tokens.without_mask" : "tokens.tiny");
  });
  return row(figure(strips, list), figure(map, new Line(say("tokens.positions"))), figure(dense, says));
}

/** Pictures below each other, with a grey line between them. */
function stacked(parts: readonly Pixels[]): Pixels {
  const width = parts[0]?.width ?? 1;
  const line = new Uint8ClampedArray(4 * width).fill(128);
  for (let i = 3; i < line.length; i += 4) line[i] = 255;
  const rows = parts.flatMap(({ data }, i) => (i ? [line, data] : [data]));
  const data = new Uint8ClampedArray(
    Math.max(
      4,
      rows.reduce((sum, { length }) => sum + length, 0),
    ),
  );
  let at = 0;
  for (const one of rows) {
    data.set(one, at);
    at += one.length;
  }
  return { width, height: Math.max(1, data.length / 4 / width), data };
}

/** Attention in one layer and one head, in both directions, for one token; and of the tokens among themselves. */
export function attentionExplorer(traced: TracedPhoto): HTMLElement {
  const { subject, room } = traced;
  const { say, maps } = room;
  const left = new Picture(say("attend.reads"), { width: WIDTH, press: traced.click });
  const right = new Picture(say("attend.writes"), { width: WIDTH, press: traced.click });
  const among = new Picture(say("attend.among"), { width: 200 });
  const [reads, writes] = [new Line(), new Line()];
  const token = new Select(say("attend.token"), draw);
  const heads = [-1, 0, 1, 2, 3].map(
    (head) => [head < 0 ? say("attend.mean") : say("attend.head", { number: head + 1 }), head] as const,
  );
  const head = new Choice(heads, -1, draw);
  const final = 2;
  const layers = [0, 1, final].map(
    (layer) => [layer === final ? say("attend.final") : say("attend.layer", { number: layer + 1 }), layer] as const,
  );
  const layer = new Choice(layers, 0, draw);

  function draw(): void {
    if (!traced.ready) return;
    const last = layer.value === final;
    const of = (name: string): Float32Array =>
      traced.head(`layers.${Math.min(layer.value, final - 1)}.${name}`, head.value);
    const rowOf = (all: Float32Array): Float32Array => {
      const size = all.length / traced.tokens;
      return all.subarray(token.value * size, (token.value + 1) * size);
    };
    const toImage = rowOf(last ? traced.head("final_token_to_image", head.value) : of("token_to_image"));
    const read = subject.cells(toImage);
    const most = Math.max(...read);
    left.show(subject.over(heat(read, maps.viridis, 0, most)), { draw: traced.mark });
    reads.text = say("attend.reads_row", { highest: percent(most, 1), flat: percent(1 / toImage.length, 2) });
    if (last) {
      right.show(subject.spread(heat(new Float32Array(subject.count).fill(Number.NaN), maps.viridis, 0, 1)));
      writes.text = say("attend.no_writes");
    } else {
      const written = subject.cells(rowOf(of("image_to_token")));
      right.show(subject.over(heat(written, maps.viridis, 0, 1)), { draw: traced.mark });
      const mean = written.reduce((sum, value) => sum + value, 0) / written.length;
      writes.text = say("attend.writes_row", { mean: percent(mean) });
    }
    const own = of("self_attention");
    const data = heat(own, maps.viridis, 0, Math.max(...own));
    among.show({ width: traced.tokens, height: traced.tokens, data }, { smooth: false });
  }

  traced.follow(() => {
    token.offer(traced.names());
    draw();
  });
  const figures = [figure(left, reads), figure(right, writes), figure(among, new Line(say("attend.among")))];
  return h("div", {}, row(layer.element, head.element, token.element), row(...figures));
}

/** The last steps for one of the three masks: features of the pixels, times a vector, are the logits. */
export function maskMaker(traced: TracedPhoto): HTMLElement {
  const { subject, room } = traced;
  const { say, maps } = room;
  const names = ["upscaled", "weights", "logits", "mask"].map((part) => say(`maker.${part}`));
  const [upscaled, weights, map, mask] = names.map((name) => new Picture(name, { width: 270 }));
  const says = names.map((name) => new Line(name));
  const numbers = [0, 1, 2].map((number) => [say("expect.mask", { number: number + 1 }), number] as const);
  const level = new Choice(numbers, 0, draw);
  const threshold = new Slider(say("maker.threshold"), { low: -6, high: 6, step: 0.25, value: 0, digits: 2 }, cut);
  let masks: Float32Array[] = [];
  let scores: number[] = [];

  function draw(): void {
    if (!traced.ready) return;
    const vector = traced.step(`hypernetworks.${1 + level.value}`);
    weights.show(strip(vector, maps.RdBu_r), { smooth: false });
    const logits = subject.unpadded(masks[level.value]);
    const [low, high] = [Math.min(...logits), Math.max(...logits)];
    const largest = Math.max(-low, high, 1e-6);
    const { width, height } = subject.upscaling.inside;
    map.show({ width, height, data: heat(logits, maps.RdBu_r, -largest, largest) });
    says[1].text = say("maker.weights_row", { size: vector.length, number: level.value + 1 });
    says[2].text = say("maker.logits_row", { low: low.toFixed(1), high: high.toFixed(1) });
    cut();
  }

  function cut(): void {
    if (!traced.ready) return;
    const inside = subject.pixels(masks[level.value], threshold.value);
    mask.show(tint(dim(subject.photo, inside), inside, LEVELS[level.value], 0.4));
    const share = inside.reduce((sum, value) => sum + value, 0) / inside.length;
    says[3].text = say("maker.mask_row", { score: scores[level.value].toFixed(2), share: percent(share) });
  }

  traced.follow((trace) => {
    ({ masks, scores } = trace);
    const features = traced.step("upscaled");
    const side = Math.sqrt(masks[0].length);
    const channels = features.length / side ** 2;
    const [rows, columns] = [4 * subject.rows, 4 * subject.columns];
    const shown = new Float32Array(rows * columns * channels);
    for (let y = 0; y < rows; y++)
      shown.set(features.subarray(y * side * channels, (y * side + columns) * channels), y * columns * channels);
    upscaled.show(componentsOf(shown, channels, columns, rows));
    says[0].text = say("maker.upscaled_row", { channels, rows, columns });
    draw();
  });
  const figures = [upscaled, weights, map, mask].map((picture, i) => figure(picture, says[i]));
  return h("div", {}, row(level.element, threshold.element), row(...figures));
}
