/** What a panel is about: a photo, the grid of its embedding, and, of a scene, its true masks. */

import { CELLS, INPUT, SIDES } from "../local/grid";
import type { Frame } from "../local/model";
import { pixelsOf } from "../local/tidy";
import { fitted, type PhotoSize, Upscaling } from "../local/upscaling";
import { blend, enlarged, type Pixels } from "./drawing";

const FRAME: Frame = { input: INPUT, logits: SIDES[0], stretched: false, cubic: false };

export class Subject {
  readonly size: PhotoSize;
  /** Rows and columns of the grid that cover the photo; the last ones may extend over its edge. */
  readonly rows: number;
  readonly columns: number;
  readonly upscaling: Upscaling;
  readonly #tall: number;
  readonly #wide: number;

  constructor(
    readonly number: number,
    readonly photo: Pixels,
    /** Features of the cells (576, channels), row by row. */
    readonly embedding: { readonly values: Float32Array; readonly channels: number },
    /** Of the objects of a scene: 1 for a pixel inside. */
    readonly masks: readonly Uint8Array[],
  ) {
    const { width, height } = photo;
    this.size = { width, height };
    this.upscaling = new Upscaling(this.size, FRAME);
    const inside = fitted(this.size, FRAME);
    const patch = INPUT / CELLS;
    [this.rows, this.columns] = [Math.ceil(inside.height / patch), Math.ceil(inside.width / patch)];
    [this.#tall, this.#wide] = [(height * patch) / inside.height, (width * patch) / inside.width];
  }

  get count(): number {
    return this.rows * this.columns;
  }

  /** The cell at a position of the photo: its row and column. */
  cellAt(x: number, y: number): readonly [number, number] {
    return [
      Math.min(Math.floor(y / this.#tall), this.rows - 1),
      Math.min(Math.floor(x / this.#wide), this.columns - 1),
    ];
  }

  /** A cell in the photo: left, top, width, height. */
  boxOf([row, column]: readonly [number, number]): readonly [number, number, number, number] {
    return [column * this.#wide, row * this.#tall, this.#wide, this.#tall];
  }

  /** The part of values on the whole grid that covers the photo. */
  cells(values: ArrayLike<number>): Float32Array {
    return cropped(values, CELLS, this.rows, this.columns);
  }

  /** The part of logits that covers the photo. */
  unpadded(logits: Float32Array): Float32Array {
    const { width, height } = this.upscaling.inside;
    return cropped(logits, SIDES[0], height, width);
  }

  /** Which pixels of the photo are in a mask: 1, or 0. */
  pixels(logits: Float32Array, threshold = 0): Uint8Array {
    return pixelsOf(this.upscaling.mask(logits, threshold));
  }

  /** Colours of the cells (RGBA) in their places. */
  spread(colours: Uint8ClampedArray): Pixels {
    const { width, height } = this.size;
    const [large, tall] = [
      Math.max(Math.round(this.columns * this.#wide), width),
      Math.max(Math.round(this.rows * this.#tall), height),
    ];
    const whole = enlarged(colours, this.columns, large, tall);
    if (large === width && tall === height) return whole;
    const data = new Uint8ClampedArray(4 * width * height);
    for (let y = 0; y < height; y++)
      data.set(whole.data.subarray(4 * y * large, 4 * (y * large + width)), 4 * y * width);
    return { width, height, data };
  }

  /** The photo in grey under colours of the cells. */
  over(colours: Uint8ClampedArray): Pixels {
    return blend(this.photo, this.spread(colours));
  }
}

function cropped(values: ArrayLike<number>, side: number, rows: number, columns: number): Float32Array {
  return Float32Array.from(
    { length: rows * columns },
    (_, i) => values[Math.floor(i / columns) * side + (i % columns)],
  );
}
