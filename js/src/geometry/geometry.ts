/** From image pixels to the screen and back. Pure: no DOM. */

import type { BoxData } from "../protocol";

export interface Vec {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Image to frame, in CSS pixels: `frame = image * scale + (x, y)`. */
export interface View {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

/** Maximum size of an image pixel, in CSS pixels. */
const LARGEST_PIXEL = 48;

export function toImage(view: View, p: Vec): Vec {
  return { x: (p.x - view.x) / view.scale, y: (p.y - view.y) / view.scale };
}

export function toFrame(view: View, p: Vec): Vec {
  return { x: p.x * view.scale + view.x, y: p.y * view.scale + view.y };
}

/** The view that shows the whole image, centred. */
export function fitView(image: Size, frame: Size): View {
  const scale = Math.min(frame.width / image.width, frame.height / image.height);
  return { scale, x: (frame.width - image.width * scale) / 2, y: (frame.height - image.height * scale) / 2 };
}

/** The nearest view that wastes no space: the image is not too small, and if larger than the frame, leaves no gap. */
export function clampView(view: View, image: Size, frame: Size): View {
  const scale = clampScale(view.scale, image, frame);
  return {
    scale,
    x: clampOffset(view.x, image.width * scale, frame.width),
    y: clampOffset(view.y, image.height * scale, frame.height),
  };
}

/** No smaller than the whole image fitted, except that a small image may be shown at its own size. */
function clampScale(scale: number, image: Size, frame: Size): number {
  const fitted = fitView(image, frame).scale;
  return clamp(scale, Math.min(fitted, 1), Math.max(LARGEST_PIXEL, fitted));
}

function clampOffset(offset: number, length: number, room: number): number {
  return length <= room ? (room - length) / 2 : clamp(offset, room - length, 0);
}

/** Zoom by a factor, keeping the image point under `about` (frame coordinates) in place. */
export function zoom(view: View, factor: number, about: Vec, image: Size, frame: Size): View {
  const scale = clampScale(view.scale * factor, image, frame);
  const ratio = scale / view.scale;
  return clampView(
    { scale, x: about.x - (about.x - view.x) * ratio, y: about.y - (about.y - view.y) * ratio },
    image,
    frame,
  );
}

/** Two fingers have moved: keep the image points under them. */
export function pinch(view: View, from: readonly [Vec, Vec], to: readonly [Vec, Vec], image: Size, frame: Size): View {
  const factor = distance(...to) / Math.max(1, distance(...from));
  const [before, after] = [middle(...from), middle(...to)];
  return pan(zoom(view, factor, before, image, frame), after.x - before.x, after.y - before.y, image, frame);
}

function middle(a: Vec, b: Vec): Vec {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

/** Bring an image point to the middle of the frame, as far as the image's edges allow. */
export function centre(view: View, p: Vec, image: Size, frame: Size): View {
  const { x, y } = toFrame(view, p);
  return pan(view, frame.width / 2 - x, frame.height / 2 - y, image, frame);
}

/** The view moved, and zoomed out if necessary, so that all of a box is in the frame; unchanged if it is. */
export function showBox(view: View, { x0, y0, x1, y1 }: BoxData, image: Size, frame: Size): View {
  const [a, b] = [toFrame(view, { x: x0, y: y0 }), toFrame(view, { x: x1, y: y1 })];
  if (a.x >= 0 && a.y >= 0 && b.x <= frame.width && b.y <= frame.height) return view;
  const room = 0.9 * Math.min(frame.width / (x1 - x0), frame.height / (y1 - y0));
  const scale = Math.min(view.scale, room);
  return centre({ ...view, scale }, { x: (x0 + x1) / 2, y: (y0 + y1) / 2 }, image, frame);
}

/** The part of the image visible in the frame. */
export function seenOf(view: View, image: Size, frame: Size): BoxData {
  const [a, b] = [toImage(view, { x: 0, y: 0 }), toImage(view, { x: frame.width, y: frame.height })];
  return {
    x0: clamp(a.x, 0, image.width),
    y0: clamp(a.y, 0, image.height),
    x1: clamp(b.x, 0, image.width),
    y1: clamp(b.y, 0, image.height),
  };
}

/** Whether part of the image is out of view. */
export function isZoomed(view: View, image: Size, frame: Size): boolean {
  return view.scale > fitView(image, frame).scale * 1.001;
}

/** The size of the minimap in CSS pixels. */
export function minimapSize(image: Size, frame: Size): Size {
  const room = { width: Math.min(150, frame.width * 0.3), height: Math.min(120, frame.height * 0.35) };
  const { scale } = fitView(image, room);
  return { width: Math.max(1, Math.round(image.width * scale)), height: Math.max(1, Math.round(image.height * scale)) };
}

export function pan(view: View, dx: number, dy: number, image: Size, frame: Size): View {
  return clampView({ scale: view.scale, x: view.x + dx, y: view.y + dy }, image, frame);
}

/** The view after the frame has changed size: fitted views stay fitted, others keep the image point at their centre. */
export function resize(view: View, image: Size, from: Size, to: Size): View {
  const before = fitView(image, from).scale;
  if (Math.abs(view.scale / before - 1) < 0.001) return fitView(image, to);
  const centre = toImage(view, { x: from.width / 2, y: from.height / 2 });
  const scale = (view.scale * fitView(image, to).scale) / before;
  return clampView({ scale, x: to.width / 2 - centre.x * scale, y: to.height / 2 - centre.y * scale }, image, to);
}

/** Pan just enough to bring an image point at least `margin` CSS pixels inside the frame. */
export function reveal(view: View, p: Vec, image: Size, frame: Size, margin = 24): View {
  const at = toFrame(view, p);
  const dx = clamp(at.x, margin, frame.width - margin) - at.x;
  const dy = clamp(at.y, margin, frame.height - margin) - at.y;
  return dx || dy ? pan(view, dx, dy, image, frame) : view;
}

export function contains(image: Size, p: Vec): boolean {
  return p.x >= 0 && p.y >= 0 && p.x <= image.width && p.y <= image.height;
}

/** The nearest point of the image, to a hundredth of a pixel: as exact as a pointer, and short as JSON. */
export function clampPoint(image: Size, p: Vec): Vec {
  return { x: hundredths(clamp(p.x, 0, image.width)), y: hundredths(clamp(p.y, 0, image.height)) };
}

/** The box between two corners in any order, clipped to the image; null if less than a pixel is left. */
export function normaliseBox(a: Vec, b: Vec, image: Size): BoxData | null {
  const p = clampPoint(image, { x: Math.min(a.x, b.x), y: Math.min(a.y, b.y) });
  const q = clampPoint(image, { x: Math.max(a.x, b.x), y: Math.max(a.y, b.y) });
  return q.x - p.x < 1 || q.y - p.y < 1 ? null : { x0: p.x, y0: p.y, x1: q.x, y1: q.y };
}

export function distance(a: Vec, b: Vec): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

export function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
