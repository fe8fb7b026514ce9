/** Renderings: how black, white, gamma and channels map between the controls and the kernel. Pure: no DOM. */

import type { ImageData, RenderingData, ValuesData } from "../protocol";

/** The ends and the step of the sliders for black and white. */
export interface Scale {
  readonly low: number;
  readonly high: number;
  readonly step: number;
}

export const GAMMAS = { low: 0.2, high: 5 } as const;

export function scaleOf({ dtype, low, high, black, white }: ValuesData): Scale {
  const [from, to] = [Math.min(low, black), Math.max(high, white)];
  const step = dtype.startsWith("float") ? (to - from) / 1000 : 1;
  return { low: from, high: to, step };
}

/** The channels shown as red, green and blue by default. */
export function usualChannels(channels: number): number[] {
  return channels >= 3 ? [0, 1, 2] : [0];
}

/** The values shown as black and white. */
export function windowOf({ values }: ImageData, rendering: RenderingData): { black: number; white: number } {
  return { black: rendering.black ?? values.black, white: rendering.white ?? values.white };
}

/** A rendering with a different black or white. Neither can pass the other: it pushes it along. */
export function withWindow(
  image: ImageData,
  rendering: RenderingData,
  changed: { black?: number; white?: number },
): RenderingData {
  const { low, high, step } = scaleOf(image.values);
  let { black, white } = { ...windowOf(image, rendering), ...changed };
  if (white - black < step) {
    if (changed.white === undefined) white = Math.min(high, black + step);
    if (white - black < step) black = Math.max(low, white - step);
    if (white - black < step) white = black + step;
  }
  return spelled(image, { ...rendering, black, white });
}

/** The same rendering with defaults left out, so that equal renderings compare equal. */
export function spelled({ values }: ImageData, { channels, black, white, gamma }: RenderingData): RenderingData {
  const usual = String(channels) === String(usualChannels(values.channels));
  return {
    channels: usual ? [] : channels,
    black: black === values.black ? null : black,
    white: white === values.white ? null : white,
    gamma,
  };
}
