/** The anywidget front end: `initialize` owns everything with the lifetime of a widget's model, `render` one view. */

import type { InitializeProps, RenderProps } from "@anywidget/types";
import { abilitiesOf } from "./kernel/abilities";
import { DecodingChannel, type DecodingModel } from "./kernel/decoding";
import { directBase } from "./kernel/direct";
import { followPicture } from "./kernel/picture";
import type { State } from "./protocol";
import { Engine } from "./state/engine";
import { Gallery, type GalleryModel } from "./state/gallery";
import { type Model, RemoteSession } from "./state/session";
import { createView, type Shared } from "./view/view";

type Traits = { state: State };

/** Called once for each widget. */
export default () => {
  let shared: Shared;
  return {
    initialize({ model }: Pick<InitializeProps<Traits>, "model">): () => void {
      const closing = new AbortController();
      shared = open(model, closing.signal);
      return () => closing.abort();
    },

    render({ el }: Pick<RenderProps<Traits>, "el">): () => void {
      return createView(shared, el);
    },
  };
};

function open(model: unknown, signal: AbortSignal): Shared {
  const decoding =
    abilitiesOf(model as Model)?.decodes === "view" ? new DecodingChannel(model as DecodingModel, signal) : null;
  const session = new RemoteSession({
    model: decoding ?? (model as Model),
    decode: (bytes, mime) => createImageBitmap(new Blob([bytes as BlobPart], { type: mime })),
    close: (bitmap) => bitmap.close(),
    signal,
    direct: directBase(document),
  });
  if (decoding) {
    const follow = (): void => decoding.follow(session.state);
    session.subscribe(follow, signal);
    follow();
  }
  followPicture(model as object, signal);
  return {
    session,
    gallery: new Gallery(model as GalleryModel, session.changed, signal),
    engine: new Engine(model as GalleryModel, session.changed, signal),
  };
}
