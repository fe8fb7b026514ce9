import { describe, expect, it } from "vitest";
import { bounds, paint, rgba } from "../../src/geometry/runs";
import { draw } from "../draw";

describe("paint", () => {
  const grid = (width: number, height: number, left = 0, top = 0, step = 1) => ({
    pixels: new Uint32Array(width * height),
    width,
    height,
    left,
    top,
    step,
  });
  const shown = ({ pixels, width }: { pixels: Uint32Array; width: number }) =>
    Array.from({ length: pixels.length / width }, (_, y) =>
      Array.from(pixels.subarray(y * width, (y + 1) * width), (value) => (value ? "#" : ".")).join(""),
    );

  it("sets the pixels of the mask and no other", () => {
    const rows = [".##.#", ".....", "#####", "....#"];
    const raster = grid(5, 4);
    paint(draw(...rows), raster, 7);
    expect(shown(raster)).toEqual(rows);
    expect(new Set(raster.pixels)).toEqual(new Set([0, 7]));
  });

  it("paints a crop", () => {
    const raster = grid(3, 3, 2, 1);
    paint(draw("#####", "#...#", "..##.", "####."), raster, 1);
    expect(shown(raster)).toEqual(["..#", "##.", "##."]);
  });

  it("paints enlarged and reduced by the nearest pixel", () => {
    const large = grid(4, 4, 0, 0, 0.5);
    paint(draw("#.", ".#"), large, 1);
    expect(shown(large)).toEqual(["##..", "##..", "..##", "..##"]);
    const small = grid(2, 2, 0, 0, 2);
    paint(draw("....", ".#..", "....", "...#"), small, 1);
    expect(shown(small)).toEqual(["#.", ".#"]);
  });

  it("paints nothing of a mask outside the grid", () => {
    const raster = grid(2, 2, 10, 0);
    paint(draw("##", "##"), raster, 1);
    expect(shown(raster)).toEqual(["..", ".."]);
  });

  it("packs colours as canvas memory has them", () => {
    const pixel = new Uint8Array(Uint32Array.of(rgba("#102030", 1)).buffer);
    expect([...pixel]).toEqual([0x10, 0x20, 0x30, 255]);
    expect(rgba("#ffffff", 0.5) >>> 24).toBe(128);
  });
});

describe("bounds", () => {
  it("is the box around all the masks", () => {
    expect(bounds([draw("....", ".#..", "...."), draw("....", "....", "..#.")])).toEqual({
      x0: 1,
      y0: 1,
      x1: 3,
      y1: 3,
    });
  });

  it("is null for nothing", () => {
    expect(bounds([draw("...")])).toBeNull();
    expect(bounds([])).toBeNull();
  });
});
