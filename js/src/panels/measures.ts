/** Masks as 1 and 0 for each pixel: how much they agree, and what a drawing covers. Pure. */

/** Intersection over union; 1 if both are empty. */
export function iou(first: Uint8Array, second: Uint8Array): number {
  let [both, either] = [0, 0];
  for (let i = 0; i < first.length; i++) {
    both += first[i] & second[i];
    either += first[i] | second[i];
  }
  return either === 0 ? 1 : both / either;
}

/** The mean IoU of all pairs of masks. */
export function agreement(masks: readonly Uint8Array[]): number {
  const pairs = masks.flatMap((mask, i) => masks.slice(i + 1).map((other) => iou(mask, other)));
  return pairs.length === 0 ? 1 : pairs.reduce((sum, value) => sum + value, 0) / pairs.length;
}

export function areaOf(mask: Uint8Array): number {
  return mask.reduce((sum, value) => sum + value, 0);
}

/** Which pixels of a mask at another size are at least half covered, bilinearly. */
export function resized(
  mask: Uint8Array,
  [columns, rows]: readonly [number, number],
  [width, height]: readonly [number, number],
): Uint8Array {
  const made = new Uint8Array(width * height);
  const ends = (i: number, from: number, to: number): [number, number, number] => {
    const at = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    const low = Math.floor(at);
    return [low, Math.min(low + 1, from - 1), at - low];
  };
  const across = Array.from({ length: width }, (_, x) => ends(x, columns, width));
  for (let y = 0; y < height; y++) {
    const [top, bottom, v] = ends(y, rows, height);
    across.forEach(([left, right, u], x) => {
      const upper = (1 - u) * mask[top * columns + left] + u * mask[top * columns + right];
      const lower = (1 - u) * mask[bottom * columns + left] + u * mask[bottom * columns + right];
      if ((1 - v) * upper + v * lower > 0.5) made[y * width + x] = 1;
    });
  }
  return made;
}

/** Add the inside of a polygon to a mask, with the pixels on its border, as Pillow fills it. */
export function fill(mask: Uint8Array, width: number, corners: readonly (readonly [number, number])[]): void {
  if (corners.length < 3) return;
  const whole = corners.map(([x, y]) => [Math.trunc(x - 0.5), Math.trunc(y - 0.5)] as const);
  const height = mask.length / width;
  const last = Math.max(...whole.map(([, y]) => y));
  for (let y = Math.max(0, Math.min(...whole.map(([, y]) => y))); y <= Math.min(height - 1, last); y++) {
    const crossings: number[] = [];
    whole.forEach(([x0, y0], i) => {
      const [x1, y1] = whole[(i + 1) % whole.length];
      const [low, high] = [Math.min(y0, y1), Math.max(y0, y1)];
      if (low === high || y < low || y > high || (y === high && high < last)) return;
      crossings.push(x0 + ((y - y0) * (x1 - x0)) / (y1 - y0));
    });
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const from = Math.max(0, Math.floor(crossings[i] + 0.5));
      const to = Math.min(width - 1, Math.ceil(crossings[i + 1] - 0.5));
      if (from <= to) mask.fill(1, y * width + from, y * width + to + 1);
    }
  }
}
