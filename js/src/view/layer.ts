/** A canvas that fills the photo's frame, and remembers the inputs it was drawn from. */

import { h } from "./dom";

export interface Layer {
  readonly element: HTMLCanvasElement;
  readonly context: CanvasRenderingContext2D;
  /** What the layer was last drawn from. */
  drawn: readonly unknown[];
}

export function createLayer(name: string): Layer {
  const element = h("canvas", { class: "sam-layer", "data-layer": name, "aria-hidden": "true" });
  const context = element.getContext("2d");
  if (!context) throw new Error("This browser cannot draw on a canvas.");
  return { element, context, drawn: [] };
}

export function fitLayer(layer: Layer, width: number, height: number, ratio: number): void {
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (layer.element.width === w && layer.element.height === h) return;
  layer.element.width = w;
  layer.element.height = h;
  layer.drawn = [];
}

export function hasChanged(layer: Layer, from: readonly unknown[]): boolean {
  const same = from.length === layer.drawn.length && from.every((item, i) => item === layer.drawn[i]);
  layer.drawn = from;
  return !same;
}

/** Show or hide a layer. An empty one is hidden, so that it is not composited in every frame. */
export function show(layer: Layer, drawn: boolean): void {
  const visibility = drawn ? "" : "hidden";
  if (layer.element.style.visibility !== visibility) layer.element.style.visibility = visibility;
}

/** Clear a layer and make the CSS pixel its unit. */
export function start({ context, element }: Layer, ratio: number): CanvasRenderingContext2D {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, element.width, element.height);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}
