import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Look } from "../../src/view/masks";
import { MANY, ObjectLayer } from "../../src/view/objectlayer";

const drawOutlines = vi.hoisted(() => vi.fn());
const drawImage = vi.hoisted(() => vi.fn());
vi.mock("../../src/view/masks", () => ({ drawOutlines, Painter: class {} }));
vi.mock("../../src/view/layer", async (original) => {
  const pen = { setTransform: () => {}, clearRect: () => {}, drawImage };
  const element = () => ({ style: {}, width: 0, height: 0 });
  const createLayer = () => ({ element: element(), context: pen, drawn: [] });
  return { ...(await original<typeof import("../../src/view/layer")>()), createLayer };
});

const looksOf = (count: number): Look[] =>
  Array.from({ length: count }, () => ({
    mask: { width: 4, height: 4, runs: new Uint32Array() },
    color: "#fff",
    fill: 0,
    line: 1,
  }));
const frame = { width: 400, height: 300 };

function open(count: number) {
  const redraw = vi.fn();
  const closing = new AbortController();
  const layer = new ObjectLayer(redraw, closing.signal);
  const looks = looksOf(count);
  const draw = (x: number, scale = 1): void => layer.draw(looks, { scale, x, y: 0 }, frame, 1);
  return { redraw, layer, looks, draw, closing };
}

beforeEach(() => {
  vi.useFakeTimers();
  drawOutlines.mockClear();
  drawImage.mockClear();
});
afterEach(() => vi.useRealTimers());

it("draws few objects in every frame in which the view moves", () => {
  const { draw } = open(MANY);
  for (const x of [0, 1, 2]) draw(x);
  expect([drawOutlines.mock.calls.length, drawImage.mock.calls.length]).toEqual([3, 0]);
});

it("moves many as one picture, and draws them again at rest", () => {
  const { draw, redraw } = open(MANY + 1);
  for (const x of [0, 5, 10, 15]) draw(x);
  expect([drawOutlines.mock.calls.length, drawImage.mock.calls.length]).toEqual([1, 4]);
  expect(redraw).not.toHaveBeenCalled();
  vi.runAllTimers();
  expect(redraw).toHaveBeenCalledOnce();
  draw(15);
  expect(drawOutlines).toHaveBeenCalledTimes(2);
  vi.runAllTimers();
  expect(redraw).toHaveBeenCalledOnce();
});

it("draws many again when they change", () => {
  const { draw, layer } = open(MANY + 1);
  draw(0);
  layer.draw(looksOf(MANY + 2), { scale: 1, x: 0, y: 0 }, frame, 1);
  expect(drawOutlines).toHaveBeenCalledTimes(2);
});

it("asks for nothing after the view is closed", () => {
  const { draw, redraw, closing } = open(MANY + 1);
  draw(0);
  draw(1);
  closing.abort();
  vi.runAllTimers();
  expect(redraw).not.toHaveBeenCalled();
});
