import { describe, expect, it } from "vitest";
import * as geometry from "../../src/geometry/geometry";

const image = { width: 400, height: 200 };
const frame = { width: 800, height: 600 };
const fitted = geometry.fitView(image, frame);

describe("a box to show", () => {
  const image = { width: 400, height: 300 };
  const frame = { width: 200, height: 150 };
  const at = (view: geometry.View, x: number, y: number) => geometry.toFrame(view, { x, y });

  it("moves nothing where it is in view", () => {
    const view = { scale: 1, x: -100, y: -50 };
    expect(geometry.showBox(view, { x0: 100, y0: 50, x1: 300, y1: 200 }, image, frame)).toBe(view);
  });

  it("comes to the middle, and fits", () => {
    const near = geometry.showBox({ scale: 2, x: 0, y: 0 }, { x0: 190, y0: 140, x1: 210, y1: 160 }, image, frame);
    expect([near.scale, at(near, 200, 150)]).toEqual([2, { x: 100, y: 75 }]);
    const large = geometry.showBox({ scale: 4, x: 0, y: 0 }, { x0: 50, y0: 50, x1: 350, y1: 250 }, image, frame);
    expect(at(large, 50, 50).x).toBeGreaterThanOrEqual(0);
    expect(at(large, 350, 250).x).toBeLessThanOrEqual(frame.width);
    expect(at(large, 350, 250).y).toBeLessThanOrEqual(frame.height);
  });
});

describe("views", () => {
  it("fits the whole image, centred", () => {
    expect(fitted).toEqual({ scale: 2, x: 0, y: 100 });
    expect(geometry.fitView({ width: 100, height: 300 }, frame)).toEqual({ scale: 2, x: 300, y: 0 });
  });

  it("goes to the frame and back", () => {
    const view = { scale: 3.7, x: -120, y: 41 };
    const back = geometry.toImage(view, geometry.toFrame(view, { x: 12.25, y: 88.5 }));
    expect(back.x).toBeCloseTo(12.25);
    expect(back.y).toBeCloseTo(88.5);
  });

  it("zooms about a point that stays where it is", () => {
    const about = { x: 500, y: 333 };
    const before = geometry.toImage(fitted, about);
    const view = geometry.zoom(fitted, 4, about, image, frame);
    expect(view.scale).toBe(8);
    expect(geometry.toFrame(view, before).x).toBeCloseTo(about.x);
    expect(geometry.toFrame(view, before).y).toBeCloseTo(about.y);
  });

  it("never zooms out beyond what shows all, or actual size, nor in beyond 48 CSS pixels a pixel", () => {
    const large = { width: 4000, height: 2000 };
    const whole = geometry.fitView(large, frame);
    expect(geometry.zoom(whole, 0.1, { x: 0, y: 0 }, large, frame)).toEqual(whole);
    expect(geometry.zoom(fitted, 0.1, { x: 0, y: 0 }, image, frame)).toEqual({ scale: 1, x: 200, y: 200 });
    expect(geometry.zoom(fitted, 1e6, { x: 0, y: 0 }, image, frame).scale).toBe(48);
    const tiny = geometry.fitView({ width: 4, height: 4 }, frame);
    expect(geometry.zoom(tiny, 2, { x: 0, y: 0 }, { width: 4, height: 4 }, frame)).toEqual(tiny);
  });

  it("pans no further than the edges", () => {
    const near = geometry.zoom(fitted, 4, { x: 400, y: 300 }, image, frame);
    expect(geometry.pan(near, 1e5, 1e5, image, frame)).toEqual({ scale: 8, x: 0, y: 0 });
    expect(geometry.pan(near, -1e5, -1e5, image, frame)).toEqual({ scale: 8, x: 800 - 3200, y: 600 - 1600 });
    expect(geometry.pan(fitted, 50, 50, image, frame)).toEqual(fitted);
  });

  it("stays fitted, or on the same centre, when the frame changes", () => {
    const smaller = { width: 400, height: 300 };
    expect(geometry.resize(fitted, image, frame, smaller)).toEqual(geometry.fitView(image, smaller));
    const near = geometry.zoom(fitted, 4, { x: 200, y: 300 }, image, frame);
    const centre = geometry.toImage(near, { x: 400, y: 300 });
    const view = geometry.resize(near, image, frame, smaller);
    expect(view.scale).toBe(4);
    expect(geometry.toImage(view, { x: 200, y: 150 })).toEqual(centre);
  });

  it("keeps what two fingers hold under them", () => {
    const near = geometry.zoom(fitted, 4, { x: 400, y: 300 }, image, frame);
    const [from, to] = [
      [
        { x: 300, y: 280 },
        { x: 500, y: 300 },
      ],
      [
        { x: 260, y: 320 },
        { x: 560, y: 350 },
      ],
    ] as const;
    const view = geometry.pinch(near, from, to, image, frame);
    expect(view.scale / near.scale).toBeCloseTo(Math.hypot(300, 30) / Math.hypot(200, 20));
    const held = geometry.toImage(near, { x: 400, y: 290 });
    expect(geometry.toFrame(view, held).x).toBeCloseTo(410);
    expect(geometry.toFrame(view, held).y).toBeCloseTo(335);
    // Fingers that meet must not divide by zero, and at the limits the image does not drift away.
    const met = geometry.pinch(near, [from[0], from[0]], to, image, frame);
    expect(met.scale).toBe(48);
    expect(geometry.pinch(fitted, to, [to[0], to[0]], image, frame).scale).toBe(1);
  });

  it("centres a point as far as the image reaches", () => {
    const near = geometry.zoom(fitted, 4, { x: 400, y: 300 }, image, frame);
    const view = geometry.centre(near, { x: 150, y: 110 }, image, frame);
    expect(geometry.toFrame(view, { x: 150, y: 110 })).toEqual({ x: 400, y: 300 });
    expect(geometry.centre(near, { x: 0, y: 0 }, image, frame)).toEqual({ scale: 8, x: 0, y: 0 });
  });

  it("knows the visible part, and whether that is the whole", () => {
    expect(geometry.seenOf(fitted, image, frame)).toEqual({ x0: 0, y0: 0, x1: 400, y1: 200 });
    expect(geometry.isZoomed(fitted, image, frame)).toBe(false);
    const near = geometry.zoom(fitted, 4, { x: 400, y: 300 }, image, frame);
    expect(geometry.seenOf(near, image, frame)).toEqual({ x0: 150, y0: 62.5, x1: 250, y1: 137.5 });
    expect(geometry.isZoomed(near, image, frame)).toBe(true);
  });

  it("keeps the shape of the image in its small map, which leaves most of the frame free", () => {
    for (const size of [image, { width: 100, height: 9000 }, { width: 9000, height: 100 }]) {
      const map = geometry.minimapSize(size, frame);
      expect(map.width).toBeLessThanOrEqual(150);
      expect(map.height).toBeLessThanOrEqual(120);
      expect(Math.min(map.width, map.height)).toBeGreaterThan(0);
    }
    expect(geometry.minimapSize(image, frame)).toEqual({ width: 150, height: 75 });
    expect(geometry.minimapSize(image, { width: 200, height: 200 }).width).toBe(60);
  });

  it("reveals a point by the least pan", () => {
    const near = geometry.zoom(fitted, 4, { x: 0, y: 300 }, image, frame);
    const view = geometry.reveal(near, { x: 200, y: 100 }, image, frame);
    expect(geometry.toFrame(view, { x: 200, y: 100 }).x).toBe(800 - 24);
    expect(geometry.reveal(view, { x: 200, y: 100 }, image, frame)).toBe(view);
  });
});

describe("prompts", () => {
  it("knows the inside of the photo, edges included", () => {
    expect(geometry.contains(image, { x: 400, y: 200 })).toBe(true);
    expect(geometry.contains(image, { x: 400.01, y: 0 })).toBe(false);
    expect(geometry.contains(image, { x: -0.01, y: 0 })).toBe(false);
  });

  it("normalises a box drawn from any corner and clips it to the photo", () => {
    const box = { x0: 10, y0: 20, x1: 400, y1: 120.13 };
    expect(geometry.normaliseBox({ x: 450, y: 20 }, { x: 10, y: 120.1288 }, image)).toEqual(box);
    expect(geometry.normaliseBox({ x: 10, y: 120.1288 }, { x: 450, y: 20 }, image)).toEqual(box);
  });

  it("makes no box of less than a pixel", () => {
    expect(geometry.normaliseBox({ x: 10, y: 10 }, { x: 10.5, y: 90 }, image)).toBeNull();
    expect(geometry.normaliseBox({ x: -90, y: 10 }, { x: -10, y: 90 }, image)).toBeNull();
  });
});
