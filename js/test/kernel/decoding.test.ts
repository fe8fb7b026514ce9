import { describe, expect, it } from "vitest";
import { NO_PROMPT } from "../../src/state/prompt";
import { open, opened, POINT, SHOWN } from "../decoding";
import { settled } from "../fake";

describe("a channel whose view runs the model", () => {
  it("shows the worker the photo, and tells the kernel its features", async () => {
    const { kernel, decoder } = await opened();
    expect(decoder.asked.map((question) => Object.keys(question)[0])).toEqual(["parts", "photo"]);
    expect(kernel.sent.at(-1)).toMatchObject({ type: "encoded", image: "cat", milliseconds: 20 });
  });

  it("previews without the kernel", async () => {
    const { send, decoder, kernel, heard } = await opened();
    const before = kernel.sent.length;
    send({ type: "preview", prompt: POINT }, 1);
    send({ type: "preview", prompt: NO_PROMPT }, 2);
    await settled();
    await decoder.answer();
    expect(heard.filter(({ client }) => client === "view")).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ type: "preview_mask", seq: 1, score: 0.8 }),
        expect.objectContaining({ type: "answer", seq: 2, outcome: "done" }),
      ]),
    );
    expect(kernel.sent).toHaveLength(before);
  });

  it("tells the kernel what the worker has predicted, before what was asked later", async () => {
    const { send, decoder, kernel } = await opened();
    send({ type: "predict", prompt: POINT }, 1);
    send({ type: "accept" }, 2);
    send({ type: "tile" }, 3);
    await settled();
    expect(kernel.kinds.slice(-2)).toEqual(["encoded", "tile"]);
    await decoder.answer();
    expect(kernel.kinds.slice(-2)).toEqual(["decoded", "accept"]);
    expect(kernel.sent.find(({ type }) => type === "decoded")).toMatchObject({ client: "view", seq: 1, best: 1 });
    send({ type: "undo" }, 4);
    expect(kernel.kinds.at(-1)).toBe("undo");
  });

  it("passes an empty prompt on", async () => {
    const { send, kernel } = await opened();
    send({ type: "predict", prompt: NO_PROMPT }, 1);
    expect(kernel.kinds.at(-1)).toBe("predict");
  });

  it("answers with an error if the worker fails, and continues", async () => {
    const { send, decoder, heard, kernel } = await opened();
    send({ type: "predict", prompt: POINT }, 1);
    send({ type: "clear" }, 2);
    await settled();
    await decoder.answer(new Error("out of memory"));
    expect(heard.find(({ client, outcome }) => client === "view" && outcome === "error")?.error).toBe("out of memory");
    expect(kernel.kinds.at(-1)).toBe("clear");
  });

  it("encodes another photo or rendering once, and waits for it", async () => {
    const { send, channel, kernel, decoder } = await opened();
    const rendering = { ...SHOWN.rendering, gamma: 2 };
    channel.follow({ ...SHOWN, rendering });
    channel.follow({ ...SHOWN, rendering });
    send({ type: "predict", prompt: POINT }, 1);
    await settled();
    expect(kernel.kinds.filter((kind) => kind === "pixels")).toHaveLength(2);
    await kernel.serve("features");
    expect(decoder.asked.at(-1)).toMatchObject({ photo: { pixels: null, features: new Uint8Array([1, 2, 3]) } });
    await decoder.answer();
    await decoder.answer();
    expect(kernel.sent.at(-1)).toMatchObject({ type: "decoded", rendering });
  });

  it("says that the model does not run here, and tries again at the next click", async () => {
    const { kernel, decoder, send } = await open();
    await kernel.serve();
    await kernel.serve();
    await decoder.answer(new Error("no WebAssembly"));
    const told = kernel.sent.find(({ type }) => type === "undecodable");
    expect(told?.reason).toBe("This page cannot run the model: no WebAssembly");
    send({ type: "predict", prompt: POINT }, 1);
    await settled();
    expect(kernel.kinds.filter((kind) => kind === "pixels")).toHaveLength(2);
  });

  it("closes the worker with the widget", async () => {
    const { closing, decoder } = await opened();
    closing.abort();
    await settled();
    expect(decoder.closed).toBe(true);
  });
});
