/** The display options of this view. They are not shared with other views, saved, or kept across a reload. */

import type { RenderingData } from "../protocol";

/** Masks as coloured areas, as outlines, or as holes in a cover that hides the rest of the photo. */
export type MaskStyle = "filled" | "outline" | "cutout";

export const MASK_STYLES: readonly MaskStyle[] = ["filled", "outline", "cutout"];

export class Display {
  masks: MaskStyle = "filled";
  /** Opacity of the chosen mask's fill; the others are scaled by it. */
  opacity = 0.4;
  /** Whether the photo is shown behind the masks. */
  photo = true;
  /** Whether the objects' labels are shown on the photo. */
  names = true;
  /** How the photo's values become colours; null for how the model sees them. */
  rendering: RenderingData | null = null;
  /** Whether the widget fills the screen. */
  full = false;
  /** Whether the view options are open. */
  open = false;
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  set(values: Partial<Omit<Display, "set">>): void {
    Object.assign(this, values);
    this.#changed();
  }
}
