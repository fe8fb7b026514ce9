/**
 * The widget's `_esm`: it loads the front end once per page, however many widgets the page shows.
 *
 * anywidget imports `_esm` for each widget, and a browser keeps every module until the page is closed: a megabyte per
 * widget if `_esm` were the whole front end. So that is a trait of its own.
 */

import type { InitializeProps, RenderProps } from "@anywidget/types";

type Traits = { _code: string };
type FrontEnd = typeof import("./widget");

/** Front ends that this page has loaded, by their text: an upgraded kernel brings another one. */
const LOADED: unique symbol = Symbol.for("sam_widget front ends");
const page = globalThis as { [LOADED]?: Map<string, Promise<FrontEnd>> };
page[LOADED] ??= new Map();
const loaded = page[LOADED];

/** Traits that take memory. Jupyter keeps the model of every closed widget, for as long as its kernel runs. */
const LARGE = { state: {}, saved: {}, _css: "", _code: "" };

function load(code: string): Promise<FrontEnd> {
  const loading = loaded.get(code) ?? importText(code);
  loaded.set(code, loading);
  // The next widget tries again.
  loading.catch(() => loaded.delete(code));
  return loading;
}

async function importText(code: string): Promise<FrontEnd> {
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  try {
    return await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Called once for each widget. */
export default () => {
  let widget: ReturnType<FrontEnd["default"]>;
  return {
    async initialize({ model }: InitializeProps<Traits>): Promise<() => void> {
      const forget = (): void => {
        // The closed model would keep the session through this listener.
        model.off("destroy", forget);
        // Twice, because a Backbone model also keeps the values from before its last change.
        for (let k = 0; k < 2; k++)
          for (const [key, empty] of Object.entries(LARGE)) model.set(key as "_code", empty as "");
      };
      model.on("destroy", forget);
      widget = (await load(model.get("_code"))).default();
      return widget.initialize({ model: model as never });
    },

    render({ el }: Pick<RenderProps<Traits>, "el">): () => void {
      return widget.render({ el });
    },
  };
};
