import { describe, expect, it } from "vitest";
import { ranges } from "../../src/state/settings";

const all = ranges({ width: 2000, height: 1000 });

describe("a slider", () => {
  it.each(Object.entries(all))("of %s comes back to the position of each of its values", (_, range) => {
    for (let position = range.min; position <= range.max; position += range.step)
      expect(range.position(range.value(position))).toBeCloseTo(position, 5);
  });

  it("is off where it does nothing, and says what it does elsewhere", () => {
    for (const name of ["holes", "islands", "smoothing"] as const)
      expect(all[name].text(all[name].value(0))).toBe("off");
    expect(all.holes.text(all.holes.value(all.holes.max))).toBe("40,000 px");
    expect(all.smoothing.text(2.5)).toBe("2.5 px");
    expect([-1, 0, 1].map(all.threshold.text)).toEqual(["−1.0", "0.0", "+1.0"]);
  });

  it("stops at its ends for what a script has set beyond them", () => {
    expect(all.holes.position(1e9)).toBe(all.holes.max);
    expect(all.threshold.position(-40)).toBe(all.threshold.min);
  });

  it("reaches no less for a small image", () => {
    const small = ranges({ width: 10, height: 10 });
    expect(small.holes.value(small.holes.max)).toBe(100);
  });
});
