import { describe, expect, it } from "vitest";
import { blank, blend, dim, enlarged, heat, tint } from "../../src/panels/drawing";

/** Red from 0 to 255. */
const RED = Uint8Array.from({ length: 768 }, (_, i) => (i % 3 === 0 ? i / 3 : 0));

describe("heat", () => {
  it("scales values to the map, clips them, and is grey without one", () => {
    const made = heat([-1, 0, 0.5, 1, 2, Number.NaN], RED, 0, 1);
    expect([...made].filter((_, i) => i % 4 === 0)).toEqual([0, 0, 128, 255, 255, 128]);
    expect([...made.subarray(20)]).toEqual([128, 128, 128, 255]);
  });
});

describe("enlarged", () => {
  it("shows each cell as a square", () => {
    const cells = heat([0, 1, 1, 0], RED, 0, 1);
    const { data } = enlarged(cells, 2, 4, 4);
    expect([...data].filter((_, i) => i % 4 === 0)).toEqual([
      0, 0, 255, 255, 0, 0, 255, 255, 255, 255, 0, 0, 255, 255, 0, 0,
    ]);
  });
});

describe("masks", () => {
  const photo = blank(2, 1, [100, 50, 10]);
  const mask = Uint8Array.of(1, 0);

  it("are tinted, and the rest can be dark", () => {
    expect([...tint(photo, mask, [200, 150, 110], 0.5).data]).toEqual([150, 100, 60, 255, 100, 50, 10, 255]);
    expect([...dim(photo, mask).data]).toEqual([100, 50, 10, 255, 40, 20, 4, 255]);
  });

  it("do not change the photo", () => {
    expect([...photo.data]).toEqual([100, 50, 10, 255, 100, 50, 10, 255]);
  });
});

describe("blend", () => {
  it("shows the photo in grey below the colours", () => {
    expect([...blend(blank(1, 1, [255, 255, 255]), blank(1, 1, [0, 0, 100])).data]).toEqual([76, 76, 146, 255]);
  });
});
