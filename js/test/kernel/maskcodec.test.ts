import { deflateSync, inflateSync } from "fflate";
import { describe, expect, it } from "vitest";
import golden from "../../../tests/masks/golden/packed_masks.json?raw";
import { unpackMask } from "../../src/kernel/maskcodec";

interface Golden {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly packed: string;
  readonly runs: readonly number[];
}

const MASKS = JSON.parse(golden) as Golden[];
const ring = MASKS.find((mask) => mask.name === "ring") as Golden;

function bytesOf({ packed }: Golden): Uint8Array {
  return Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
}

/** The bytes, `offset` bytes into a longer buffer. */
function within(bytes: Uint8Array, offset: number): Uint8Array {
  const whole = new Uint8Array(offset + bytes.length + 5).fill(0xee);
  whole.set(bytes, offset);
  return whole.subarray(offset, offset + bytes.length);
}

/** Whether runs ascend, do not overlap and stay in their rows. */
function fits(runs: Uint32Array, width: number, height: number): boolean {
  let end = 0;
  for (let i = 0; i < runs.length; i += 2) {
    if (runs[i] < end || (runs[i] % width) + runs[i + 1] > width) return false;
    end = runs[i] + runs[i + 1];
  }
  return end <= width * height;
}

describe("unpackMask", () => {
  it.each(MASKS)("reads what Python packed: $name", (mask) => {
    for (const offset of [0, 1, 2, 3, 7]) {
      const { width, height, runs } = unpackMask(within(bytesOf(mask), offset), mask.width, mask.height);
      expect([width, height]).toEqual([mask.width, mask.height]);
      expect([...runs]).toEqual(mask.runs);
    }
  });

  it("keeps nothing of the message that it came in", () => {
    const bytes = within(bytesOf(ring), 3);
    const { runs } = unpackMask(bytes, ring.width, ring.height);
    bytes.fill(0);
    expect([...runs]).toEqual(ring.runs);
  });

  it("refuses a mask for another size", () => {
    expect(() => unpackMask(bytesOf(ring), ring.width, 20)).toThrow(RangeError);
    expect(() => unpackMask(bytesOf(ring), 20, ring.height)).toThrow(/are not a mask of 20 x/);
  });

  it("refuses damaged bytes, or reads some mask that fits", () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * below);
    };
    const { width, height } = ring;
    const plain = inflateSync(bytesOf(ring));
    let refused = 0;
    for (let k = 0; k < 1000; k++) {
      // Every second time past the compression, where most damage would end.
      let damaged = (k % 2 ? plain : bytesOf(ring)).slice();
      for (let n = random(3); n >= 0; n--) damaged[random(damaged.length)] = random(256);
      if (random(10) === 0) damaged = damaged.slice(0, random(damaged.length));
      try {
        const { runs } = unpackMask(k % 2 ? deflateSync(damaged) : damaged, width, height);
        expect(fits(runs, width, height)).toBe(true);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(700);
  }, 60_000);
});
