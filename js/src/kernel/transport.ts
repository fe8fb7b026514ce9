/** Carries requests to the kernel, and each one's answer back to whoever asked. */

import type { Answer, File as FileMessage, Masks, PreviewMask, Reply, Request, TilePicture } from "../protocol";
import { Direct } from "./direct";

type WithoutAddress<T> = T extends Request ? Omit<T, "client" | "seq"> : never;
/** A request before it is numbered. */
export type Body = WithoutAddress<Request>;

/** What the transport needs of an anywidget model. */
export interface Channel {
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBufferView[]): unknown;
  on(event: string, callback: (...args: never[]) => void): void;
  off(event: string, callback: (...args: never[]) => void): void;
}

export interface Handlers {
  masks(message: Masks, buffers: Uint8Array[]): void;
  /** Only those that this view has asked for; they are answers, too. */
  preview(message: PreviewMask, buffers: Uint8Array[]): void;
  /** Only those that this view has asked for. */
  tile(message: TilePicture, buffers: Uint8Array[]): void;
  /** Only those that this view has asked for. */
  file(message: FileMessage, buffers: Uint8Array[]): void;
  /** The kernel's side is gone: every open request has just been answered with this error. */
  lost(reason: string): void;
}

const GONE = "The kernel that ran this widget is gone. Run the cell again to go on.";

export class Transport {
  /** Names this view among all that hear the kernel's answers. */
  readonly client: string = randomName();
  #seq = 0;
  /** Requests under way: what to call with the answer, by number. */
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #channel: Channel;
  readonly #direct: Direct;
  /** Those of the requests under way that went over the direct line. */
  readonly #asked = new Set<number>();

  /** `base` is where direct lines go; see `Direct`. */
  constructor(channel: Channel, handlers: Handlers, signal: AbortSignal, base: string | null = null) {
    this.#channel = channel;
    const receive = (content: Reply | null, buffers?: readonly (ArrayBufferView | ArrayBuffer)[]): void => {
      if (content?.type === "answer") this.#answer(content);
      else if (content?.type === "masks") handlers.masks(content, (buffers ?? []).map(bytesOf));
      else if (content?.type === "preview_mask") {
        if (content.client !== this.client) return;
        handlers.preview(content, (buffers ?? []).map(bytesOf));
        this.#answer({
          type: "answer",
          client: content.client,
          seq: content.seq,
          outcome: "done",
          error: null,
          revision: 0,
        });
      } else if (content?.type === "tile_picture") {
        if (content.client === this.client) handlers.tile(content, (buffers ?? []).map(bytesOf));
      } else if (content?.type === "file") {
        if (content.client === this.client) handlers.file(content, (buffers ?? []).map(bytesOf));
      }
    };
    this.#direct = new Direct({
      base,
      receive: (content, buffers) => receive(content as Reply | null, buffers),
      broken: () => {
        for (const seq of [...this.#asked])
          this.#answer({ ...this.#failed(seq, ""), outcome: "superseded", error: null });
      },
      now: () => performance.now(),
      signal,
    });
    const lost = (): void => {
      for (const seq of [...this.#waiting.keys()]) this.#answer(this.#failed(seq, GONE));
      handlers.lost(GONE);
    };
    // ipywidgets tells a model that its comm closed by the last two; hosts that never do lose nothing.
    const events = { "msg:custom": receive, comm_live_update: lost, destroy: lost };
    for (const [event, callback] of Object.entries(events)) {
      channel.on(event, callback);
      signal.addEventListener("abort", () => channel.off(event, callback), { once: true });
    }
  }

  /** What the kernel says to ask for a direct line. */
  follow(direct: string | null): void {
    this.#direct.follow(direct);
  }

  /**
   * Send a request: a preview over the direct line, if it stands, all else over the channel. The promise always resolves:
   * what cannot be sent is answered with an error here.
   */
  send(body: Body): { seq: number; answer: Promise<Answer> } {
    const seq = ++this.#seq;
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(seq, resolve));
    const request = { ...body, client: this.client, seq };
    if (body.type === "preview" && this.#direct.send(request)) {
      this.#asked.add(seq);
      return { seq, answer };
    }
    try {
      this.#channel.send(request);
    } catch (error) {
      this.#answer(
        this.#failed(seq, `The kernel cannot be reached: ${error instanceof Error ? error.message : error}`),
      );
    }
    return { seq, answer };
  }

  #answer(answer: Answer): void {
    if (answer.client !== this.client) return;
    this.#waiting.get(answer.seq)?.(answer);
    this.#waiting.delete(answer.seq);
    this.#asked.delete(answer.seq);
  }

  #failed(seq: number, error: string): Answer {
    return { type: "answer", client: this.client, seq, outcome: "error", error, revision: 0 };
  }
}

/** A buffer's own bytes: it may be a window on a larger message. */
function bytesOf(buffer: ArrayBufferView | ArrayBuffer): Uint8Array {
  return ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
}

/** 64 random bits; `crypto.randomUUID` is missing where the page came over plain http. */
function randomName(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(2)), (n) => n.toString(36)).join("-");
}
