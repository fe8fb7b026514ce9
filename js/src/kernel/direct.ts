/**
 * A direct line to the kernel, for requests that change nothing and are made while the pointer moves: a websocket that
 * carries no Jupyter messages. It needs the package's server extension; see `sam_widget/widget/direct.py`.
 */

/** Milliseconds after which a broken line is reopened, at the next request. */
const AGAIN = 10_000;
/** The smallest reply: just the length of its JSON. */
const LENGTH = 4;

export interface DirectOptions {
  /** The base address of direct lines, to which the kernel's path is added; null if the server has none. */
  readonly base: string | null;
  /** Called with each reply. */
  readonly receive: (content: unknown, buffers: Uint8Array[]) => void;
  /** Called when the line breaks: open requests will not be answered. */
  readonly broken: () => void;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

export class Direct {
  readonly #options: DirectOptions;
  #path: string | null = null;
  #socket: WebSocket | null = null;
  /** Time of the last attempt. A line that never opened is not tried again. */
  #tried = 0;
  #stood = false;

  constructor(options: DirectOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#hangUp(), { once: true });
  }

  /** Connect to the path from the kernel; null closes the line. */
  follow(path: string | null): void {
    if (path === this.#path) return;
    this.#hangUp();
    this.#path = path;
    this.#stood = false;
    this.#connect();
  }

  /** Send a request if the line is open. Returns whether it was sent. */
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

/** A reply's JSON and its binary part; null if it is malformed. */
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

/** The base address of direct lines, which the server extension has written into the page. */
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
