import { describe, expect, it, vi } from "vitest";
import { followPicture } from "../../src/kernel/picture";

const png = (name: string) => ({ "image/png": name });
const update = (id: string, name: string, msg_type = "update_display_data") => ({
  header: { msg_type },
  content: { data: png(name), metadata: { sam_widget: id } },
});

function open() {
  const slots = new Set<(sender: unknown, message: unknown) => void>();
  const iopubMessage = {
    connect: (slot: (sender: unknown, message: unknown) => void) => slots.add(slot),
    disconnect: (slot: (sender: unknown, message: unknown) => void) => slots.delete(slot),
  };
  const list = [
    { data: { "text/plain": "x" }, metadata: {} },
    { data: png("old"), metadata: { sam_widget: "a" } },
  ];
  const set = vi.fn((index: number, output: (typeof list)[number]) => {
    list[index] = output;
  });
  const outputs = { length: list.length, get: (index: number) => list[index], set };
  const all = [{}, { outputs }];
  const cells = { length: all.length, get: (index: number) => all[index] };
  const closing = new AbortController();
  followPicture({ widget_manager: { kernel: { iopubMessage }, context: { model: { cells } } } }, closing.signal);
  const emit = (message: unknown): void => {
    for (const slot of slots) slot(null, message);
  };
  return { emit, list, set, slots, closing };
}

describe("followPicture", () => {
  it("replaces the picture with its id in the metadata, once", () => {
    const { emit, list, set } = open();
    emit(update("a", "new"));
    emit(update("a", "new"));
    expect(set).toHaveBeenCalledTimes(1);
    expect(list[1]).toEqual({ output_type: "display_data", data: png("new"), metadata: { sam_widget: "a" } });
  });

  it("leaves everything else alone", () => {
    const { emit, set } = open();
    emit(update("another", "new"));
    emit(update("a", "new", "display_data"));
    emit({ header: { msg_type: "update_display_data" }, content: { data: png("new"), metadata: {} } });
    emit({ header: { msg_type: "status" }, content: {} });
    emit({});
    expect(set).not.toHaveBeenCalled();
  });

  it("leaves no listener behind", () => {
    const { slots, closing } = open();
    closing.abort();
    expect(slots.size).toBe(0);
  });

  it.each([{}, { widget_manager: {} }, { widget_manager: { kernel: null, context: {} } }])(
    "does without what a host leaves out: %o",
    (model) => expect(() => followPicture(model, new AbortController().signal)).not.toThrow(),
  );
});
