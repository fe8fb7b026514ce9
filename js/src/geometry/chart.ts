/** Geometry of small line charts. Pure: no DOM. */

export interface Chart {
  readonly width: number;
  readonly height: number;
}

/** Space between the line and the edges of a chart, so that its ends are not cut off. */
const MARGIN = 2;

/** The mean of each value and up to `over` - 1 before it, as in the report of the kernel. */
export function runningMean(values: readonly number[], over = 10): number[] {
  return values.map((_, i) => {
    const near = values.slice(Math.max(0, i - over + 1), i + 1);
    return near.reduce((sum, value) => sum + value, 0) / near.length;
  });
}

/** The places of values in a chart, x and y in turn: from left to right, 0 at the bottom, `most` at the top. */
export function places(values: readonly number[], most: number, { width, height }: Chart): number[] {
  const step = values.length > 1 ? (width - 2 * MARGIN) / (values.length - 1) : 0;
  const scale = most > 0 ? (height - 2 * MARGIN) / most : 0;
  // Tenths of a pixel are enough, and keep the attribute short.
  return values.flatMap((value, i) =>
    [MARGIN + i * step, height - MARGIN - Math.min(value, most) * scale].map((place) => Math.round(10 * place) / 10),
  );
}

/** The highest value that is shown: one mask that took very long must not flatten the others. */
export function ceiling(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const high = sorted[Math.floor(0.95 * (sorted.length - 1))];
  return Math.max(high * 1.15, Math.max(...runningMean(values)));
}

/** First and last value in words: "12 → 7 s". */
export function change(values: readonly number[], text: (value: number) => string): string {
  if (values.length === 0) return "";
  const first = text(values[0]);
  const last = text(values.at(-1) ?? 0);
  return values.length === 1 ? first : `${first} → ${last}`;
}
