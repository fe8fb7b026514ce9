/**
 * Keep the picture that is saved with a notebook up to date after the page is reloaded.
 *
 * The kernel replaces it with `update_display_data`. JupyterLab applies that only to outputs that it has received from
 * the kernel itself: a notebook file does not contain display ids. So the kernel puts the id into the output's metadata,
 * where it is found here. Other hosts have nothing that this needs.
 */

/** A Lumino signal. */
interface Signal {
  connect(slot: (sender: unknown, message: unknown) => void): unknown;
  disconnect(slot: (sender: unknown, message: unknown) => void): unknown;
}

/** The parts of a JupyterLab notebook model that are used here. */
interface Outputs {
  readonly length: number;
  get(index: number): { readonly data: Bundle; readonly metadata: Bundle };
  set(index: number, output: { output_type: "display_data"; data: Bundle; metadata: Bundle }): void;
}
interface Cells {
  readonly length: number;
  get(index: number): { readonly outputs?: Outputs };
}
type Bundle = Readonly<Record<string, unknown>>;

interface Manager {
  readonly kernel?: { readonly iopubMessage?: Signal } | null;
  readonly context?: { readonly model?: { readonly cells?: Cells } | null };
}

/** The key of the display id in an output's metadata; `cell_output.py` has the same constant. */
const KEY = "sam_widget";

/** Follow the pictures of a widget's cells, until the signal aborts. */
export function followPicture(model: object, signal: AbortSignal): void {
  const { widget_manager: manager } = model as { widget_manager?: Manager };
  const source = manager?.kernel?.iopubMessage;
  if (!manager?.context || !source) return;
  const follow = (_: unknown, message: unknown): void => {
    const picture = pictureOf(message);
    const cells = manager.context?.model?.cells;
    if (picture && cells) replace(cells, picture.data, picture.metadata);
  };
  source.connect(follow);
  signal.addEventListener("abort", () => source.disconnect(follow), { once: true });
}

/** What an update of a picture shows; null for any other message. */
function pictureOf(message: unknown): { data: Bundle; metadata: Bundle } | null {
  const { header, content } = message as { header?: { msg_type?: unknown }; content?: Partial<Record<string, Bundle>> };
  if (header?.msg_type !== "update_display_data" || !content?.data || !content.metadata?.[KEY]) return null;
  return { data: content.data, metadata: content.metadata };
}

function replace(cells: Cells, data: Bundle, metadata: Bundle): void {
  for (let i = 0; i < cells.length; i++) {
    const { outputs } = cells.get(i);
    if (!outputs) continue;
    for (let k = 0; k < outputs.length; k++) {
      const output = outputs.get(k);
      // JupyterLab may have replaced it already.
      if (output.metadata[KEY] === metadata[KEY] && output.data["image/png"] !== data["image/png"])
        outputs.set(k, { output_type: "display_data", data, metadata });
    }
  }
}
