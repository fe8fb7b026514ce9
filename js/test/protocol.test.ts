import { describe, expect, it } from "vitest";
import source from "../src/protocol.ts?raw";
import { NO_PROMPT } from "../src/state/prompt";
import { spokenByADecodingView } from "./decoding";
import { FakeModel, imageOf, openStore, STATE } from "./fake";

interface Fields {
  readonly required: string[];
  readonly all: string[];
}

/** The fields of every request, by its type, as generated from the kernel's own definitions. */
function requestFields(): Map<string, Fields> {
  const interfaces = [...source.matchAll(/export interface (\w+) \{\n([^}]*)\}/g)].map(([, name, body]) => {
    const fields = [...body.matchAll(/^ {2}(\w+\??): (.*);$/gm)].map(([, field, type]) => [field, type] as const);
    return [name, new Map(fields)] as const;
  });
  const named = new Map(interfaces);
  const union = source.match(/export type Request = (.*);/)?.[1].split(" | ") ?? [];
  return new Map(
    union.map((name) => {
      const fields = named.get(name) ?? new Map<string, string>();
      const all = [...fields.keys()].map((field) => field.replace("?", ""));
      const required = [...fields.keys()].filter((field) => !field.endsWith("?"));
      return [JSON.parse(fields.get("type") ?? '""'), { required, all }];
    }),
  );
}

describe("the protocol", () => {
  it("is what a view speaks: every request, with the fields the kernel expects and no others", async () => {
    const closing = new AbortController();
    const model = new FakeModel({
      ...STATE,
      candidates: [
        { mask: "a", score: 0.9, stability: 0.8, area: 1, crop: null },
        { mask: "b", score: 0.8, stability: null, area: 2, crop: null },
      ],
      chosen: 0,
      can_undo: true,
      can_redo: true,
      search: { words: ["cat"], like: 0, not_like: 0, threshold: 0.5, message: "", instances: [] },
      image: imageOf(40, 30),
    });
    const decode = () => Promise.resolve(null);
    const { store } = openStore({ model, decode, close: () => {}, signal: closing.signal });
    void store.choose(1);
    const boxes = [{ x0: 0, y0: 0, x1: 2, y1: 2 }];
    void store.edit((prompt) => ({ ...prompt, points: [{ x: 1, y: 2, label: 1 }], boxes }));
    void store.brush([1, 2, 3, 4], 5, 0);
    void store.adjust({ holes: 3 }, "slider");
    void store.merge(["object", "other"]);
    void store.subtract("object", "other");
    void store.recolor("object", 2);
    void store.accept("cat");
    void store.preview(NO_PROMPT);
    void store.remove(["object"]);
    void store.rename(["object"], "dog");
    void store.everything(16);
    void store.cancel();
    void store.export("coco");
    void store.render({ channels: [2], black: 1, white: 2, gamma: 0.5 });
    void store.sharpen({ x0: 1, y0: 2, x1: 3, y1: 4 });
    void store.clear();
    void store.undo();
    await model.answer(model.last("undo"));
    void store.redo();
    await model.answer(model.last("redo"));
    void store.editObject("object");
    await model.answer(model.last("edit"));
    void store.refine();
    await model.answer(model.last("refine"));
    void store.find.find(["cat"], ["object"], "typing");
    void store.find.sift(0.4, "slider");
    void store.find.refuse("0");
    void store.find.accept(["0"], null);
    void store.find.refine("0");
    await model.answer(model.last("refine_found"));
    void store.find.end();
    void store.find.findInAll(["cat"], ["object"]);
    void store.find.stopFindInAll();
    void store.find.endFindInAll();
    void store.mark(true);
    void store.steer({ type: "go_to_stage", stage: 2 });
    for (const type of ["tune", "run_automatic", "cancel_job", "finish", "start_check", "right"] as const)
      void store.steer({ type });
    void store.show(1);
    closing.abort();
    const sent = [...model.sent, ...(await spokenByADecodingView())];
    const spoken = new Map(sent.map((request) => [request.type, Object.keys(request).sort()]));
    const fields = requestFields();
    expect(fields.size).toBeGreaterThan(5);
    expect([...spoken.keys()].sort()).toEqual([...fields.keys()].sort());
    for (const [type, { required, all }] of fields) {
      expect(spoken.get(type), type).toEqual(expect.arrayContaining(required));
      expect(all, type).toEqual(expect.arrayContaining(spoken.get(type) ?? []));
    }
  });
});
