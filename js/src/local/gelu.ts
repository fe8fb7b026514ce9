/** The Gaussian error linear unit, as PyTorch's default has it. */

import type { Matrix } from "./arithmetic";

/** Replace each number by its product with the share of a normal distribution below it. */
export function gelu(x: Matrix): Matrix {
  const { values } = x;
  for (let i = 0; i < values.length; i++) values[i] *= 0.5 * (1 + errorFunction(values[i] * Math.SQRT1_2));
  return x;
}

/** Abramowitz and Stegun, 7.1.26; the error is below 1.5e-7. */
function errorFunction(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}
