/** The prompt as a value: the empty one, and when two are the same. */

import type { PromptData } from "../protocol";

export const NO_PROMPT: PromptData = { points: [], boxes: [], strokes: [], mask: null };

export function isEmpty({ points, boxes, strokes, mask, words }: PromptData): boolean {
  return points.length + boxes.length + strokes.length === 0 && mask === null && !words;
}

export function samePrompt(a: PromptData, b: PromptData): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
