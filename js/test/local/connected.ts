/** A view's session, connected to a page's kernel with a stand-in for the decoder. */

import { readFileSync } from "node:fs";
import initSqlJs, { type Database } from "sql.js/dist/sql-wasm-browser.js";
import { beforeAll } from "vitest";
import { Archive } from "../../src/local/archive";
import { SIDES } from "../../src/local/grid";
import { LocalKernel } from "../../src/local/kernel";
import type { Decoded, PromptModel } from "../../src/local/model";
import type { Asked } from "../../src/local/prompt";
import type { Reply, Request } from "../../src/protocol";
import { type Model, RemoteSession } from "../../src/state/session";
import { imageOf } from "../fake";

export const SIDE = SIDES[0];
/** The photo's size: as the logits', so that a mask is what was decoded. */
const IMAGE = imageOf(SIDE, SIDE);
export const PROMPT = { points: [{ x: 48, y: 48, label: 1 as const }], boxes: [], strokes: [], mask: null };
export const EMPTY = { points: [], boxes: [], strokes: [], mask: null };

/** Squares of three sizes around the first point. The score of the last is a mask prompt's first logit. */
const decoder: PromptModel = {
  look() {},
  frame: { input: 4 * SIDE, logits: SIDE, stretched: false, cubic: false },
  decode({ points }: Asked, mask?: Float32Array | null): Decoded {
    const [{ x, y }] = points;
    const masks = [1, 8, 16, 32].map((reach) =>
      Float32Array.from({ length: SIDE * SIDE }, (_, i) =>
        Math.max(Math.abs((i % SIDE) - x * SIDE), Math.abs(Math.floor(i / SIDE) - y * SIDE)) < reach ? 4 : -4,
      ),
    );
    return { masks, scores: [0.1, 0.5, 0.9, mask ? mask[0] : 0.7] };
  },
};

/** Make an empty database, once the module's tests have begun. */
export let create: () => Database;

beforeAll(async () => {
  const { Database } = await initSqlJs({
    wasmBinary: readFileSync("node_modules/sql.js/dist/sql-wasm-browser.wasm").buffer as ArrayBuffer,
  });
  create = () => new Database(new Uint8Array());
});

/** A session file with one empty state. */
function archive(): Archive {
  const database = create();
  for (const sql of [
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE blobs (hash TEXT PRIMARY KEY, kind TEXT, height INTEGER, width INTEGER, data BLOB)",
    "CREATE TABLE documents (hash TEXT PRIMARY KEY, kind TEXT, json TEXT)",
    "CREATE TABLE history (position INTEGER PRIMARY KEY, state TEXT, checksum TEXT)",
    "CREATE TABLE head (position INTEGER, stamp TEXT, checksum TEXT)",
  ])
    database.run(sql);
  const { width, height } = IMAGE;
  database.run("INSERT INTO meta VALUES ('image', ?), ('model', '\"tiny-1\"')", [JSON.stringify({ width, height })]);
  const prompt = { base: null, points: [], boxes: [], strokes: [], mask: null, mask_crop: null };
  const settings = { threshold: 0, holes: 0, islands: 0, smoothing: 0, specks: true };
  const rendering = { channels: [], black: null, white: null, gamma: 1 };
  const state = { prompt: "p", candidates: [], chosen: null, objects: [], strokes: [], settings, editing: null };
  database.run("INSERT INTO documents VALUES ('p', 'prompt', ?), ('s', 'state', ?)", [
    JSON.stringify(prompt),
    JSON.stringify({ ...state, rendering, crop: null }),
  ]);
  database.run("INSERT INTO history VALUES (0, 's', '')");
  database.run("INSERT INTO head VALUES (0, '', '')");
  return new Archive(database);
}

/** The view's session, connected to a page's kernel; messages are copied, as a worker's are. */
export async function connected() {
  const listeners = new Map<string, Set<(...args: unknown[]) => void>>();
  const replies: Reply[] = [];
  const opened = archive();
  const kernel = new LocalKernel({
    archive: opened,
    decoder,
    image: IMAGE,
    model: "tiny",
    name: "cat.png",
    tile: () => Promise.resolve({ bytes: Uint8Array.of(1, 2, 3), mime: "image/png" }),
    now: () => performance.now(),
    send(message, buffers) {
      replies.push(message);
      for (const listener of listeners.get("msg:custom") ?? []) listener(structuredClone(message), buffers);
    },
  });
  const model = {
    get: (key: string) => (key === "state" ? structuredClone(kernel.state) : undefined),
    send: (request: unknown) => kernel.receive(structuredClone(request) as Request),
    on: (event: string, callback: (...args: unknown[]) => void) =>
      listeners.set(event, (listeners.get(event) ?? new Set()).add(callback)),
    off: (event: string, callback: (...args: unknown[]) => void) => listeners.get(event)?.delete(callback),
  };
  const session = new RemoteSession<string>({
    model: model as unknown as Model,
    decode: (bytes, mime) => Promise.resolve(`${mime} ${bytes}`),
    close: () => {},
    signal: new AbortController().signal,
  });
  const ask = async (body: Parameters<typeof session.send>[0]) => {
    const answer = await session.send(body).answer;
    await session.until(answer.revision);
    return answer;
  };
  await ask({ type: "hello" });
  return { session, ask, replies, archive: opened, kernel };
}
