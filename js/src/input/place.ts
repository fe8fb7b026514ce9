/** Where an event is in an element, in the element's own CSS pixels, even if the page is zoomed or scaled. */

import type { Vec } from "../geometry/geometry";

/** What `placeIn` needs of an element. */
type Box = Pick<HTMLElement, "getBoundingClientRect" | "offsetHeight" | "clientLeft" | "clientTop">;

/**
 * The place of an event in an element, from the inner edge of its border.
 *
 * CSS `zoom` or `transform: scale` on an ancestor makes an element larger or smaller on the page than in its own pixels:
 * JupyterLab zooms single widgets, and slides are scaled to the screen. The factor is taken from the height, which this
 * view sets in whole pixels; `offsetWidth` is rounded.
 */
export function placeIn(element: Box, { clientX, clientY }: { clientX: number; clientY: number }): Vec {
  const { left, top, height } = element.getBoundingClientRect();
  const factor = height / element.offsetHeight || 1;
  return {
    x: (clientX - left) / factor - element.clientLeft,
    y: (clientY - top) / factor - element.clientTop,
  };
}
