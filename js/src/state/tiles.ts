/** The tiles of the photo: which to fetch and keep, at which level of detail. Pure: no DOM. */

import { clamp, type Size, toImage, type View } from "../geometry/geometry";
import type { ImageData, RenderingData } from "../protocol";

/** Level 0 is the photo at full size, each further level half the one before; the last is a single tile. */
export interface Place {
  readonly level: number;
  readonly column: number;
  readonly row: number;
}

/** A tile that has arrived. */
export interface Tile<Bitmap> extends Place {
  readonly bitmap: Bitmap;
  /** The number of the rendering it shows; the greatest is the newest. */
  readonly rendering: number;
}

/** The part of the view that `look` depends on. */
export interface Sight {
  readonly view: View;
  readonly frame: Size;
  /** Device pixels per CSS pixel. */
  readonly ratio: number;
  readonly rendering: RenderingData;
}

export interface TilesOptions<Bitmap> {
  /** Fetch and decode a tile; null if that fails. */
  ask: (place: Place, rendering: RenderingData) => Promise<Bitmap | null>;
  close: (bitmap: Bitmap) => void;
  changed: () => void;
}

export const USUAL: RenderingData = { channels: [], black: null, white: null, gamma: 1 };

/** Maximum number of cached tiles, unless more are visible at once: at 512 x 512 they take 1 MB each. */
export const MOST_TILES = 96;
/** Maximum number of open requests. */
const MOST_ASKED = 4;
/** How far beyond the frame to look ahead, as a share of its size. */
const AHEAD = 0.25;

/** The coarsest level whose pixels are no larger than the screen's. */
export function levelFor(scale: number, ratio: number, levels: number): number {
  return clamp(Math.floor(Math.log2(1 / (scale * ratio)) + 0.01), 0, levels - 1);
}

/** The tiles of a level within the frame, widened by `ahead` times its size; those nearest its middle first. */
export function tilesWithin(image: ImageData, level: number, view: View, frame: Size, ahead = 0): Place[] {
  if (level === image.levels - 1) return [{ level, column: 0, row: 0 }];
  const side = image.tile * 2 ** level;
  const [mx, my] = [frame.width * ahead, frame.height * ahead];
  const from = toImage(view, { x: -mx, y: -my });
  const to = toImage(view, { x: frame.width + mx, y: frame.height + my });
  const middle = toImage(view, { x: frame.width / 2, y: frame.height / 2 });
  const last = { column: Math.ceil(image.width / side) - 1, row: Math.ceil(image.height / side) - 1 };
  const found: Place[] = [];
  for (let row = Math.max(0, Math.floor(from.y / side)); row <= Math.min(last.row, Math.ceil(to.y / side) - 1); row++)
    for (
      let column = Math.max(0, Math.floor(from.x / side));
      column <= Math.min(last.column, Math.ceil(to.x / side) - 1);
      column++
    )
      found.push({ level, column, row });
  const away = ({ column, row }: Place): number =>
    Math.hypot((column + 0.5) * side - middle.x, (row + 0.5) * side - middle.y);
  return found.sort((a, b) => away(a) - away(b));
}

export class Tiles<Bitmap> {
  /** Grows whenever there is something new to draw. */
  version = 0;
  /** The photo that the tiles are of. */
  image: ImageData | null = null;
  readonly #options: TilesOptions<Bitmap>;
  /** The loaded tiles, least recently used first. */
  readonly #tiles = new Map<string, Tile<Bitmap>>();
  readonly #asked = new Set<string>();
  /** Renderings that failed, by tile. */
  readonly #failed = new Map<string, number>();
  #needed: Place[] = [];
  #rendering = { number: 0, data: USUAL };
  #closed = false;

  constructor(options: TilesOptions<Bitmap>) {
    this.#options = options;
  }

  /** Number of cached tiles. */
  get held(): number {
    return this.#tiles.size;
  }

  /** Whether the whole photo is loaded, at least coarsely. */
  get ready(): boolean {
    return this.whole !== null;
  }

  /** The last level's only tile. */
  get whole(): Tile<Bitmap> | null {
    return (this.image && this.#tiles.get(keyOf(wholeOf(this.image)))) ?? null;
  }

  /** Whether every tile of the last look is loaded in its rendering. */
  get complete(): boolean {
    return this.ready && this.#needed.every((place) => this.#isFresh(place));
  }

  /** Set the photo of the state; a different photo drops all tiles. */
  show(image: ImageData | null): void {
    if (image?.hash === this.image?.hash && image?.levels === this.image?.levels) return;
    this.#drop();
    this.image = image;
    this.#needed = image ? [wholeOf(image)] : [];
    this.#pump();
  }

  /** Request the tiles that are visible in a view. */
  look({ view, frame, ratio, rendering }: Sight): void {
    const { image } = this;
    if (!image) return;
    if (!sameRendering(rendering, this.#rendering.data))
      this.#rendering = { number: this.#rendering.number + 1, data: rendering };
    const level = levelFor(view.scale, ratio, image.levels);
    const whole = wholeOf(image);
    const seen = tilesWithin(image, level, view, frame);
    const near = tilesWithin(image, level, view, frame, AHEAD);
    // First the whole photo; once it is loaded, the visible tiles.
    const wanted = this.ready ? [...seen, whole, ...near] : [whole, ...seen, ...near];
    this.#needed = [...new Map(wanted.map((place) => [keyOf(place), place])).values()];
    for (const place of this.#needed) {
      const tile = this.#tiles.get(keyOf(place));
      if (tile) this.#keep(tile);
    }
    this.#pump();
  }

  /** The tiles to draw in a view, lowest first: coarse tiles show until finer ones arrive. */
  within(view: View, frame: Size, ratio: number): Tile<Bitmap>[] {
    const { image } = this;
    if (!image) return [];
    const found: Tile<Bitmap>[] = [];
    for (let level = levelFor(view.scale, ratio, image.levels); level < image.levels; level++) {
      const places = tilesWithin(image, level, view, frame);
      const here = places.map((place) => this.#tiles.get(keyOf(place))).filter((tile) => tile !== undefined);
      found.unshift(...here);
      if (here.length === places.length) break;
    }
    return found;
  }

  /** Request failed tiles again, because the kernel is back. */
  retry(): void {
    this.#failed.clear();
    this.#pump();
  }

  /** Release all tiles. */
  close(): void {
    this.#closed = true;
    this.#drop();
  }

  #isFresh(place: Place): boolean {
    return this.#tiles.get(keyOf(place))?.rendering === this.#rendering.number;
  }

  #pump(): void {
    for (const place of this.#needed) {
      const key = keyOf(place);
      if (this.#closed || this.#asked.size >= MOST_ASKED) return;
      if (this.#isFresh(place) || this.#asked.has(key) || this.#failed.get(key) === this.#rendering.number) continue;
      void this.#ask(place, key);
    }
  }

  async #ask(place: Place, key: string): Promise<void> {
    const { image } = this;
    const { number, data } = this.#rendering;
    this.#asked.add(key);
    const bitmap = await this.#options.ask(place, data);
    this.#asked.delete(key);
    const current = image === this.image && !this.#closed;
    if (bitmap !== null && !current) this.#options.close(bitmap);
    else if (bitmap !== null) this.#keep({ ...place, bitmap, rendering: number });
    else if (current) this.#failed.set(key, number);
    if (current) this.#evict();
    this.version++;
    this.#options.changed();
    this.#pump();
  }

  /** Make a tile the most recently used; it replaces an older one. */
  #keep(tile: Tile<Bitmap>): void {
    const key = keyOf(tile);
    const old = this.#tiles.get(key);
    if (old && old !== tile) this.#options.close(old.bitmap);
    this.#tiles.delete(key);
    this.#tiles.set(key, tile);
  }

  #evict(): void {
    const needed = new Set(this.#needed.map(keyOf));
    for (const [key, tile] of this.#tiles) {
      if (this.#tiles.size <= MOST_TILES) return;
      if (needed.has(key)) continue;
      this.#tiles.delete(key);
      this.#options.close(tile.bitmap);
    }
  }

  #drop(): void {
    for (const tile of this.#tiles.values()) this.#options.close(tile.bitmap);
    this.#tiles.clear();
    this.#failed.clear();
    this.version++;
  }
}

export function sameRendering(a: RenderingData, b: RenderingData): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

function wholeOf(image: ImageData): Place {
  return { level: image.levels - 1, column: 0, row: 0 };
}

function keyOf({ level, column, row }: Place): string {
  return `${level}/${column}/${row}`;
}
