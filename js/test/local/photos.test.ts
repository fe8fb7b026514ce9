/** A page's photos: which one answers, and what the gallery's bar is told. The sessions are stand-ins. */

import { describe, expect, it } from "vitest";
import type { LocalKernel, Send } from "../../src/local/kernel";
import { Photos } from "../../src/local/photos";
import type { PlaceData, Reply, Request } from "../../src/protocol";

/** What a session is asked, and what it is told to do. */
function pageOf(count: number, fails = -1) {
  const replies: Reply[] = [];
  const places: PlaceData[] = [];
  const log: string[] = [];
  const sends: Send[] = [];
  const kernels: { objects: number; state: { revision: number }; idle: Promise<void> }[] = [];
  const photos = new Photos({
    objects: Array.from({ length: count }, () => 0),
    done: [2],
    placed: (place) => places.push(place),
    send: (message) => replies.push(message),
    async open(index, send) {
      if (index === fails) throw new Error("it is damaged");
      log.push(`open ${index}`);
      sends[index] = send;
      kernels[index] = {
        objects: 0,
        state: { revision: 1 },
        idle: Promise.resolve(),
        showAfter(this: { state: { revision: number } }, revision: number) {
          this.state = { revision: Math.max(this.state.revision, revision + 1) };
          log.push(`show ${index} as ${this.state.revision}`);
        },
        receive: ({ type }: Request) => log.push(`${type} to ${index}`),
      } as never;
      return {
        kernel: kernels[index] as unknown as LocalKernel,
        look: () => log.push(`look at ${index}`),
        save: () => Uint8Array.of(index),
      };
    },
  });
  let seq = 0;
  const ask = async (body: object): Promise<void> => {
    photos.receive({ client: "a", seq: ++seq, ...body } as Request);
    await photos.save();
  };
  return { photos, replies, places, log, sends, kernels, ask };
}

describe("the photos of a page", () => {
  it("are opened when they are first shown, with a state that is newer than the last one", async () => {
    const { photos, ask, log, replies, places, kernels } = pageOf(3);
    await photos.first();
    kernels[0].state.revision = 7;
    await ask({ type: "predict" });
    await ask({ type: "show", index: 2 });
    await ask({ type: "undo" });
    await ask({ type: "show", index: 0 });
    expect(log).toEqual([
      "open 0",
      "predict to 0",
      "open 2",
      "look at 2",
      "show 2 as 8",
      "undo to 2",
      "look at 0",
      "show 0 as 9",
    ]);
    expect(replies.map((reply) => reply.type === "answer" && [reply.seq, reply.outcome, reply.revision])).toEqual([
      [2, "done", 8],
      [4, "done", 9],
    ]);
    expect(places.map(({ index }) => index)).toEqual([2, 0]);
    expect([...(await photos.save()).keys()].sort()).toEqual([0, 2]);
  });

  it("wait for what the photo before is still asked, so that its answers are its own", async () => {
    const { photos, ask, log, kernels } = pageOf(2);
    await photos.first();
    let finish = (): void => {};
    kernels[0].idle = new Promise((resolve) => {
      finish = resolve;
    });
    const showing = ask({ type: "show", index: 1 });
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(log).toEqual(["open 0"]);
    finish();
    await showing;
    expect(log).toContain("show 1 as 2");
  });

  it("say which cannot be opened, and leave the one that is shown", async () => {
    const { photos, ask, replies, log } = pageOf(3, 1);
    await photos.first();
    await ask({ type: "show", index: 1 });
    await ask({ type: "show", index: 9 });
    await ask({ type: "predict" });
    expect(photos.place).toMatchObject({ index: 0, failed: [1] });
    expect(replies.map((reply) => reply.type === "answer" && reply.error)).toEqual([
      "it is damaged",
      "there is no photo 10 in this page",
    ]);
    expect(log.at(-1)).toBe("predict to 0");
  });

  it("count objects, keep marks, and let a photo that is not shown any more only answer", async () => {
    const { photos, ask, replies, sends, kernels } = pageOf(3);
    await photos.first();
    await ask({ type: "mark", done: true });
    expect(photos.place.done).toEqual([0, 2]);
    await ask({ type: "mark", done: false });
    expect(photos.place.done).toEqual([2]);
    kernels[0].objects = 2;
    sends[0]({ type: "update" } as Reply, []);
    await photos.save();
    expect(photos.place.objects).toEqual([2, 0, 0]);
    await ask({ type: "show", index: 1 });
    const before = replies.length;
    sends[0]({ type: "update" } as Reply, []);
    sends[0]({ type: "answer", seq: 9 } as Reply, []);
    expect(replies.slice(before).map(({ type }) => type)).toEqual(["answer"]);
  });
});
