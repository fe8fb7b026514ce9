/** The outline of a mask as closed lines, no finer than the screen shows. Pure: no DOM. */

import { distance, type Vec } from "./geometry";
import type { Mask } from "./runs";

/** Corners of a closed line, x and y in turn. */
export type Line = Int32Array;

/**
 * The mask's boundary along pixel edges.
 *
 * Each row is the sorted list of x where it enters or leaves the mask. What differs between one row and the next
 * (their symmetric difference) are the corners: they pair up to the horizontal edges, and a vertical edge leads from
 * each to the next one below or above it.
 */
export function outline(mask: Mask): Line[] {
  const { runs, width, height } = mask;
  /** Two numbers per corner. The other end of its horizontal edge has the neighbouring index. */
  const corners: number[] = [];
  /** The corner at the other end of its vertical edge. */
  const across: number[] = [];
  const open = new Map<number, number>();
  let above: number[] = [];
  for (let y = 0, i = 0; y <= height; y++) {
    const row: number[] = [];
    for (; i < runs.length && runs[i] < (y + 1) * width; i += 2) {
      const x = runs[i] - y * width;
      if (row.at(-1) === x) row.pop();
      else row.push(x);
      row.push(x + runs[i + 1]);
    }
    for (const x of difference(above, row)) {
      const corner = across.length;
      corners.push(x, y);
      const since = open.get(x);
      if (since === undefined) open.set(x, corner);
      else {
        across[since] = corner;
        open.delete(x);
      }
      across.push(since ?? -1);
    }
    above = row;
  }
  return walked(corners, across);
}

/** Follow vertical and horizontal edges in turn until every corner has been visited. */
function walked(corners: number[], across: number[]): Line[] {
  const lines: Line[] = [];
  const passed = new Uint8Array(across.length);
  for (let first = 0; first < across.length; first++) {
    if (passed[first]) continue;
    const line: number[] = [];
    for (let corner = first; !passed[corner]; ) {
      const next = across[corner];
      for (const one of [corner, next]) {
        passed[one] = 1;
        line.push(corners[2 * one], corners[2 * one + 1]);
      }
      corner = next ^ 1;
    }
    lines.push(Int32Array.from(line));
  }
  return lines;
}

/** The symmetric difference of two ascending lists. */
function difference(a: number[], b: number[]): number[] {
  const result: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (j >= b.length || a[i] < b[j]) result.push(a[i++]);
    else if (i >= a.length || b[j] < a[i]) result.push(b[j++]);
    else {
      i++;
      j++;
    }
  }
  return result;
}

/**
 * A closed line with fewer corners. Those left out are at most `tolerance` from the new line.
 *
 * Corners are left out as long as one straight line from the last corner kept passes all of them within the tolerance.
 * The directions that this line may have form a cone, which every corner narrows.
 */
export function simplified(line: Line, tolerance: number): Line {
  const count = line.length / 2;
  const kept = [line[0], line[1]];
  let [fromX, fromY] = [line[0], line[1]];
  /** The cone's two sides, if there is one, and how far the line has gone along it. */
  let [leftX, leftY, rightX, rightY, far] = [0, 0, 0, 0, 0];
  for (let i = 1; i <= count; i++) {
    let [x, y] = [line[2 * (i % count)] - fromX, line[2 * (i % count) + 1] - fromY];
    let away = Math.hypot(x, y);
    // Outside the cone, or turning back: keep the corner before.
    if (far > 0 && (leftX * y - leftY * x > 0 || rightX * y - rightY * x < 0 || away < far - tolerance)) {
      [fromX, fromY] = [line[2 * i - 2], line[2 * i - 1]];
      kept.push(fromX, fromY);
      [x, y] = [line[2 * (i % count)] - fromX, line[2 * (i % count) + 1] - fromY];
      [away, far] = [Math.hypot(x, y), 0];
    }
    if (away <= tolerance) continue;
    const sine = tolerance / away;
    const cosine = Math.sqrt(1 - sine * sine);
    const [lx, ly] = [x * cosine - y * sine, y * cosine + x * sine];
    const [rx, ry] = [x * cosine + y * sine, y * cosine - x * sine];
    if (far === 0 || leftX * ly - leftY * lx < 0) [leftX, leftY] = [lx, ly];
    if (far === 0 || rightX * ry - rightY * rx > 0) [rightX, rightY] = [rx, ry];
    far = Math.max(far, away);
  }
  // A speck is kept unchanged, because nothing would be left of it.
  return kept.length < 6 ? line : Int32Array.from(kept);
}

/** A corner that is rounded: a quadratic curve around it. */
export interface Curve {
  readonly from: Vec;
  readonly corner: Vec;
  readonly to: Vec;
}

/** The longest part of an edge, in pixels, that goes into the rounding of a corner. */
const ROUND = 3;

/** The corners of a closed line, rounded: up to half of each edge, so that short edges become one smooth curve. */
export function rounded(line: Line): Curve[] {
  const count = line.length / 2;
  const corners = Array.from({ length: count }, (_, i): Vec => ({ x: line[2 * i], y: line[2 * i + 1] }));
  return corners.map((corner, i) => ({
    from: towards(corner, corners[(i + count - 1) % count]),
    corner,
    to: towards(corner, corners[(i + 1) % count]),
  }));
}

function towards(from: Vec, to: Vec): Vec {
  const share = Math.min(0.5, ROUND / (distance(from, to) || 1));
  return { x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) };
}
