import { expect, it } from "vitest";
import { isGiven, MOST_LABELS, recentLabels } from "../../src/state/labels";

it("offers labels in the order of their first use, so that each keeps its key", () => {
  expect(recentLabels(["cat", "dog"], ["dog", "cup", "cat"])).toEqual(["cat", "dog", "cup"]);
});

it("offers the latest, and none that the kernel has made up", () => {
  const many = Array.from({ length: 9 }, (_, i) => `label ${i}`);
  expect(recentLabels(many, [])).toEqual(many.slice(-MOST_LABELS));
  expect(recentLabels(["", "object", "object 12", "objective"], [])).toEqual(["objective"]);
  expect(["object 3", "cat"].map(isGiven)).toEqual([false, true]);
});
