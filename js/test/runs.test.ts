import { describe, expect, it } from "vitest";
import { bounds, type Mask, outline, paint, rgba } from "../src/runs";

/** A mask from a drawing: one string a row, "#" inside. */
function draw(...rows: string[]): Mask {
  const width = rows[0].length;
  const runs = rows.flatMap((row, y) =>
    [...row.matchAll(/#+/g)].flatMap((run) => [y * width + run.index, run[0].length]),
  );
  return { width, height: rows.length, runs: Uint32Array.from(runs) };
}

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

  it("paints nothing of a mask beside the grid", () => {
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

describe("outline", () => {
  const segments = (mask: Mask) => {
    const flat = [...outline(mask)];
    return Array.from({ length: flat.length / 4 }, (_, i) => flat.slice(4 * i, 4 * i + 4).join()).sort();
  };

  it("walks around a rectangle in four segments", () => {
    expect(segments(draw("....", ".##.", ".##."))).toEqual(["1,1,1,3", "1,1,3,1", "1,3,3,3", "3,1,3,3"]);
  });

  it("walks around holes", () => {
    const around = ["0,0,0,3", "0,0,3,0", "0,3,3,3", "3,0,3,3"];
    const hole = ["1,1,1,2", "1,1,2,1", "1,2,2,2", "2,1,2,2"];
    expect(segments(draw("###", "#.#", "###"))).toEqual([...around, ...hole].sort());
  });

  it("sees runs that touch as one", () => {
    expect(segments({ width: 4, height: 1, runs: Uint32Array.of(0, 2, 2, 2) })).toEqual(segments(draw("####")));
  });

  it("is as long as the edges between inside and outside", () => {
    let seed = 7;
    const random = () => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed / 2 ** 31;
    };
    const rows = Array.from({ length: 23 }, () =>
      Array.from({ length: 17 }, () => (random() < 0.5 ? "#" : ".")).join(""),
    );
    const inside = (x: number, y: number) => rows[y]?.[x] === "#";
    let edges = 0;
    for (let y = 0; y <= 23; y++)
      for (let x = 0; x <= 17; x++)
        edges += Number(inside(x, y) !== inside(x - 1, y)) + Number(inside(x, y) !== inside(x, y - 1));
    const flat = outline(draw(...rows));
    let length = 0;
    for (let i = 0; i < flat.length; i += 4) length += flat[i + 2] - flat[i] + flat[i + 3] - flat[i + 1];
    expect(length).toBe(edges);
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
