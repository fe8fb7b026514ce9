/** The context of all actions. */

import type { Hover } from "../preview/hover";
import type { Display } from "../state/display";
import type { Engine } from "../state/engine";
import type { Gallery } from "../state/gallery";
import type { Store } from "../state/store";
import type { Ui } from "../state/ui";

export interface ActionContext {
  readonly store: Store;
  readonly ui: Ui;
  readonly hover: Hover;
  readonly display: Display;
  readonly gallery: Gallery;
  readonly engine: Engine;
}
