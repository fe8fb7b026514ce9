import { describe, expect, it, vi } from "vitest";
import { onKernelEnd } from "../../src/kernel/lifetime";

class FakeSignal {
  readonly slots = new Set<(sender: unknown, args: unknown) => void>();
  connect(slot: (sender: unknown, args: unknown) => void): void {
    this.slots.add(slot);
  }
  disconnect(slot: (sender: unknown, args: unknown) => void): void {
    this.slots.delete(slot);
  }
  emit(args?: unknown): void {
    for (const slot of this.slots) slot(this, args);
  }
}

function open() {
  const kernel = { disposed: new FakeSignal(), statusChanged: new FakeSignal() };
  const closing = new AbortController();
  const ended = vi.fn();
  onKernelEnd({ widget_manager: { kernel } }, ended, closing.signal);
  return { kernel, closing, ended };
}

describe("onKernelEnd", () => {
  it("tells when the kernel is shut down or dies, and only then", () => {
    const { kernel, ended } = open();
    for (const status of ["busy", "idle", "starting", "unknown"]) kernel.statusChanged.emit(status);
    expect(ended).not.toHaveBeenCalled();
    kernel.statusChanged.emit("dead");
    kernel.statusChanged.emit("terminating");
    kernel.disposed.emit();
    expect(ended).toHaveBeenCalledTimes(3);
  });

  it("leaves no listener behind", () => {
    const { kernel, closing } = open();
    closing.abort();
    expect(kernel.disposed.slots.size + kernel.statusChanged.slots.size).toBe(0);
  });

  it.each([{}, { widget_manager: {} }, { widget_manager: { kernel: null } }, { widget_manager: { kernel: {} } }])(
    "does without what a host leaves out: %o",
    (model) => {
      const ended = vi.fn();
      expect(() => onKernelEnd(model, ended, new AbortController().signal)).not.toThrow();
      expect(ended).not.toHaveBeenCalled();
    },
  );
});
