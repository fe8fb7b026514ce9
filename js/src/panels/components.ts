/** Principal components as colours; `sam_widget/predictor/pca.py` has the same. Pure. */

import { blank, type Pixels } from "./drawing";

/** Features (pixels, channels) as RGB, in which similar features have similar colours. */
export function componentsOf(features: Float32Array, channels: number, width: number, height: number): Pixels {
  const count = width * height;
  const centred = new Float64Array(features);
  for (let c = 0; c < channels; c++) {
    let mean = 0;
    for (let i = c; i < centred.length; i += channels) mean += centred[i] / count;
    for (let i = c; i < centred.length; i += channels) centred[i] -= mean;
  }
  const data = blank(width, height, [0, 0, 0]).data;
  axesOf(covariance(centred, channels)).forEach((axis, k) => {
    const scores = Float64Array.from({ length: count }, (_, i) =>
      axis.reduce((sum, weight, c) => sum + weight * centred[i * channels + c], 0),
    );
    const [low, high] = percentiles(scores, 0.02, 0.98);
    for (let i = 0; i < count; i++) data[4 * i + k] = (255 * (scores[i] - low)) / Math.max(high - low, 1e-12);
  });
  return { width, height, data };
}

function covariance(rows: Float64Array, channels: number): Float64Array[] {
  const made = Array.from({ length: channels }, () => new Float64Array(channels));
  for (let at = 0; at < rows.length; at += channels)
    for (let a = 0; a < channels; a++) for (let b = 0; b < channels; b++) made[a][b] += rows[at + a] * rows[at + b];
  return made;
}

/** The three axes of largest variance, by Jacobi's rotations; the largest weight of each is positive. */
function axesOf(matrix: Float64Array[]): Float64Array[] {
  const size = matrix.length;
  const vectors = matrix.map((_, i) => Float64Array.from({ length: size }, (_, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < 12; sweep++)
    for (let p = 0; p < size; p++)
      for (let q = p + 1; q < size; q++) {
        if (Math.abs(matrix[p][q]) < 1e-300) continue;
        const theta = (matrix[q][q] - matrix[p][p]) / (2 * matrix[p][q]);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const cosine = 1 / Math.hypot(t, 1);
        for (const row of [...matrix, ...vectors]) {
          const [a, b] = [row[p], row[q]];
          row[p] = cosine * (a - t * b);
          row[q] = cosine * (t * a + b);
        }
        for (let i = 0; i < size; i++) {
          const [a, b] = [matrix[p][i], matrix[q][i]];
          matrix[p][i] = cosine * (a - t * b);
          matrix[q][i] = cosine * (t * a + b);
        }
      }
  const order = matrix.map((_, i) => i).sort((a, b) => matrix[b][b] - matrix[a][a]);
  const most = Math.max(matrix[order[0]][order[0]], 1e-30);
  return order
    .slice(0, 3)
    .filter((i) => matrix[i][i] > 1e-9 * most)
    .map((i) => {
      const axis = Float64Array.from(vectors, (row) => row[i]);
      const largest = axis.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
      return axis.map((value) => value * Math.sign(largest));
    });
}

/** Percentiles, linear between the values next to them. */
function percentiles(values: Float64Array, ...shares: number[]): number[] {
  const sorted = values.slice().sort();
  return shares.map((share) => {
    const at = share * (sorted.length - 1);
    const low = Math.floor(at);
    return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
  });
}
