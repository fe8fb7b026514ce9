/** The labels offered for the next object. Pure: no DOM. */

/** As many as there are digits that choose no mask. */
export const MOST_LABELS = 6;

/** What the kernel calls objects without a label. */
const UNNAMED = /^object( \d+)?$/;

/** Whether a person has given this label. */
export function isGiven(label: string): boolean {
  return label !== "" && !UNNAMED.test(label);
}

/**
 * The latest labels, in the order of their first use, so that a label keeps its key while others are used.
 *
 * @param given Those given in this view.
 * @param there Those of the objects.
 */
export function recentLabels(given: readonly string[], there: readonly string[]): string[] {
  const all = [...new Set([...given, ...there])].filter(isGiven);
  return all.slice(-MOST_LABELS);
}
