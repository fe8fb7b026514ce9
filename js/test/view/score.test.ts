import { expect, it } from "vitest";
import { scoreSaid, scoreShown } from "../../src/view/score";

it("shows a dash for a mask without a score, and says so", () => {
  expect([scoreShown(0.934), scoreSaid(0.934)]).toEqual(["0.93", "score 0.93"]);
  expect([scoreShown(0), scoreSaid(0)]).toEqual(["0.00", "score 0.00"]);
  expect([scoreShown(null), scoreSaid(null)]).toEqual(["–", "no score"]);
});
