/** What answers a view: a kernel can do everything, a page's worker what it says together with its first state. */

import type { Export, Request } from "../protocol";

export interface Abilities {
  /** The types of the requests that are answered. */
  readonly requests: readonly Request["type"][];
  /** The formats of the files that are exported. */
  readonly formats: readonly Export["format"][];
  /** Whether a prompt may have strokes. */
  readonly strokes: boolean;
  /** "view" if the kernel has no model, and the view runs it (`decoding.ts`). */
  readonly decodes?: "view";
}

/** The abilities that a model has; null if it says nothing of them: it is a kernel's. */
export function abilitiesOf(model: { get(key: "abilities"): unknown }): Abilities | null {
  const given = model.get("abilities") as Partial<Abilities> | null | undefined;
  return Array.isArray(given?.requests) && Array.isArray(given.formats) ? (given as Abilities) : null;
}
