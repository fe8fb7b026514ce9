/** Lines drawn by hand: simplified, measured, and flattened for the wire. Pure: no DOM. */

import { clamp, distance, type Vec } from "./geometry";

/** The line without the vertices it does not need, within a tolerance (Ramer 1972; Douglas and Peucker 1973). */
export function simplify(line: readonly Vec[], tolerance: number): Vec[] {
  if (line.length < 3) return [...line];
  const kept = new Set([0, line.length - 1]);
  const spans: [number, number][] = [[0, line.length - 1]];
  for (let span = spans.pop(); span; span = spans.pop()) {
    const [first, last] = span;
    let [farthest, most] = [first, tolerance];
    for (let i = first + 1; i < last; i++) {
      const off = distanceToSegment(line[i], line[first], line[last]);
      if (off > most) [farthest, most] = [i, off];
    }
    if (farthest === first) continue;
    kept.add(farthest);
    spans.push([first, farthest], [farthest, last]);
  }
  return line.filter((_, i) => kept.has(i));
}

export function distanceToSegment(p: Vec, a: Vec, b: Vec): number {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = dx * dx + dy * dy;
  const t = length ? clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0, 1) : 0;
  return distance(p, { x: a.x + t * dx, y: a.y + t * dy });
}

/** The distance from a point to a line; a closed line's last vertex joins the first. */
export function distanceToLine(p: Vec, line: readonly Vec[], closed: boolean): number {
  const ends = closed ? [...line.slice(1), ...line.slice(0, 1)] : line.slice(1);
  if (ends.length === 0) return line.length ? distance(p, line[0]) : Infinity;
  return Math.min(...ends.map((end, i) => distanceToSegment(p, line[i], end)));
}

/** x and y in turn, to a hundredth of a pixel. */
export function flat(line: readonly Vec[]): number[] {
  return line.flatMap(({ x, y }) => [Math.round(x * 100) / 100, Math.round(y * 100) / 100]);
}

export function vertices(values: readonly number[]): Vec[] {
  return Array.from({ length: values.length / 2 }, (_, i) => ({ x: values[2 * i], y: values[2 * i + 1] }));
}
