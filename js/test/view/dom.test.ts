import { expect, it } from "vitest";
import { setAttributes } from "../../src/view/dom";

it("does not touch attributes that stay the same", () => {
  const attributes = new Map<string, string>();
  const touched: string[] = [];
  const element = {
    getAttribute: (name: string) => attributes.get(name) ?? null,
    setAttribute: (name: string, value: string) => {
      touched.push(name);
      attributes.set(name, value);
    },
    removeAttribute: (name: string) => attributes.delete(name),
  } as unknown as Element;
  const first = { hidden: true, role: "img", "aria-valuenow": 3 };
  setAttributes(element, first);
  expect(touched).toEqual(["hidden", "role", "aria-valuenow"]);
  setAttributes(element, first);
  expect(touched).toHaveLength(3);
  setAttributes(element, { hidden: false, role: null, "aria-valuenow": 4 });
  expect([...attributes]).toEqual([["aria-valuenow", "4"]]);
});
