import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Direct, directBase } from "../../src/kernel/direct";
import { Transport } from "../../src/kernel/transport";
import { FakeModel, imageOf, openStore, packedMask, STATE, settled } from "../fake";

/** A websocket whose other end is the test. */
class FakeSocket {
  static readonly all: FakeSocket[] = [];
  readonly OPEN = 1;
  readyState = 0;
  binaryType = "";
  readonly sent: string[] = [];
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  send(data: string): void {
    this.sent.push(data);
  }

  close(): void {
    this.readyState = 3;
    this.onclose?.();
  }

  opens(): this {
    this.readyState = 1;
    this.onopen?.();
    return this;
  }

  says(content: unknown, binary: Uint8Array = new Uint8Array()): void {
    const json = new TextEncoder().encode(JSON.stringify(content));
    const frame = new Uint8Array(4 + json.length + binary.length);
    new DataView(frame.buffer).setUint32(0, json.length, true);
    frame.set(json, 4);
    frame.set(binary, 4 + json.length);
    this.onmessage?.({ data: frame.buffer });
  }
}

const last = (): FakeSocket => FakeSocket.all[FakeSocket.all.length - 1];
const BASE = "ws://lab/sam-widget/direct";

beforeEach(() => {
  FakeSocket.all.length = 0;
  vi.stubGlobal("WebSocket", FakeSocket);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

function open(base: string | null = BASE) {
  const closing = new AbortController();
  const clock = { now: 0 };
  const [receive, broken] = [vi.fn(), vi.fn()];
  const direct = new Direct({ base, receive, broken, now: () => clock.now, signal: closing.signal });
  return { direct, receive, broken, closing, clock };
}

describe("the line", () => {
  it("is asked of the server by what the kernel says", () => {
    const { direct } = open();
    expect(direct.send({})).toBe(false);
    direct.follow("kernel/widget");
    expect(last().url).toBe(`${BASE}/kernel/widget`);
    expect(direct.send({})).toBe(false);
    last().opens();
    expect(direct.send({ type: "preview" })).toBe(true);
    expect(last().sent).toEqual(['{"type":"preview"}']);
    direct.follow("kernel/widget");
    expect(FakeSocket.all).toHaveLength(1);
  });

  it.each([
    [null, "kernel/widget"],
    [BASE, null],
  ])("is none where server or kernel have none", (base, path) => {
    const { direct } = open(base);
    direct.follow(path);
    expect(FakeSocket.all).toHaveLength(0);
    expect(direct.send({})).toBe(false);
  });

  it("hands on what the kernel says, and leaves aside what it cannot read", () => {
    const { direct, receive } = open();
    direct.follow("k/w");
    const socket = last().opens();
    socket.says({ type: "answer" }, Uint8Array.of(1, 2));
    expect(receive).toHaveBeenCalledWith({ type: "answer" }, [Uint8Array.of(1, 2)]);
    for (const data of ["text", new ArrayBuffer(0), new ArrayBuffer(3), Uint8Array.of(255, 0, 0, 0, 1).buffer])
      socket.onmessage?.({ data });
    socket.onmessage?.({ data: Uint8Array.of(1, 0, 0, 0, 123).buffer });
    expect(receive).toHaveBeenCalledOnce();
  });

  it("is tried again some time after it has broken, when there is something to ask", () => {
    const { direct, broken, clock } = open();
    direct.follow("k/w");
    last().opens();
    clock.now = 9000;
    last().close();
    expect(broken).toHaveBeenCalledOnce();
    expect(direct.send({})).toBe(false);
    expect(FakeSocket.all).toHaveLength(1);
    clock.now = 10_001;
    expect(direct.send({})).toBe(false);
    expect(FakeSocket.all).toHaveLength(2);
    expect(direct.send({})).toBe(false);
    expect(FakeSocket.all).toHaveLength(2);
    last().opens();
    expect(direct.send({})).toBe(true);
  });

  it("is not tried again if it never stood", () => {
    const { direct, clock } = open();
    direct.follow("k/w");
    last().close();
    clock.now = 1e6;
    expect(direct.send({})).toBe(false);
    expect(FakeSocket.all).toHaveLength(1);
  });

  it("is another one for another kernel", () => {
    const { direct, receive, broken } = open();
    direct.follow("k/w");
    const before = last().opens();
    direct.follow("k2/w");
    expect(before.readyState).toBe(3);
    expect(broken).toHaveBeenCalledOnce();
    before.says({ type: "answer" });
    expect(receive).not.toHaveBeenCalled();
    expect(last().url).toBe(`${BASE}/k2/w`);
  });

  it("ends with the view", () => {
    const { direct, closing } = open();
    direct.follow("k/w");
    const socket = last().opens();
    closing.abort();
    expect(socket.readyState).toBe(3);
    direct.follow("k2/w");
    expect(FakeSocket.all).toHaveLength(1);
  });
});

describe("a transport with a direct line", () => {
  function transport() {
    const model = new FakeModel();
    const closing = new AbortController();
    const handlers = { whole: vi.fn(), update: vi.fn(), heard: vi.fn(), lost: vi.fn() };
    const made = new Transport(model, handlers, closing.signal, BASE);
    made.follow("k/w");
    return { model, handlers, transport: made };
  }
  const preview = { type: "preview", prompt: STATE.prompt } as const;

  it("sends previews there, all else as usual, and previews, too, while it does not stand", () => {
    const { model, transport: made } = transport();
    made.send(preview);
    expect(model.count("preview")).toBe(1);
    last().opens();
    made.send(preview);
    made.send({ type: "undo" });
    expect(model.sent.map(({ type }) => type)).toEqual(["preview", "undo"]);
    expect(last().sent.map((text) => JSON.parse(text))).toEqual([{ ...preview, client: made.client, seq: 2 }]);
  });

  it("answers what was asked there as superseded when it breaks, and nothing else", async () => {
    const { model, transport: made } = transport();
    const usual = made.send({ type: "undo" });
    last().opens();
    const [first, second] = [made.send(preview), made.send(preview)];
    last().says({ type: "answer", client: made.client, seq: first.seq, outcome: "done", error: null, revision: 3 });
    expect((await first.answer).outcome).toBe("done");
    last().close();
    expect(await second.answer).toMatchObject({ seq: second.seq, outcome: "superseded", error: null });
    await model.answer(model.sent[0]);
    expect((await usual.answer).outcome).toBe("done");
  });
});

describe("a store with a direct line", () => {
  const options = {
    decode: async () => ({}) as ImageBitmap,
    close: () => {},
    changed: () => {},
    direct: BASE,
  };

  it("previews over it, as the state says", async () => {
    const model = new FakeModel({ ...STATE, image: imageOf(4, 4) });
    const { store } = openStore({ model, ...options, signal: new AbortController().signal });
    expect(FakeSocket.all).toHaveLength(0);
    model.set({ revision: 2, direct: "k/w" });
    last().opens();
    const asked = store.preview(STATE.prompt);
    const { client, seq } = JSON.parse(last().sent[0]);
    const message = { type: "preview_mask", client, seq, width: 4, height: 4, score: 0.5 };
    const { buffer, byteOffset, byteLength } = packedMask(3);
    last().says(message, new Uint8Array(buffer, byteOffset, byteLength));
    expect(await asked).toMatchObject({ score: 0.5, mask: { width: 4, height: 4 } });
    expect(model.count("preview")).toBe(0);
    const lost = store.preview(STATE.prompt);
    last().close();
    expect(await lost).toBeNull();
    void store.preview(STATE.prompt);
    await settled();
    expect(model.count("preview")).toBe(1);
  });

  it("asks for none in a saved page", () => {
    const model = new FakeModel({ ...STATE, direct: "k/w" });
    model.saved = { picture: "AA==", mime: "image/png", masks: [] };
    openStore({ model, ...options, signal: new AbortController().signal });
    model.set({ revision: 9 });
    expect(FakeSocket.all).toHaveLength(0);
  });
});

describe("where a page's lines go", () => {
  const page = (config: string | null, href = "http://lab:8888/base/lab") =>
    ({
      getElementById: (id: string) =>
        id === "jupyter-config-data" && config !== null ? { textContent: config } : null,
      location: new URL(href),
    }) as unknown as Document;

  it("is what the server's extension has written into it", () => {
    const config = '{"samWidgetDirect": "/base/sam-widget/direct"}';
    expect(directBase(page(config))).toBe("ws://lab:8888/base/sam-widget/direct");
    expect(directBase(page(config, "https://hub/user/a/lab"))).toBe("wss://hub/base/sam-widget/direct");
  });

  it.each([null, "", "{}", "null", "no json", '{"samWidgetDirect": 3}', '{"samWidgetDirect": "http://elsewhere/x"}'])(
    "is null without that (%s)",
    (config) => {
      expect(directBase(page(config))).toBeNull();
    },
  );
});
