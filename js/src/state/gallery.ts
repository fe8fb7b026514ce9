/** A gallery's images: names, objects, which are done. Empty for a widget of one image. */

import type { GalleryData, PlaceData } from "../protocol";

/** The part of an anywidget model that is used here. */
export interface GalleryModel {
  get(key: string): unknown;
  on(event: string, callback: () => void): void;
  off(event: string, callback: () => void): void;
}

export class Gallery {
  names: readonly string[] = [];
  place: PlaceData = { index: 0, objects: [], done: [], failed: [] };

  constructor(model: GalleryModel, changed: () => void, signal: AbortSignal) {
    const read = (): void => {
      const gallery = model.get("gallery") as Partial<GalleryData> | undefined;
      const place = model.get("place") as Partial<PlaceData> | undefined;
      if (Array.isArray(gallery?.names)) this.names = gallery.names;
      if (typeof place?.index === "number") this.place = place as PlaceData;
      changed();
    };
    for (const event of ["change:gallery", "change:place"]) {
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
}
