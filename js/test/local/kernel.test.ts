/** The page's kernel, at the other end of the view's own transport; the decoder is a stand-in. */

import { readFileSync } from "node:fs";
import initSqlJs, { type Database } from "sql.js/dist/sql-wasm-browser.js";
import { beforeAll, describe, expect, it } from "vitest";
import type { Body } from "../../src/kernel/transport";
import { Archive } from "../../src/local/archive";
import { SIDES } from "../../src/local/grid";
import { ABILITIES, LocalKernel } from "../../src/local/kernel";
import type { Decoded, PromptModel } from "../../src/local/model";
import type { Asked } from "../../src/local/prompt";
import type { Reply, Request, State } from "../../src/protocol";
import { type Model, RemoteSession } from "../../src/state/session";
import { imageOf } from "../fake";

const SIDE = SIDES[0];
/** The photo's size: as the logits', so that a mask is what was decoded. */
const IMAGE = imageOf(SIDE, SIDE);
const PROMPT = { points: [{ x: 48, y: 48, label: 1 as const }], boxes: [], strokes: [], mask: null };
const EMPTY = { points: [], boxes: [], strokes: [], mask: null };

/** Squares of three sizes around the first point. */
const decoder: PromptModel = {
  look() {},
  frame: { input: 4 * SIDE, logits: SIDE, stretched: false, cubic: false },
  decode({ points }: Asked): Decoded {
    const [{ x, y }] = points;
    const masks = [1, 8, 16, 32].map((reach) =>
      Float32Array.from({ length: SIDE * SIDE }, (_, i) =>
        Math.max(Math.abs((i % SIDE) - x * SIDE), Math.abs(Math.floor(i / SIDE) - y * SIDE)) < reach ? 4 : -4,
      ),
    );
    return { masks, scores: [0.1, 0.5, 0.9, 0.7] };
  },
};

let create: () => Database;

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
async function connected() {
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
  return { session, ask, replies, archive: opened };
}

/** A request of each type but the gallery's, with what its type needs. */
const REQUESTS: { [Type in Exclude<Body["type"], "show" | "mark">]?: Extract<Body, { type: Type }> } = {
  hello: { type: "hello" },
  preview: { type: "preview", prompt: PROMPT },
  tile: { type: "tile", level: 0, column: 0, row: 0, rendering: { channels: [], black: null, white: null, gamma: 1 } },
  export: { type: "export", format: "coco" },
  predict: { type: "predict", prompt: PROMPT },
  choose: { type: "choose", index: 0 },
  accept: { type: "accept", label: "" },
  clear: { type: "clear" },
  undo: { type: "undo" },
  redo: { type: "redo" },
  rename: { type: "rename", objects: ["x"], label: "y" },
  recolor: { type: "recolor", object: "x", color: 1 },
  remove: { type: "remove", objects: ["x"] },
  edit: { type: "edit", object: "x" },
  merge: { type: "merge", objects: ["x", "y"] },
  subtract: { type: "subtract", object: "x", other: "y" },
  refine: { type: "refine" },
  brush: { type: "brush", vertices: [1, 1], radius: 1, label: 1 },
  everything: { type: "everything", points_per_side: 8 },
  cancel: { type: "cancel" },
  sharpen: { type: "sharpen", region: null, later: false },
};

describe("a page's kernel", () => {
  it("answers what it says that it can do, and refuses everything else with what to do instead", async () => {
    const { ask } = await connected();
    for (const [type, body] of Object.entries(REQUESTS)) {
      const { error } = await ask(body);
      const refused = error?.includes("Download the session and continue in Jupyter") ?? false;
      expect([type, refused]).toEqual([type, !ABILITIES.requests.includes(type as Body["type"])]);
    }
    const tested = Object.keys(REQUESTS);
    expect(ABILITIES.requests.filter((type) => !tested.includes(type))).toEqual(["show", "mark"]);
  });

  it("answers a prompt with three masks, of which the best is chosen, and sends each mask once", async () => {
    const { session, ask } = await connected();
    expect((await ask({ type: "predict", prompt: PROMPT })).outcome).toBe("done");
    const { candidates, chosen, can_undo } = session.state;
    expect(candidates.map(({ score }) => score)).toEqual([0.5, 0.9, 0.7]);
    expect([chosen, can_undo, session.lacking]).toEqual([1, true, false]);
    expect(session.mask(candidates[1].mask)?.runs.length).toBe(2 * 32);
  });

  it("previews without a change, and only the newest of what waits", async () => {
    const { session, ask, replies } = await connected();
    const before = session.state;
    const first = session.send({ type: "preview", prompt: PROMPT }).answer;
    const second = session.send({ type: "preview", prompt: PROMPT }).answer;
    expect([(await first).outcome, (await second).outcome]).toEqual(["superseded", "done"]);
    expect((await second).content?.message).toMatchObject({ type: "preview_mask", score: 0.9, width: SIDE });
    expect(session.state).toEqual(before);
    await ask({ type: "preview", prompt: EMPTY });
    expect(replies.filter(({ type }) => type === "update")).toEqual([]);
  });

  it("accepts, names, undoes and redoes", async () => {
    const { session, ask } = await connected();
    await ask({ type: "predict", prompt: PROMPT });
    await ask({ type: "choose", index: 0 });
    await ask({ type: "accept", label: "nose" });
    expect(session.state.objects).toMatchObject([{ label: "nose", score: 0.5, area: 16 * 16, color: 0 }]);
    expect(session.state.candidates).toEqual([]);
    await ask({ type: "predict", prompt: PROMPT });
    await ask({ type: "accept" });
    expect(session.state.objects.map(({ label, color }) => [label, color])).toEqual([
      ["nose", 0],
      ["object 1", 1],
    ]);
    for (let i = 0; i < 5; i++) await ask({ type: "undo" });
    expect([session.state.objects, session.state.can_undo]).toEqual([[], false]);
    expect((await ask({ type: "undo" })).error).toBe("there is nothing to undo");
    for (let i = 0; i < 5; i++) await ask({ type: "redo" });
    expect([session.state.objects.length, session.state.can_redo, session.lacking]).toEqual([2, false, false]);
  });

  it("changes objects: labels, colours, merging, subtracting, editing, removing", async () => {
    const { session, ask } = await connected();
    for (const index of [0, 2]) {
      await ask({ type: "predict", prompt: PROMPT });
      await ask({ type: "choose", index });
      await ask({ type: "accept" });
    }
    const ids = session.state.objects.map(({ id }) => id);
    await ask({ type: "rename", objects: [ids[0]], label: " eye " });
    await ask({ type: "recolor", object: ids[0], color: 7 });
    expect(session.state.objects[0]).toMatchObject({ label: "eye", color: 7 });
    expect((await ask({ type: "rename", objects: ids, label: " " })).error).toContain("blank");
    await ask({ type: "subtract", object: ids[1], other: ids[0] });
    expect(session.state.objects[1].area).toBe(64 * 64 - 16 * 16);
    expect((await ask({ type: "subtract", object: ids[0], other: ids[0] })).outcome).toBe("error");
    await ask({ type: "merge", objects: ids });
    expect(session.state.objects).toMatchObject([{ id: ids[0], label: "eye", area: 64 * 64, score: null }]);
    await ask({ type: "edit", object: ids[0] });
    expect([session.state.editing, session.state.candidates.length]).toEqual([ids[0], 1]);
    await ask({ type: "remove", objects: [ids[0]] });
    expect([session.state.objects, session.state.editing]).toEqual([[], null]);
  });

  it.each([
    [{ type: "predict", prompt: { ...PROMPT, points: [{ x: -1, y: 2, label: 1 }] } }, "outside the image"],
    [{ type: "predict", prompt: { ...EMPTY, boxes: [{ x0: 5, y0: 5, x1: 5, y1: 9 }] } }, "empty or outside"],
    [
      { type: "predict", prompt: { ...EMPTY, strokes: [{ vertices: [1, 1, 2, 2], label: 1, closed: false }] } },
      "continue in Jupyter",
    ],
    [{ type: "everything", points_per_side: 8 }, "continue in Jupyter"],
    [{ type: "accept" }, "there is no mask to accept"],
    [{ type: "export", format: "coco" }, "no objects to export"],
    [{ type: "remove", objects: ["x"] }, "gone"],
  ])("refuses what it cannot do, in a sentence, and changes nothing: %j", async (body, sentence) => {
    const { session, ask } = await connected();
    const before: State = session.state;
    const { outcome, error } = await ask(body as Parameters<typeof ask>[0]);
    expect([outcome, error]).toEqual(["error", expect.stringContaining(sentence)]);
    expect(session.state).toBe(before);
  });

  it("sends the photo in tiles, and files", async () => {
    const { session, ask } = await connected();
    expect(await session.tile({ level: 0, column: 0, row: 0 }, session.state.rendering)).toBe("image/png 1,2,3");
    await ask({ type: "predict", prompt: PROMPT });
    await ask({ type: "accept", label: "é" });
    const file = (await ask({ type: "export", format: "coco" })).content;
    expect(file?.message).toMatchObject({ name: "cat.json" });
    expect(JSON.parse(new TextDecoder().decode(file?.bytes)).categories).toEqual([{ id: 1, name: "é" }]);
    expect((await ask({ type: "export", format: "yolo" })).error).toContain("COCO and label maps");
  });

  it("forgets what was undone and replaced, in what it saves, too", async () => {
    const { ask, archive } = await connected();
    await ask({ type: "predict", prompt: PROMPT });
    await ask({ type: "undo" });
    await ask({ type: "predict", prompt: { ...PROMPT, points: [{ x: 20, y: 20, label: 1 }] } });
    expect(archive.history.length).toBe(2);
    expect(new Archive(reopened(archive)).history).toEqual(archive.history);
  });
});

function reopened(archive: Archive): Database {
  const database = create();
  const Constructor = database.constructor as new (bytes: Uint8Array) => Database;
  return new Constructor(archive.save());
}
