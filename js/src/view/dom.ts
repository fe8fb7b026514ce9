/** Helpers to make elements. Text from outside only ever becomes text nodes. */

export type Attributes = Record<string, string | number | boolean | null>;
export type Child = Node | string | null;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Set attributes; false and null remove them. Unchanged ones are not touched, so nothing is announced twice. */
export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    const text = value === true ? "" : String(value);
    if (value === false || value === null) element.removeAttribute(name);
    else if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Shapes on a 16 x 16 grid, drawn with strokes. */
const ICONS = {
  point: "M8 2v4M8 10v4M2 8h4M10 8h4M8 7.2v1.6",
  box: "M2.5 4.5v-2h2M11.5 2.5h2v2M13.5 11.5v2h-2M4.5 13.5h-2v-2M6.5 2.5h3M6.5 13.5h3M2.5 6.5v3M13.5 6.5v3",
  pan: "M8 1.8v12.4M1.8 8h12.4M6 3.8l2-2 2 2M6 12.2l2 2 2-2M3.8 6l-2 2 2 2M12.2 6l2 2-2 2",
  brush:
    "M13.5 2.500l-6 6.500M7.500 9a2.300 2.300 0 0 0-3 2.200c0 1.300-1 2-2 2.100 1.500.9 5.500.7 6.200-2.200a2.300 2.300 0 0 0-1.200-2.100z",
  lasso:
    "M8 2.500c3.200 0 5.700 1.500 5.700 3.700S11.200 10 8 10 2.300 8.400 2.300 6.200 4.800 2.500 8 2.500zM4.700 9.300a1.400 1.400 0 1 1-1.300 1.900M4.600 12c.2 1 .1 1.700-.6 2.300",
  pick: "M4 2.500l8.500 5.200-4 .9-2 4.200z",
  download: "M8 2.500v8M4.500 7.500L8 11l3.500-3.500M3 13.500h10",
  undo: "M5.5 2.5l-3 3 3 3M2.8 5.5h6.4a4 4 0 0 1 0 8H6",
  redo: "M10.5 2.5l3 3-3 3M13.2 5.5H6.8a4 4 0 0 0 0 8H10",
  clear: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  find: "M7 2.500a4.500 4.500 0 1 0 .01 0M10.300 10.300l3.200 3.200",
  findAll: "M6.500 4.500a3.500 3.500 0 1 0 .01 0M9.100 10.600l3 3M8.500 1.800h5.700v6.700",
  fit: "M2.5 6v-3.5h3.5M10 2.5h3.5v3.5M13.5 10v3.5h-3.5M6 13.5h-3.5v-3.5",
  full: "M6.500 9.500l-4 4M2.500 10v3.500h3.500M9.500 6.500l4-4M10 2.500h3.500v3.500",
  sharpen: "M2.500 5.500v-3h3M10.500 2.500h3v3M13.500 10.500v3h-3M5.500 13.500h-3v-3M8 6a2 2 0 1 0 .01 0M8 7.900v.2",
  view: "M1.500 8c3-5.300 10-5.300 13 0-3 5.300-10 5.300-13 0M8 6.200a1.800 1.800 0 1 0 .01 0",
  left: "M10 3L5 8l5 5",
  right: "M6 3l5 5-5 5",
  down: "M4.500 6.500L8 10l3.500-3.500",
  check: "M3 8.5l3.2 3.2L13 4.8",
  rename:
    "M5.500 2.500c1.500 0 2.500.6 2.500 1.500v8c0 .9-1 1.500-2.500 1.500M10.500 2.500c-1.500 0-2.500.6-2.500 1.500M8 12c0 .9 1 1.500 2.500 1.500M6.500 8h3",
  edit: "M2.5 13.5l.7-3L10.700 3l2.300 2.300-7.500 7.500zM9.200 4.500l2.300 2.300",
  help: "M5.6 5.800a2.400 2.400 0 1 1 3.600 2.100c-.8.5-1.200.9-1.200 1.800M8 12.300v.2",
} as const;

export type IconName = keyof typeof ICONS;

export function icon(name: IconName): SVGSVGElement {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  setAttributes(svg, { viewBox: "0 0 16 16", class: "sam-icon", "aria-hidden": "true" });
  const path = document.createElementNS(ns, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function iconButton(name: IconName, label: string, tooltip: string): HTMLButtonElement {
  return h(
    "button",
    { type: "button", class: "sam-button sam-quiet", "aria-label": label, title: tooltip },
    icon(name),
  );
}
