import { expect, test } from "vitest";
import type { Store } from "../../src/state/store";
import { statusText } from "../../src/view/status";
import { STATE } from "../fake";

const MEANWHILE = "The server does not answer; tiny answers meanwhile.";
const CANDIDATE = { mask: "m1", score: 0.93, stability: 0.9, area: 1234, crop: null };

function said(state: object, chosen: number | null = null): string {
  const nothing = { failure: null, saved: null, busy: false, unanswered: false, status: "ready" };
  return statusText({ ...nothing, chosen, state: { ...STATE, ...state } } as unknown as Store);
}

test("the status says that another model answers, with a mask and without one", () => {
  expect(said({})).toBe("Ready. No objects yet.");
  expect(said({ meanwhile: MEANWHILE })).toBe(`${MEANWHILE} No objects yet.`);
  const candidates = [{ ...CANDIDATE, model: "tiny" }];
  expect(said({ meanwhile: MEANWHILE, candidates }, 0)).toMatch(/^One mask by tiny, .*1,234 px\. The server does not/);
});

test("only a model other than the widget's own is named", () => {
  expect(said({ candidates: [CANDIDATE] }, 0)).toMatch(/^One mask, .* px$/);
});
