/** The conversation that the kernel passes in `tests/widget/test_conversation.py`, with a page's worker. */

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Body } from "../../src/kernel/transport";
import type { State } from "../../src/protocol";
import { connected } from "./connected";

interface Step {
  request: Record<string, unknown>;
  refusal?: string;
  sends?: string;
  shows: Record<string, unknown>;
}

const STEPS: Step[] = JSON.parse(readFileSync("../tests/widget/conversation.json", "utf-8"));

/** What a step may look at. */
function shown({ objects, candidates, chosen, prompt, can_undo, can_redo, editing }: State): Record<string, unknown> {
  return {
    labels: objects.map(({ label }) => label),
    colors: objects.map(({ color }) => color),
    candidates: candidates.length,
    chosen,
    points: prompt.points.length,
    can_undo,
    can_redo,
    editing: editing === null ? null : objects.findIndex(({ id }) => id === editing),
  };
}

/** Put the ids of objects in the place of "$0", "$1". */
function filled(value: unknown, ids: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((each) => filled(each, ids));
  return typeof value === "string" && value.startsWith("$") ? ids[Number(value.slice(1))] : value;
}

it("a page's worker passes the conversation that the kernel passes", async () => {
  const { session, ask, replies } = await connected();
  expect(STEPS.length).toBeGreaterThan(30);
  for (const [number, { request, refusal, sends, shows }] of STEPS.entries()) {
    const ids = session.state.objects.map(({ id }) => id);
    const body = Object.fromEntries(Object.entries(request).map(([name, value]) => [name, filled(value, ids)]));
    const before = replies.length;
    const { outcome, error } = await ask(body as unknown as Body);
    const place = `step ${number}: ${JSON.stringify(request)}`;
    expect([place, outcome]).toEqual([place, refusal === undefined ? "done" : "error"]);
    expect(error ?? "", place).toContain(refusal ?? "");
    if (sends)
      expect(
        replies.slice(before).map(({ type }) => type),
        place,
      ).toContain(sends);
    const now = shown(session.state);
    for (const [name, value] of Object.entries(shows))
      if (value === "some") expect(now[name], place).not.toBeNull();
      else expect([place, name, now[name]]).toEqual([place, name, value]);
  }
});
