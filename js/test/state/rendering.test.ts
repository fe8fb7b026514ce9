import { describe, expect, it } from "vitest";
import { scaleOf, spelled, windowOf, withWindow } from "../../src/state/rendering";
import { USUAL } from "../../src/state/tiles";
import { imageOf } from "../fake";

const photo = imageOf(40, 30);
const micrograph = {
  ...photo,
  values: { dtype: "uint16", channels: 5, low: 90, high: 4000, black: 90, white: 4000, dark: 120, bright: 900 },
};
const floats = { ...photo, values: { ...photo.values, dtype: "float32", low: -2, high: 3, black: -2, white: 3 } };

describe("the sliders for black and white", () => {
  it("run over all values there are, in whole steps where values are whole", () => {
    expect(scaleOf(micrograph.values)).toEqual({ low: 90, high: 4000, step: 1 });
    expect(scaleOf(floats.values)).toEqual({ low: -2, high: 3, step: 0.005 });
    // A dark photo of 16 bits: white is beyond its brightest value.
    expect(scaleOf({ ...micrograph.values, white: 65535 }).high).toBe(65535);
  });

  it("start at what is usual", () => {
    expect(windowOf(micrograph, USUAL)).toEqual({ black: 90, white: 4000 });
    expect(windowOf(micrograph, { ...USUAL, black: 7 })).toEqual({ black: 7, white: 4000 });
  });

  it("push each other along and never pass", () => {
    const narrow = withWindow(micrograph, USUAL, { white: 200 });
    expect(windowOf(micrograph, narrow)).toEqual({ black: 90, white: 200 });
    expect(windowOf(micrograph, withWindow(micrograph, narrow, { black: 300 }))).toEqual({ black: 300, white: 301 });
    expect(windowOf(micrograph, withWindow(micrograph, narrow, { white: 90 }))).toEqual({ black: 90, white: 91 });
    expect(windowOf(micrograph, withWindow(micrograph, narrow, { black: 4000 }))).toEqual({ black: 3999, white: 4000 });
  });
});

describe("a rendering", () => {
  it("is spelled in one way", () => {
    expect(spelled(micrograph, { channels: [0, 1, 2], black: 90, white: 4000, gamma: 1 })).toEqual(USUAL);
    expect(spelled(micrograph, { channels: [2, 1, 0], black: 91, white: 4000, gamma: 2 })).toEqual({
      channels: [2, 1, 0],
      black: 91,
      white: null,
      gamma: 2,
    });
    const grey = { ...micrograph, values: { ...micrograph.values, channels: 2 } };
    expect(spelled(grey, { ...USUAL, channels: [0] })).toEqual(USUAL);
  });
});
