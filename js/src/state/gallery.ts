/** A gallery's images: names, objects, which are done, what was found in them. Empty for a widget of one image. */

import type { GalleryData, PlaceData, SearchedData } from "../protocol";

/** The part of an anywidget model that is used here. */
export interface GalleryModel {
  get(key: string): unknown;
  on(event: string, callback: () => void): void;
  off(event: string, callback: () => void): void;
}

export class Gallery {
  names: readonly string[] = [];
  place: PlaceData = { index: 0, objects: [], done: [], failed: [] };
  /** The search in all images; null if there is none. */
  searched: SearchedData | null = null;

  constructor(model: GalleryModel, changed: () => void, signal: AbortSignal) {
    const read = (): void => {
      const gallery = model.get("gallery") as Partial<GalleryData> | undefined;
      const place = model.get("place") as Partial<PlaceData> | undefined;
      if (Array.isArray(gallery?.names)) this.names = gallery.names;
      if (typeof place?.index === "number") this.place = place as PlaceData;
      const searched = model.get("searched") as Partial<SearchedData> | undefined;
      this.searched = Array.isArray(searched?.hits) ? (searched as SearchedData) : null;
      changed();
    };
    for (const event of ["change:gallery", "change:place", "change:searched"]) {
      model.on(event, read);
      signal.addEventListener("abort", () => model.off(event, read), { once: true });
    }
    read();
  }

  /** Whether there is a gallery. */
  get open(): boolean {
    return this.names.length > 0;
  }

  /** An image's name and progress, in words. */
  describe(index: number): string {
    const { objects, done, failed } = this.place;
    const count = objects[index] ?? 0;
    const facts = [
      this.names[index],
      failed.includes(index) && "cannot be opened",
      count > 0 && (count === 1 ? "1 object" : `${count} objects`),
      done.includes(index) && "done",
    ];
    return facts.filter(Boolean).join(", ");
  }

  /** Whether all images are being searched. */
  get searching(): boolean {
    return this.searched?.message === "";
  }

  /** What has become of the search in all images, in a sentence. */
  get searchMessage(): string {
    if (!this.searched) return "";
    const { text, done, total, message } = this.searched;
    return message ? `${text}: ${message}` : `Searching ${done} of ${total} images: ${text}`;
  }
}
