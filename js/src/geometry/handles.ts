/** Handles, the parts of a prompt that can be dragged: find, move, remove and name them. Pure: no DOM. */

import type { BoxData, PromptData } from "../protocol";
import { clamp, clampPoint, distance, normaliseBox, type Size, type Vec } from "./geometry";
import { distanceToLine, flat, vertices } from "./strokes";

export type Handle =
  | { readonly kind: "point" | "box" | "stroke"; readonly index: number }
  | { readonly kind: "corner"; readonly index: number; readonly corner: Corner };

/** Clockwise from the top left. */
export type Corner = 0 | 1 | 2 | 3;
const CORNERS: readonly Corner[] = [0, 1, 2, 3];
const CORNER_NAMES = ["Top left", "Top right", "Bottom right", "Bottom left"] as const;

export function cornerOf({ x0, y0, x1, y1 }: BoxData, corner: Corner): Vec {
  return { x: corner === 0 || corner === 3 ? x0 : x1, y: corner < 2 ? y0 : y1 };
}

function outline({ x0, y0, x1, y1 }: BoxData): Vec[] {
  return CORNERS.map((corner) => cornerOf({ x0, y0, x1, y1 }, corner));
}

/** The handle within `reach` image pixels of a place: points first, then corners, strokes and edges; newest first. */
export function handleAt(prompt: PromptData, at: Vec, reach: number): Handle | null {
  const last = <T>(items: readonly T[], near: (item: T) => boolean): number => items.map(near).lastIndexOf(true);
  const point = last(prompt.points, (p) => distance(p, at) <= reach);
  if (point >= 0) return { kind: "point", index: point };
  for (let index = prompt.boxes.length - 1; index >= 0; index--) {
    const corner = CORNERS.find((c) => distance(cornerOf(prompt.boxes[index], c), at) <= reach);
    if (corner !== undefined) return { kind: "corner", index, corner };
  }
  const stroke = last(prompt.strokes, (s) => distanceToLine(at, vertices(s.vertices), s.closed) <= reach / 2);
  if (stroke >= 0) return { kind: "stroke", index: stroke };
  const box = last(prompt.boxes, (b) => distanceToLine(at, outline(b), true) <= reach / 2);
  return box >= 0 ? { kind: "box", index: box } : null;
}

/** Every handle, in the order in which keys step through them. */
export function allHandles({ points, boxes, strokes }: PromptData): Handle[] {
  return [
    ...points.map((_, index): Handle => ({ kind: "point", index })),
    ...boxes.flatMap((_, index): Handle[] => [
      ...CORNERS.map((corner): Handle => ({ kind: "corner", index, corner })),
      { kind: "box", index },
    ]),
    ...strokes.map((_, index): Handle => ({ kind: "stroke", index })),
  ];
}

export function sameHandle(a: Handle | null, b: Handle | null): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

export function hasHandle(prompt: PromptData, handle: Handle): boolean {
  return allHandles(prompt).some((other) => sameHandle(other, handle));
}

/** The place of a handle that must be visible. */
export function placeOf(prompt: PromptData, handle: Handle): Vec {
  if (handle.kind === "point") return prompt.points[handle.index];
  if (handle.kind === "corner") return cornerOf(prompt.boxes[handle.index], handle.corner);
  if (handle.kind === "stroke") return vertices(prompt.strokes[handle.index].vertices)[0];
  const { x0, y0, x1, y1 } = prompt.boxes[handle.index];
  return { x: (x0 + x1) / 2, y: (y0 + y1) / 2 };
}

/** The prompt with a handle moved by image pixels, but not beyond the edge of the image. */
export function moved(prompt: PromptData, handle: Handle, by: Vec, image: Size): PromptData {
  const { points, boxes, strokes } = prompt;
  if (handle.kind === "point") {
    const point = points[handle.index];
    const to = clampPoint(image, { x: point.x + by.x, y: point.y + by.y });
    return { ...prompt, points: swap(points, handle.index, { ...point, ...to }) };
  }
  if (handle.kind === "corner") {
    const box = boxes[handle.index];
    const from = cornerOf(box, handle.corner);
    const opposite = cornerOf(box, ((handle.corner + 2) % 4) as Corner);
    const resized = normaliseBox(opposite, { x: from.x + by.x, y: from.y + by.y }, image);
    return resized ? { ...prompt, boxes: swap(boxes, handle.index, resized) } : prompt;
  }
  if (handle.kind === "box") {
    const { x0, y0, x1, y1 } = boxes[handle.index];
    const { x, y } = within(
      by,
      [
        { x: x0, y: y0 },
        { x: x1, y: y1 },
      ],
      image,
    );
    return { ...prompt, boxes: swap(boxes, handle.index, { x0: x0 + x, y0: y0 + y, x1: x1 + x, y1: y1 + y }) };
  }
  const stroke = strokes[handle.index];
  const line = vertices(stroke.vertices);
  const { x, y } = within(by, line, image);
  const shifted = flat(line.map((v) => ({ x: v.x + x, y: v.y + y })));
  return { ...prompt, strokes: swap(strokes, handle.index, { ...stroke, vertices: shifted }) };
}

/** The items with one replaced or removed. */
function swap<T>(items: readonly T[], index: number, ...instead: T[]): T[] {
  return [...items.slice(0, index), ...instead, ...items.slice(index + 1)];
}

/** A shift, limited so that the whole shape stays in the image. */
function within(by: Vec, shape: readonly Vec[], image: Size): Vec {
  const [xs, ys] = [shape.map((p) => p.x), shape.map((p) => p.y)];
  return {
    x: clamp(by.x, -Math.min(...xs), image.width - Math.max(...xs)),
    y: clamp(by.y, -Math.min(...ys), image.height - Math.max(...ys)),
  };
}

/** The prompt without the part that a handle belongs to. The last part takes a mask prompt with it. */
export function removed(prompt: PromptData, { kind, index }: Handle): PromptData {
  const rest = {
    points: kind === "point" ? swap(prompt.points, index) : prompt.points,
    boxes: kind === "box" || kind === "corner" ? swap(prompt.boxes, index) : prompt.boxes,
    strokes: kind === "stroke" ? swap(prompt.strokes, index) : prompt.strokes,
  };
  const nothing = rest.points.length + rest.boxes.length + rest.strokes.length === 0;
  return { ...prompt, ...rest, mask: nothing ? null : prompt.mask };
}

/** A handle's name, for display and screen readers. */
export function handleName(prompt: PromptData, handle: Handle): string {
  const { x, y } = placeOf(prompt, handle);
  const at = `at ${Math.floor(x)}, ${Math.floor(y)}`;
  const number = handle.index + 1;
  if (handle.kind === "point")
    return `${prompt.points[handle.index].label ? "Foreground" : "Background"} point ${number} ${at}`;
  if (handle.kind === "corner") return `${CORNER_NAMES[handle.corner]} corner of box ${number} ${at}`;
  if (handle.kind === "box") return `Box ${number} ${at}`;
  return `${prompt.strokes[handle.index].closed ? "Lasso" : "Scribble"} ${number} ${at}`;
}
