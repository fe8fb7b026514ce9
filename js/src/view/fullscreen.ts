/** Fill the screen with the widget or, where a page may not do that, the window. */

import type { Display } from "../state/display";
import { setAttributes } from "./dom";

export interface FullScreen {
  /** Bring the screen up to date with the display options. */
  update(): void;
}

export function createFullScreen(root: HTMLElement, display: Display, signal: AbortSignal): FullScreen {
  let on = false;
  const change = (): void => {
    if (on && document.fullscreenEnabled && document.fullscreenElement !== root) display.set({ full: false });
  };
  document.addEventListener("fullscreenchange", change, { signal });

  const enter = async (): Promise<void> => {
    try {
      if (document.fullscreenEnabled) await root.requestFullscreen();
      // The page's top layer: nothing covers it, and no ancestor can clip it.
      else showOnTop(root);
    } catch {
      display.set({ full: false });
    }
  };
  const leave = (): void => {
    if (document.fullscreenElement === root) void document.exitFullscreen();
    if (root.popover) {
      root.hidePopover();
      root.removeAttribute("popover");
    }
  };
  signal.addEventListener("abort", () => on && leave(), { once: true });
  return {
    update() {
      setAttributes(root, { "data-full": display.full });
      if (on === display.full) return;
      on = display.full;
      if (on) void enter();
      else leave();
    },
  };
}

function showOnTop(root: HTMLElement): void {
  root.popover = "manual";
  root.showPopover();
}
