/** A view that runs the model: its kernel and its worker are the test. */

import { type Decoder, DecodingChannel, type Question } from "../src/kernel/decoding";
import type { PromptData, State } from "../src/protocol";
import { NO_PROMPT } from "../src/state/prompt";
import { FakeModel, imageOf, STATE, settled } from "./fake";

export const SHOWN: State = { ...STATE, status: "embedding", image: imageOf(40, 30) };
export const POINT: PromptData = { ...NO_PROMPT, points: [{ x: 1, y: 2, label: 1 }] };

/** A decoder whose answers the test releases. */
class FakeDecoder implements Decoder {
  readonly asked: Question[] = [];
  readonly waiting: ((failure?: Error) => void)[] = [];
  closed = false;

  ask<Found>(question: Question): Promise<Found> {
    this.asked.push(question);
    const found =
      "photo" in question
        ? { milliseconds: 20, features: [new Uint8Array([1])] }
        : "predict" in question
          ? { best: 1, scores: new Uint8Array(12), logits: new Uint8Array(4) }
          : { width: 40, height: 30, score: 0.8, runs: new Uint8Array([7]) };
    return new Promise((resolve, reject) =>
      this.waiting.push((failure) => (failure ? reject(failure) : resolve(found as Found))),
    );
  }

  async answer(failure?: Error): Promise<void> {
    this.waiting.shift()?.(failure);
    await settled();
  }

  close(): void {
    this.closed = true;
  }
}

class Kernel extends FakeModel {
  /** Send the files that are asked for. */
  async serve(name = "pixels"): Promise<void> {
    await settled();
    for (const request of this.sent.filter(({ type }) => type === "part" || type === "pixels")) {
      const { client, seq } = request;
      const file = { type: "file", client, seq, name: request.type === "part" ? request.name : name, mime: "" };
      this.emit("msg:custom", file, [new Uint8Array([1, 2, 3])]);
      await this.answer(request);
    }
  }

  get kinds(): string[] {
    return this.sent.map(({ type }) => type).filter((type) => type !== "part");
  }
}

export async function open(state = SHOWN) {
  const closing = new AbortController();
  const [kernel, decoder] = [new Kernel(), new FakeDecoder()];
  const heard: { type: string; client: string; seq: number; outcome?: string; error?: string | null }[] = [];
  const channel = new DecodingChannel(kernel, closing.signal, () => decoder);
  channel.on("msg:custom", ((message: (typeof heard)[number]) => heard.push(message)) as never);
  channel.follow(state);
  const send = (body: { type: string; prompt?: PromptData }, seq: number): void =>
    channel.send({ ...body, client: "view", seq });
  return { channel, kernel, decoder, heard, send, closing };
}

/** With a photo that the decoder has seen. */
export async function opened() {
  const view = await open();
  await view.kernel.serve();
  await view.kernel.serve();
  // The parts, unless another test has fetched them, and the photo.
  await view.decoder.answer();
  await view.decoder.answer();
  return view;
}

/** All that a view which runs the model asks for and tells. */
export async function spokenByADecodingView(): Promise<FakeModel["sent"]> {
  const { send, decoder, kernel, channel } = await opened();
  send({ type: "predict", prompt: POINT }, 1);
  await settled();
  await decoder.answer();
  channel.follow({ ...SHOWN, image: imageOf(40, 30, 1, "dog") });
  await settled();
  await kernel.answer(kernel.sent.filter(({ type }) => type === "pixels").at(-1) as never, { outcome: "error" });
  return kernel.sent;
}
