import { describe, expect, it } from "vitest";
import { OBJECTS, objectColor } from "../src/palette";

/** Linear RGB as seen without one kind of cone: Viénot, Brettel and Mollon 1999. */
const SIGHT: Record<string, number[][]> = {
  usual: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.11238, 0.88762, 0],
    [0.11238, 0.88762, 0],
    [0.00401, -0.00401, 1],
  ],
  deuteranopia: [
    [0.29275, 0.70725, 0],
    [0.29275, 0.70725, 0],
    [-0.02234, 0.02234, 1],
  ],
};

const linear = (value: number) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);

/** CIELAB under D65. */
function lab(hex: string, sight: number[][]): number[] {
  const value = Number.parseInt(hex.slice(1), 16);
  const rgb = [value >> 16, (value >> 8) & 255, value & 255].map((channel) => linear(channel / 255));
  const [r, g, b] = sight.map((row) => row.reduce((sum, weight, i) => sum + weight * rgb[i], 0));
  const f = (t: number) => (t > 216 / 24389 ? Math.cbrt(t) : ((24389 / 27) * t + 16) / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

describe("the objects' colours", () => {
  it.each(Object.keys(SIGHT))("stay apart in %s vision", (name) => {
    for (const [i, a] of OBJECTS.entries())
      for (const b of OBJECTS.slice(i + 1)) {
        const [p, q] = [lab(a, SIGHT[name]), lab(b, SIGHT[name])];
        const distance = Math.hypot(...p.map((value, k) => value - q[k]));
        expect(distance, `${a} and ${b}`).toBeGreaterThan(10);
      }
  });

  it("exist for every index", () => {
    expect(objectColor(0)).toBe(OBJECTS[0]);
    expect(objectColor(OBJECTS.length + 2)).toBe(OBJECTS[2]);
    expect(objectColor(-1)).toBe(OBJECTS.at(-1));
  });
});
