/** What only this view knows: the tool in hand, where it looks, the keyboard cursor. Lost on reload, and that is fine. */

import { fitView, resize, type Size, type Vec, type View } from "../geometry/geometry";
import type { Handle } from "../geometry/handles";
import type { PromptData } from "../protocol";

export type Tool = "point" | "box" | "brush" | "lasso" | "pick" | "pan";

/** A line of the brush that the kernel has not painted yet: in image pixels. */
export interface Painting {
  readonly line: readonly Vec[];
  readonly radius: number;
  readonly label: 0 | 1;
}

export class Ui {
  tool: Tool = "point";
  /** The size of the canvas area in CSS pixels; null until it is laid out. */
  frame: Size | null = null;
  view: View = { scale: 1, x: 0, y: 0 };
  /** The keyboard cursor in image pixels, once arrow keys have been used. */
  cursor: Vec | null = null;
  /** Whether the cursor has moved since the last point: then Enter places a point, else it accepts. */
  cursorMoved = false;
  /** The first corner of a box of which the second is still to come, in image pixels. */
  anchor: Vec | null = null;
  /** The other corner while a box is drawn, in image pixels. */
  opposite: Vec | null = null;
  /** Whether a further box leaves the earlier ones. */
  several = false;
  /** Whether brush and lasso take away. */
  erase = false;
  /** Whether the lasso tool encloses; else it scribbles. */
  encloses = true;
  /** Diameter of the brush in CSS pixels: zoomed in, it paints finer. */
  brushSize = 28;
  /** The line of a brush or lasso while it is drawn, in image pixels. */
  line: readonly Vec[] = [];
  lineLabel: 0 | 1 = 1;
  painting: Painting | null = null;
  /** What of the prompt the arrow keys move and Delete removes. */
  selected: Handle | null = null;
  /** The prompt while one of its handles is moved. */
  moving: PromptData | null = null;
  /** Whether the pointer is over a handle. */
  overHandle = false;
  /** The ids of the objects that are picked, on the photo or in the list, in the order in which they were. */
  marked: readonly string[] = [];
  /** The candidate looked at without choosing it. */
  preview: number | null = null;
  /** The id of the object pointed at in the list. */
  highlight: string | null = null;
  /** Whether a click with the pick tool leaves the objects picked before. */
  pickSeveral = false;
  /** Points a side of the grid that everything mode asks about. */
  grid = 32;
  spaceHeld = false;
  panning = false;
  helpOpen = false;
  /** Whether a gallery lists its images. */
  overviewOpen = false;
  /** Whether the mask under the pointer is shown; null until a person says, and then the kernel's speed decides. */
  hover: boolean | null = null;
  /** Whether what is seen is embedded by itself once the view rests. */
  sharpens = false;
  label = "";
  #image: Size | null = null;
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  set(values: Partial<Omit<Ui, "set" | "layout">>): void {
    Object.assign(this, values);
    this.#changed();
  }

  /** Take note of the image's and the frame's size; the view follows. */
  layout(image: Size | null, frame: Size): void {
    const sameImage = image?.width === this.#image?.width && image?.height === this.#image?.height;
    const sameFrame = frame.width === this.frame?.width && frame.height === this.frame?.height;
    if (sameImage && sameFrame) return;
    if (image)
      this.view = sameImage && this.frame ? resize(this.view, image, this.frame, frame) : fitView(image, frame);
    this.#image = image;
    if (!sameImage) this.#forgetPlaces();
    this.set({ frame });
  }

  #forgetPlaces(): void {
    this.cursor = null;
    this.cursorMoved = false;
    this.anchor = null;
    this.opposite = null;
    this.line = [];
    this.selected = null;
    this.moving = null;
  }
}
