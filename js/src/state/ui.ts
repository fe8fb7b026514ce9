/** The local state of this view: the current tool, the visible part, the keyboard cursor. Not kept across a reload. */

import { fitView, resize, type Size, type Vec, type View } from "../geometry/geometry";
import type { Handle } from "../geometry/handles";
import type { PromptData } from "../protocol";

export type Tool = "point" | "box" | "brush" | "lasso" | "pick" | "pan";

/** A brush stroke that the kernel has not painted yet, in image pixels. */
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
  /** Where the pointer is on the photo, in image pixels; nothing is drawn there. */
  pointer: Vec | null = null;
  /** Whether the cursor has moved since the last point: if so, Enter places a point, else it accepts. */
  cursorMoved = false;
  /** The first corner of an unfinished box, in image pixels. */
  anchor: Vec | null = null;
  /** The other corner while a box is drawn, in image pixels. */
  opposite: Vec | null = null;
  /** Whether another box keeps the earlier ones. */
  several = false;
  /** Whether brush and lasso erase. */
  erase = false;
  /** Whether the lasso tool encloses an area; else it scribbles. */
  encloses = true;
  /** Diameter of the brush in CSS pixels, so that it paints finer when zoomed in. */
  brushSize = 28;
  /** The line of the brush or lasso while it is being drawn, in image pixels. */
  line: readonly Vec[] = [];
  lineLabel: 0 | 1 = 1;
  painting: Painting | null = null;
  /** The part of the prompt that arrow keys move and Delete removes. */
  selected: Handle | null = null;
  /** The prompt while one of its handles is being moved. */
  moving: PromptData | null = null;
  /** Whether the pointer is over a handle. */
  overHandle = false;
  /** The ids of the picked objects, in the order in which they were picked. */
  marked: readonly string[] = [];
  /** The candidate previewed without choosing it. */
  preview: number | null = null;
  /** The id of the object that the pointer is on. */
  highlight: string | null = null;
  /** Whether a click with the pick tool keeps the objects picked before. */
  pickSeveral = false;
  /** Points per side of the grid in everything mode. */
  grid = 32;
  spaceHeld = false;
  panning = false;
  helpOpen = false;
  /** Whether a gallery lists its images. */
  overviewOpen = false;
  /** Whether the mask under the pointer is shown; while null, the kernel's speed decides. */
  hover: boolean | null = null;
  /** Whether the visible part is sharpened automatically once the view rests. */
  sharpens = false;
  label = "";
  /** Labels given in this view, in the order of their first use. */
  labels: readonly string[] = [];
  /** Whether the field for words is open. */
  finding = false;
  /** The text of that field. */
  words = "";
  /** The field is about to get the focus. */
  focusesWords = false;
  /** The ids of the objects that serve as examples of what to find. */
  like: readonly string[] = [];
  /** The id of the selected instance of the search, and of the one that the pointer is on. */
  instance: string | null = null;
  pointed: string | null = null;
  /** The label's field is about to get the focus. */
  focusesLabel = false;
  #image: Size | null = null;
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  set(values: Partial<Omit<Ui, "set" | "layout">>): void {
    Object.assign(this, values);
    this.#changed();
  }

  /** Set the sizes of image and frame; the view follows. */
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
