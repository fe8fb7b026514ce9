/** Where an image pixel is on the screen, and back. Pure: no DOM. */

import type { BoxData } from "./protocol";

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

/** An image pixel never gets larger than this many CSS pixels. */
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

/** The nearest view that wastes no room: at least the fit scale, no gap beside an image larger than the frame. */
export function clampView(view: View, image: Size, frame: Size): View {
  const smallest = fitView(image, frame).scale;
  const scale = clamp(view.scale, smallest, Math.max(LARGEST_PIXEL, smallest));
  return {
    scale,
    x: clampOffset(view.x, image.width * scale, frame.width),
    y: clampOffset(view.y, image.height * scale, frame.height),
  };
}

function clampOffset(offset: number, length: number, room: number): number {
  return length <= room ? (room - length) / 2 : clamp(offset, room - length, 0);
}

/** Zoom by a factor, keeping the image point under `about` (frame coordinates) in its place. */
export function zoom(view: View, factor: number, about: Vec, image: Size, frame: Size): View {
  const limits = fitView(image, frame).scale;
  const scale = clamp(view.scale * factor, limits, Math.max(LARGEST_PIXEL, limits));
  const ratio = scale / view.scale;
  return clampView(
    { scale, x: about.x - (about.x - view.x) * ratio, y: about.y - (about.y - view.y) * ratio },
    image,
    frame,
  );
}

export function pan(view: View, dx: number, dy: number, image: Size, frame: Size): View {
  return clampView({ scale: view.scale, x: view.x + dx, y: view.y + dy }, image, frame);
}

/** The view after the frame changed size: fitted views stay fitted, others keep the image point at their centre. */
export function resize(view: View, image: Size, from: Size, to: Size): View {
  const before = fitView(image, from).scale;
  if (view.scale <= before * 1.001) return fitView(image, to);
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

/** The nearest point of the image, to a hundredth of a pixel: as exact as a pointer, and short on the wire. */
export function clampPoint(image: Size, p: Vec): Vec {
  return { x: hundredths(clamp(p.x, 0, image.width)), y: hundredths(clamp(p.y, 0, image.height)) };
}

/** The part inside the image of the box between two corners in any order; null when less than a pixel is left. */
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
