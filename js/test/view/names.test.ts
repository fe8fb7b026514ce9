import { expect, it } from "vitest";
import { drawNames } from "../../src/view/names";
import { objectOf } from "../desk";

/** A pen that takes down what it writes; a letter is ten pixels wide. */
function open() {
  const written: string[] = [];
  const pen = {
    measureText: (text: string) => ({ width: 10 * text.length }),
    fillRect: () => {},
    fillText: (text: string) => written.push(text),
  } as unknown as CanvasRenderingContext2D;
  return { written, pen };
}

const box = (x0: number, y0: number) => ({ x0, y0, x1: x0 + 40, y1: y0 + 40 });
const frame = { width: 400, height: 300 };
const view = { scale: 1, x: 0, y: 0 };
const objects = [
  objectOf("1", { label: "cat", area: 10, box: box(100, 100) }),
  objectOf("2", { label: "dog", area: 90, box: box(105, 104) }),
  objectOf("3", { label: "cup", area: 5, box: box(300, 200) }),
  objectOf("4", { label: "object 4", area: 5, box: box(200, 20) }),
  objectOf("5", { label: "far", area: 5, box: box(900, 20) }),
];

it("names the objects in view that a person has named, none over another", () => {
  const { written, pen } = open();
  drawNames(pen, objects, () => false, view, frame);
  expect(written).toEqual(["dog", "cup"]);
});

it("names first what is picked or under the pointer, whatever its name", () => {
  const { written, pen } = open();
  drawNames(pen, objects, (id) => id === "1" || id === "4", view, frame);
  expect(written).toEqual(["cat", "object 4", "cup"]);
});
