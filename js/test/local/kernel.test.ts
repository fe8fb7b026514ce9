/** The page's kernel, at the other end of the view's own transport; the decoder is a stand-in. */

import type { Database } from "sql.js/dist/sql-wasm-browser.js";
import { describe, expect, it } from "vitest";
import type { Body } from "../../src/kernel/transport";
import { Archive, SWEEP_AFTER } from "../../src/local/archive";
import { ABILITIES } from "../../src/local/kernel";
import type { State } from "../../src/protocol";
import { connected, create, EMPTY, PROMPT, SIDE } from "./connected";

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

  it("answers a prompt that names a mask, and saves the mask", async () => {
    const { session, ask, archive, kernel } = await connected();
    const logits = new Float32Array(SIDE * SIDE).fill(0.25);
    const mask = kernel.addLogits(logits);
    await ask({ type: "predict", prompt: { ...PROMPT, mask } });
    expect(session.state.candidates.map(({ score }) => score)).toEqual([0.5, 0.9, 0.25]);
    expect(session.state.prompt.mask).toBe(mask);
    expect(new Archive(reopened(archive)).logits(mask)).toEqual(logits);
    await ask({ type: "undo" });
    await ask({ type: "predict", prompt: PROMPT });
    expect([session.state.prompt.mask, session.state.candidates[2].score]).toEqual([null, 0.7]);
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

  it("drops the documents and masks of what was undone and replaced, and keeps those of the history", async () => {
    const { ask, archive } = await connected();
    await ask({ type: "predict", prompt: PROMPT });
    const kept = archive.document(archive.history[1]);
    const masks = (kept.candidates as string[]).map((hash) => archive.document(hash).mask as string);
    const packed = masks.map((hash) => archive.packed(hash));
    const counts: number[] = [];
    for (let i = 0; i < 0.6 * SWEEP_AFTER; i++) {
      archive.addMask({ width: 40, height: 30, runs: Uint32Array.of(i % 1200, 1, 1200 + i, 1) }, "mask");
      archive.push(archive.addDocument("state", { ...kept, number: i }));
      archive.position--;
      if (i === 0) counts.push(...rows(archive));
    }
    const [documents, blobs] = rows(archive);
    expect(documents).toBeLessThan(counts[0] + 0.2 * SWEEP_AFTER);
    expect(blobs).toBeLessThan(counts[1] + 0.2 * SWEEP_AFTER);
    expect(archive.document(archive.history[0]).prompt).toBe("p");
    expect(masks.map((hash) => archive.packed(hash))).toEqual(packed);
  });
});

/** How many documents and blobs are saved. */
function rows(archive: Archive): number[] {
  const database = reopened(archive);
  return ["documents", "blobs"].map(
    (table) => database.exec(`SELECT count(*) FROM ${table}`)[0].values[0][0] as number,
  );
}

function reopened(archive: Archive): Database {
  const database = create();
  const Constructor = database.constructor as new (bytes: Uint8Array) => Database;
  return new Constructor(archive.save());
}
