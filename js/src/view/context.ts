/** The context passed to every part of the screen, and the interface it returns. */

import type { Actions } from "../actions/actions";
import type { Hover } from "../preview/hover";
import type { Display } from "../state/display";
import type { Engine } from "../state/engine";
import type { Gallery } from "../state/gallery";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";

export interface Context {
  readonly store: Store;
  readonly ui: Ui;
  readonly display: Display;
  readonly actions: Actions;
  readonly hover: Hover;
  readonly gallery: Gallery;
  readonly engine: Engine;
  /** Ends every listener when the view closes. */
  readonly signal: AbortSignal;
  /** Makes element ids unique to this view. */
  readonly id: (name: string) => string;
  /** Move the focus to the photo, before the element that has it disappears. */
  readonly focusCanvas: () => void;
}

export interface Part {
  readonly element: HTMLElement;
  /** Update the element from the stores. */
  update(): void;
}
