/** Bitmaps that several views show: each is fetched once, and closed when the last view releases it. */

interface Entry<Bitmap> {
  readonly bitmap: Promise<Bitmap | null>;
  holders: number;
}

export class BitmapPool<Bitmap> {
  readonly #close: (bitmap: Bitmap) => void;
  readonly #entries = new Map<string, Entry<Bitmap>>();
  readonly #keys = new Map<Bitmap, string>();

  constructor(close: (bitmap: Bitmap) => void) {
    this.#close = close;
  }

  /** The bitmap of this key, fetched unless it is loaded or loading; null if that fails. Release it after use. */
  async acquire(key: string, fetch: () => Promise<Bitmap | null>): Promise<Bitmap | null> {
    const entry = this.#entries.get(key) ?? { bitmap: fetch(), holders: 0 };
    this.#entries.set(key, entry);
    entry.holders++;
    const bitmap = await entry.bitmap;
    if (bitmap !== null) this.#keys.set(bitmap, key);
    else if (this.#entries.get(key) === entry) this.#entries.delete(key);
    return bitmap;
  }

  release(bitmap: Bitmap): void {
    const key = this.#keys.get(bitmap);
    const entry = key === undefined ? undefined : this.#entries.get(key);
    if (key === undefined || !entry || --entry.holders > 0) return;
    this.#entries.delete(key);
    this.#keys.delete(bitmap);
    this.#close(bitmap);
  }
}
