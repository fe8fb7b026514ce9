/** A view without a screen: stores, hover and actions over a model whose kernel is the test. */

import { Actions } from "../src/actions/actions";
import { Hover } from "../src/preview/hover";
import type { ObjectData, State } from "../src/protocol";
import { Display } from "../src/state/display";
import { Engine } from "../src/state/engine";
import { Gallery } from "../src/state/gallery";
import { Ui } from "../src/state/ui";
import { FakeModel, imageOf, openStore, STATE } from "./fake";

/** The frame is as large as the photo: at first a CSS pixel is an image pixel. */
export const PHOTO = { width: 400, height: 300 };

export function objectOf(id: string, fields: Partial<ObjectData> = {}): ObjectData {
  const box = { x0: 0, y0: 0, x1: 2, y1: 1 };
  return { id, label: id, mask: `mask of ${id}`, score: 0.9, box, area: 2, color: 0, ...fields };
}

export async function openDesk(state: Partial<State> = {}) {
  const model = new FakeModel({ ...STATE, image: imageOf(PHOTO.width, PHOTO.height), ...state });
  const closing = new AbortController();
  const bitmap = {} as ImageBitmap;
  const options = { decode: async () => bitmap, close: () => {}, signal: closing.signal };
  const { store } = openStore({ model, ...options });
  await model.answer(model.last("hello"));
  const changed = (): void => {};
  const [ui, display] = [new Ui(changed), new Display(changed)];
  ui.layout(PHOTO, PHOTO);
  const nothing = { ...model, get: () => undefined, on: changed, off: changed };
  const gallery = new Gallery(nothing, changed, closing.signal);
  const engine = new Engine(nothing, changed, closing.signal);
  const hover = new Hover((prompt) => store.preview(prompt), changed);
  const actions = new Actions({ store, ui, display, gallery, engine, hover });
  /** Tell the hover about the rest of the view, as a view does at every change. */
  const follow = (): void =>
    hover.follow({ prompt: store.prompt, active: actions.hover.on, ready: true, pending: store.pending, source: "" });
  follow();
  return { model, store, ui, display, gallery, engine, hover, actions, follow, close: () => closing.abort() };
}
