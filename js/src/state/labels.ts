/** The labels offered for the next object. Pure: no DOM. */

/** The number of digit keys that do not choose a mask. */
export const MOST_LABELS = 6;

/** The kernel's names of objects without a label. */
const UNNAMED = /^object( \d+)?$/;

/** Whether the user has given this label. */
export function isGiven(label: string): boolean {
  return label !== "" && !UNNAMED.test(label);
}

/**
 * The latest labels, in the order of their first use, so that a label keeps its key while others are used.
 *
 * @param given Labels given in this view.
 * @param there Labels of the objects.
 */
export function recentLabels(given: readonly string[], there: readonly string[]): string[] {
  const all = [...new Set([...given, ...there])].filter(isGiven);
  return all.slice(-MOST_LABELS);
}
