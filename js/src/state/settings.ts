/** The ranges of the mask settings' sliders, and how values map to positions. Pure: no DOM. */

import type { Size } from "../geometry/geometry";
import type { SettingsData } from "../protocol";

export interface Range {
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  /** The value at a position of the slider. */
  value(position: number): number;
  /** The position of a value; a script may have set one beyond the slider's ends. */
  position(value: number): number;
  text(value: number): string;
}

/** Steps of a slider for areas. Small areas matter most, so the value grows with the square of the position. */
const STEPS = 100;
/** The largest hole or island that a slider reaches, as a fraction of the image. */
const LARGEST = 0.02;

/** The sliders for an image of this size. */
export function ranges({ width, height }: Size): Record<Exclude<keyof SettingsData, "specks">, Range> {
  const largest = Math.max(100, LARGEST * width * height);
  const area = (label: string): Range => ({
    label,
    min: 0,
    max: STEPS,
    step: 1,
    value: (position) => Math.round(largest * (position / STEPS) ** 2),
    position: (value) => Math.round(STEPS * Math.sqrt(Math.min(value / largest, 1))),
    text: (value) => (value ? `${value.toLocaleString("en")} px` : "off"),
  });
  const plain = (label: string, min: number, max: number, step: number, text: Range["text"]): Range => ({
    label,
    min,
    max,
    step,
    value: (position) => position,
    position: (value) => Math.min(Math.max(value, min), max),
    text,
  });
  const widest = Math.max(5, Math.round(Math.max(width, height) / 100));
  return {
    threshold: plain(
      "Threshold",
      -5,
      5,
      0.1,
      (value) => (value > 0 ? "+" : value < 0 ? "−" : "") + Math.abs(value).toFixed(1),
    ),
    holes: area("Fill holes"),
    islands: area("Drop islands"),
    smoothing: plain("Smoothing", 0, widest, 0.5, (value) => (value ? `${value.toFixed(1)} px` : "off")),
  };
}
