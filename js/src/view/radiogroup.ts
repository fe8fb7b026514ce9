/** The ARIA radio group pattern: one tab stop, arrow keys move the choice. */

import { setAttributes } from "./dom";

const STEPS: Record<string, (index: number, count: number) => number> = {
  ArrowRight: (i, n) => (i + 1) % n,
  ArrowDown: (i, n) => (i + 1) % n,
  ArrowLeft: (i, n) => (i + n - 1) % n,
  ArrowUp: (i, n) => (i + n - 1) % n,
  Home: () => 0,
  End: (_, n) => n - 1,
};

/** Make the radio buttons in `group` act as one control. */
export function bindRadios(group: HTMLElement, choose: (index: number) => void, signal: AbortSignal): void {
  const radios = (): HTMLElement[] => [...group.querySelectorAll<HTMLElement>('[role="radio"]')];
  const indexOf = (event: Event): number => {
    const radio = event.target instanceof Element ? event.target.closest<HTMLElement>('[role="radio"]') : null;
    return radio ? radios().indexOf(radio) : -1;
  };
  group.addEventListener("click", (event) => indexOf(event) >= 0 && choose(indexOf(event)), { signal });
  const keydown = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    const from = indexOf(event);
    if (!step || from < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = radios();
    let to = step(from, all.length);
    // From an end on, so that the first or last visible one is found.
    const on = event.key === "Home" ? STEPS.ArrowRight : event.key === "End" ? STEPS.ArrowLeft : step;
    while (all[to].hidden && to !== from) to = on(to, all.length);
    all[to].focus();
    choose(to);
    event.preventDefault();
  };
  group.addEventListener("keydown", keydown, { signal });
}

/** Show which radio is chosen; with none chosen the first one is the tab stop. */
export function setChosen(group: HTMLElement, chosen: number | null): void {
  group.querySelectorAll('[role="radio"]').forEach((radio, i) => {
    setAttributes(radio, { "aria-checked": String(i === chosen), tabindex: i === (chosen ?? 0) ? 0 : -1 });
  });
}
