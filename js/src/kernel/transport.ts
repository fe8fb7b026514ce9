/** Sends requests to the kernel, and returns each answer to its request. */

import type { Answer, File as FileMessage, PreviewMask, Reply, Request, TilePicture, Update, Whole } from "../protocol";
import { Direct } from "./direct";
import { onKernelEnd } from "./lifetime";

type WithoutAddress<T> = T extends Request ? Omit<T, "client" | "seq"> : never;
/** A request without its number. */
export type Body = WithoutAddress<Request>;

/** The part of an anywidget model that the transport uses. */
export interface Channel {
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBufferView[]): unknown;
  on(event: string, callback: (...args: never[]) => void): void;
  off(event: string, callback: (...args: never[]) => void): void;
}

/** The result of a request besides its answer: a message for this page only, sent with the answer or just before it. */
export interface Content {
  readonly message: PreviewMask | TilePicture | FileMessage;
  readonly bytes: Uint8Array;
}

/** The answer to a request, and its result. */
export interface Reception extends Answer {
  readonly content: Content | null;
}

export interface Handlers {
  whole(message: Whole, buffers: Uint8Array[]): void;
  update(message: Update, buffers: Uint8Array[]): void;
  /** A message has arrived, so the kernel is alive. */
  heard(): void;
  /** The kernel's side is gone: every open request has just been answered with this error. */
  lost(reason: string): void;
}

interface Waiting {
  content: Content | null;
  readonly resolve: (reception: Reception) => void;
  /** Whether the request went over the direct line. */
  direct: boolean;
}

const GONE = "The kernel that ran this widget is gone. Run the cell again to continue.";

export class Transport {
  /** Tells this page's requests from those of other pages: the kernel's messages go to all of them. */
  readonly client: string = randomName();
  #seq = 0;
  /** Open requests, by number. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #channel: Channel;
  readonly #handlers: Handlers;
  readonly #direct: Direct;

  /** `base` is the base address of direct lines; see `Direct`. */
  constructor(channel: Channel, handlers: Handlers, signal: AbortSignal, base: string | null = null) {
    this.#channel = channel;
    this.#handlers = handlers;
    const receive = (reply: Reply | null, buffers?: readonly (ArrayBufferView | ArrayBuffer)[]): void =>
      this.#receive(reply, (buffers ?? []).map(bytesOf));
    this.#direct = new Direct({
      base,
      receive: (content, buffers) => receive(content as Reply | null, buffers),
      broken: () => {
        for (const [seq, { direct }] of [...this.#waiting]) if (direct) this.#answer(this.#local(seq, "superseded"));
      },
      now: () => performance.now(),
      signal,
    });
    const lost = (): void => {
      for (const seq of [...this.#waiting.keys()]) this.#answer(this.#local(seq, "error", GONE));
      handlers.lost(GONE);
    };
    // ipywidgets sends the last two when the comm closes. Other hosts may not.
    const events = Object.entries({ "msg:custom": receive, comm_live_update: lost, destroy: lost });
    for (const [event, callback] of events) channel.on(event, callback);
    onKernelEnd(channel, lost, signal);
    const close = (): void => {
      for (const [event, callback] of events) channel.off(event, callback);
      lost();
    };
    signal.addEventListener("abort", close, { once: true });
  }

  /** The path of a direct line, from the kernel. */
  follow(direct: string | null): void {
    this.#direct.follow(direct);
  }

  /**
   * Send a request: a preview over the direct line if that is open, all others over the channel. The promise always
   * resolves: a request that cannot be sent is answered with an error here.
   */
  send(body: Body): { seq: number; answer: Promise<Reception> } {
    const seq = ++this.#seq;
    const request = { ...body, client: this.client, seq };
    const answer = new Promise<Reception>((resolve) =>
      this.#waiting.set(seq, { content: null, resolve, direct: false }),
    );
    try {
      const waiting = this.#waiting.get(seq);
      if (waiting && body.type === "preview" && this.#direct.send(request)) waiting.direct = true;
      else this.#channel.send(request);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#answer(this.#local(seq, "error", `The kernel cannot be reached: ${why}`));
    }
    return { seq, answer };
  }

  #receive(reply: Reply | null, buffers: Uint8Array[]): void {
    switch (reply?.type) {
      case "answer":
        this.#answer(reply);
        break;
      case "whole":
        this.#handlers.heard();
        this.#handlers.whole(reply, buffers);
        break;
      case "update":
        this.#handlers.heard();
        this.#handlers.update(reply, buffers);
        break;
      case "preview_mask":
      case "tile_picture":
      case "file": {
        if (reply.client !== this.client) return;
        this.#handlers.heard();
        const waiting = this.#waiting.get(reply.seq);
        if (waiting) waiting.content = { message: reply, bytes: buffers[0] };
        // A preview is its own answer.
        if (reply.type === "preview_mask") this.#answer(this.#local(reply.seq, "done"));
      }
    }
  }

  #answer(answer: Answer): void {
    if (answer.client !== this.client) return;
    const waiting = this.#waiting.get(answer.seq);
    this.#waiting.delete(answer.seq);
    waiting?.resolve({ ...answer, content: waiting.content });
  }

  #local(seq: number, outcome: Answer["outcome"], error: string | null = null): Answer {
    return { type: "answer", client: this.client, seq, outcome, error, revision: 0 };
  }
}

/** A buffer's own bytes; it may be a view of a larger message. */
function bytesOf(buffer: ArrayBufferView | ArrayBuffer): Uint8Array {
  return ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
}

/** 64 random bits; `crypto.randomUUID` is missing on pages served over plain http. */
function randomName(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(2)), (n) => n.toString(36)).join("-");
}
