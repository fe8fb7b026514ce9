/** A name for the edits of one gesture, such as dragging a slider, which are undone together. */
export function newGesture(): string {
  return Math.random().toString(36).slice(2);
}
