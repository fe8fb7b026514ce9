/** A prompt as the decoder takes it: places in the unit square of the model's input. Pure. */

export interface AskedPoint {
  readonly x: number;
  readonly y: number;
  readonly label: 0 | 1;
}

export interface Asked {
  readonly points: readonly AskedPoint[];
  /** x0, y0, x1, y1. */
  readonly box: readonly [number, number, number, number] | null;
}
