import { expect, it } from "vitest";
import { hintFor } from "../../src/view/tooloptions";

const options = { erase: false, encloses: true };

it.each([
  ["brush", true, options, "paints on the mask"],
  ["brush", true, { ...options, erase: true }, "erases from the mask"],
  ["brush", false, options, "prompts: a scribble on the object"],
  ["brush", false, { ...options, erase: true }, "prompts: a scribble on the background"],
  ["lasso", true, options, "prompts: around the object"],
  ["lasso", false, { ...options, encloses: false }, "prompts: a scribble on the object"],
] as const)("says whether a stroke of the %s will paint or prompt", (tool, paints, ui, text) => {
  expect(hintFor(tool, paints, ui)).toContain(text);
});
