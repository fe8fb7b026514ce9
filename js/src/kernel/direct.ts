/**
 * A direct line to the kernel, for what changes nothing and is asked while the pointer moves: a websocket that Jupyter's
 * messages do not travel on. Only a server with the package's extension has one; `sam_widget/widget/direct.py` says how.
 */

/** Milliseconds after which a line that has broken is tried again, when there is something to ask. */
const AGAIN = 10_000;
/** The least a reply can be: the length of its JSON. */
const LENGTH = 4;

export interface DirectOptions {
  /** Where a page's websockets go, in front of what the kernel says; null where the server has no direct lines. */
  readonly base: string | null;
  /** Takes what the kernel says. */
  readonly receive: (content: unknown, buffers: Uint8Array[]) => void;
  /** Told that the line has broken: nothing that was asked over it will be answered. */
  readonly broken: () => void;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

export class Direct {
  readonly #options: DirectOptions;
  #path: string | null = null;
  #socket: WebSocket | null = null;
  /** When a line that once stood was last tried; none that never did is tried twice. */
  #tried = 0;
  #stood = false;

  constructor(options: DirectOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#hangUp(), { once: true });
  }

  /** The kernel says what to ask for; null for nothing. */
  follow(path: string | null): void {
    if (path === this.#path) return;
    this.#hangUp();
    this.#path = path;
    this.#stood = false;
    this.#connect();
  }

  /** Send a request, if the line stands; whether it does. */
  send(request: unknown): boolean {
    const socket = this.#socket;
    if (socket && socket.readyState === socket.OPEN) {
      socket.send(JSON.stringify(request));
      return true;
    }
    if (!socket && this.#stood && this.#options.now() - this.#tried >= AGAIN) this.#connect();
    return false;
  }

  #connect(): void {
    const { base, receive, broken, now, signal } = this.#options;
    if (base === null || this.#path === null || signal.aborted) return;
    this.#tried = now();
    const socket = new WebSocket(`${base}/${this.#path}`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#stood = true;
    };
    socket.onmessage = ({ data }) => {
      const message = this.#socket === socket && data instanceof ArrayBuffer ? unpacked(data) : null;
      if (message) receive(...message);
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      broken();
    };
    this.#socket = socket;
  }

  #hangUp(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    if (socket) this.#options.broken();
  }
}

/** A reply's JSON and what is binary of it; null if it is none. */
function unpacked(data: ArrayBuffer): [unknown, Uint8Array[]] | null {
  if (data.byteLength < LENGTH) return null;
  const length = new DataView(data).getUint32(0, true);
  if (LENGTH + length > data.byteLength) return null;
  try {
    const content: unknown = JSON.parse(new TextDecoder().decode(new Uint8Array(data, LENGTH, length)));
    return [content, [new Uint8Array(data, LENGTH + length)]];
  } catch {
    return null;
  }
}

/** Where the websockets of this page's direct lines go: what the server's extension has written into the page. */
export function directBase(page: Document): string | null {
  try {
    const { samWidgetDirect } = JSON.parse(page.getElementById("jupyter-config-data")?.textContent ?? "{}");
    if (typeof samWidgetDirect !== "string") return null;
    const url = new URL(samWidgetDirect, page.location.href);
    if (url.host !== page.location.host) return null;
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return url.href;
  } catch {
    return null;
  }
}
