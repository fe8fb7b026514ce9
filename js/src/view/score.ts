/** Scores as text; masks that were merged, or imported without a score, have none. */

/** What is shown. */
export function scoreShown(score: number | null): string {
  return score === null ? "–" : score.toFixed(2);
}

/** What is said, in the middle of a sentence. */
export function scoreSaid(score: number | null): string {
  return score === null ? "no score" : `score ${score.toFixed(2)}`;
}
