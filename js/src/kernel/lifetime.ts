/**
 * Detect when the kernel behind a widget has ended. JupyterLab and Notebook do not close comms when a kernel is shut
 * down or dies, but their widget manager has the kernel connection, which reports it. Other hosts have neither.
 */

/** A Lumino signal. */
interface Signal {
  connect(slot: (sender: unknown, args: unknown) => void): unknown;
  disconnect(slot: (sender: unknown, args: unknown) => void): unknown;
}

/** The part of a JupyterLab kernel connection that is used here. */
interface Connection {
  readonly disposed?: Signal;
  readonly statusChanged?: Signal;
}

const ENDED: readonly unknown[] = ["dead", "terminating"];

/** Call `ended` when the kernel of an anywidget model is shut down or dies, until the signal aborts. */
export function onKernelEnd(model: object, ended: () => void, signal: AbortSignal): void {
  const { widget_manager: manager } = model as { widget_manager?: { kernel?: Connection | null } };
  const kernel = manager?.kernel;
  if (!kernel) return;
  const look = (_: unknown, status: unknown): void => {
    if (ENDED.includes(status)) ended();
  };
  const pairs: [Signal | undefined, (sender: unknown, args: unknown) => void][] = [
    [kernel.disposed, ended],
    [kernel.statusChanged, look],
  ];
  for (const [source, slot] of pairs) {
    source?.connect(slot);
    signal.addEventListener("abort", () => source?.disconnect(slot), { once: true });
  }
}
