/** The row under the objects: download them as a file. */

import type { Export } from "../protocol";
import type { Context, Part } from "./context";
import { h, icon, setAttributes } from "./dom";

export const FORMATS: Record<Export["format"], string> = {
  coco: "COCO (.json)",
  yolo: "YOLO (.zip)",
  voc: "Pascal VOC (.zip)",
  indexed_png: "Label map (.png)",
  npy: "Label map (.npy)",
  npz: "NumPy archive (.npz)",
  binary_pngs: "A PNG for each mask (.zip)",
  cutouts: "Cut-outs (.zip)",
  geojson: "GeoJSON (.geojson)",
  svg: "SVG (.svg)",
  labelme: "labelme (.json)",
  label_studio: "Label Studio (.json)",
  pandas: "Table (.csv)",
};

export function createExport({ store, actions, signal }: Context): Part {
  const format = h(
    "select",
    { class: "sam-input sam-small", "aria-label": "Format" },
    ...Object.entries(FORMATS)
      .filter(([value]) => store.exports(value as Export["format"]))
      .map(([value, name]) => h("option", { value }, name)),
  );
  const button = h(
    "button",
    { type: "button", class: "sam-button sam-outlined", title: "Download the objects in this format" },
    icon("download"),
    "Export",
  );
  button.addEventListener("click", () => actions.objects.export(format.value as Export["format"]), { signal });
  const element = h("div", { class: "sam-row" }, format, button);
  return {
    element,
    update() {
      setAttributes(element, { hidden: store.saved || store.state.objects.length === 0 });
    },
  };
}
