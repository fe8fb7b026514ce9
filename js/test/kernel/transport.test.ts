import { describe, expect, it, vi } from "vitest";
import { Transport } from "../../src/kernel/transport";
import { bytes, FakeModel, settled } from "../fake";

function open() {
  const model = new FakeModel();
  const closing = new AbortController();
  const handlers = { whole: vi.fn(), update: vi.fn(), heard: vi.fn(), lost: vi.fn() };
  return { model, closing, handlers, transport: new Transport(model, handlers, closing.signal) };
}

describe("Transport", () => {
  it("numbers requests and names the view", () => {
    const { model, transport } = open();
    transport.send({ type: "undo" });
    transport.send({ type: "choose", index: 2 });
    expect(model.sent).toEqual([
      { type: "undo", client: transport.client, seq: 1 },
      { type: "choose", index: 2, client: transport.client, seq: 2 },
    ]);
    expect(open().transport.client).not.toBe(transport.client);
  });

  it("gives each request its own answer, in whatever order they come", async () => {
    const { model, transport } = open();
    const [first, second] = [transport.send({ type: "undo" }), transport.send({ type: "redo" })];
    await model.answer(model.sent[1], { outcome: "done", revision: 9 });
    await model.answer(model.sent[0], { outcome: "superseded" });
    expect(await first.answer).toMatchObject({ seq: 1, outcome: "superseded" });
    expect(await second.answer).toMatchObject({ seq: 2, outcome: "done", revision: 9 });
  });

  it("does not take another view's answer for its own", async () => {
    const { model, transport } = open();
    const heard = vi.fn();
    void transport.send({ type: "undo" }).answer.then(heard);
    await model.answer({ ...model.sent[0], client: "another" });
    expect(heard).not.toHaveBeenCalled();
    await model.answer(model.sent[0]);
    expect(heard).toHaveBeenCalledOnce();
  });

  it("hands on exactly a buffer's own bytes", async () => {
    const { model, handlers, transport } = open();
    const message = { type: "whole", masks: [{ id: "a", width: 4, height: 4 }] };
    model.emit("msg:custom", message, [bytes([1, 2], 3)]);
    expect(handlers.whole).toHaveBeenCalledWith(message, [Uint8Array.of(1, 2)]);
    const { answer } = transport.send({ type: "export", format: "coco" });
    const file = { type: "file", client: transport.client, seq: 1, name: "cat.json", mime: "application/json" };
    model.emit("msg:custom", file, [Uint8Array.of(5, 6).buffer]);
    model.emit("msg:custom", { ...file, client: "another" }, [Uint8Array.of(7, 8).buffer]);
    await model.answer(model.last("export"));
    expect((await answer).content).toEqual({ message: file, bytes: Uint8Array.of(5, 6) });
  });

  it("ignores what it does not know", () => {
    const { model, handlers } = open();
    for (const content of [null, undefined, "text", {}, { type: "tomorrow's" }]) model.emit("msg:custom", content);
    expect(handlers.whole).not.toHaveBeenCalled();
    expect(handlers.heard).not.toHaveBeenCalled();
  });

  it("answers with an error what cannot be sent", async () => {
    const { model, transport } = open();
    model.broken = new Error("Kernel is dead");
    expect(await transport.send({ type: "undo" }).answer).toMatchObject({
      outcome: "error",
      error: "The kernel cannot be reached: Kernel is dead",
    });
  });

  it("answers every open request when the kernel goes away", async () => {
    const { model, transport, handlers } = open();
    const [first, second] = [transport.send({ type: "undo" }), transport.send({ type: "redo" })];
    model.emit("comm_live_update");
    expect((await first.answer).outcome).toBe("error");
    expect((await second.answer).error).toContain("Run the cell again");
    expect(handlers.lost).toHaveBeenCalledOnce();
  });

  it("stops listening when the view closes", async () => {
    const { model, closing } = open();
    expect(model.listening).toBeGreaterThan(0);
    closing.abort();
    await settled();
    expect(model.listening).toBe(0);
  });
});
