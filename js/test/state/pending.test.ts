import { expect, it } from "vitest";
import { Pending } from "../../src/state/pending";

it("stands in until its own request is answered", () => {
  const pending = new Pending<number>();
  expect(pending.value).toBeNull();
  pending.ask(1, 10);
  pending.ask(2, 20);
  pending.settle(1);
  expect(pending.value).toBe(20);
  pending.settle(2);
  expect(pending.value).toBeNull();
});

it("can be dropped before the answer", () => {
  const pending = new Pending<number>();
  pending.ask(1, 0);
  expect(pending.value).toBe(0);
  pending.drop();
  expect(pending.value).toBeNull();
});
