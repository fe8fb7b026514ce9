import { describe, expect, it } from "vitest";
import { Pace } from "../src/pace";

/** A pace on a screen with a frame every ten milliseconds, the last of them at 1000. */
function paced(...trips: number[]): Pace {
  const pace = new Pace();
  for (let time = 900; time <= 1000; time += 10) pace.frame(time);
  for (const trip of trips) pace.answered(trip);
  return pace;
}

describe("when to ask", () => {
  it("is at once while little is known", () => {
    expect(paced().wait(1004)).toBe(0);
    expect(paced(12, 12, 12, 12, 12).wait(1004)).toBe(0);
  });

  it("is so that the answer is there a millisecond before a frame", () => {
    const pace = paced(12, 12, 12, 12, 12, 12);
    // 1007 + 12 + 1 is a frame's time.
    expect(pace.wait(1007)).toBe(0);
    expect(pace.wait(1004)).toBeCloseTo(3);
    expect(pace.wait(1008)).toBeCloseTo(9);
  });

  it("is never later than a frame, whatever frame was seen last", () => {
    const pace = paced(37, 41, 44, 39, 61, 38);
    for (let now = 1000; now < 9000; now += 7.3) {
      expect(pace.wait(now)).toBeGreaterThanOrEqual(0);
      expect(pace.wait(now)).toBeLessThan(10);
    }
  });

  it("allows for the answers that come late, unless they are few", () => {
    // Most of them take 18: to allow for 12 would show those with the frame after, 22 old.
    expect(paced(12, 18, 18, 18, 12, 18).wait(1001)).toBeCloseTo(0);
    // Only one does: that one may be late.
    expect(paced(12, 12, 12, 12, 12, 18).wait(1007)).toBeCloseTo(0);
  });

  it("forgets how long answers took", () => {
    const pace = paced(...Array(16).fill(15));
    expect(pace.wait(1004)).toBeCloseTo(0);
    for (let i = 0; i < 16; i++) pace.answered(12);
    expect(pace.wait(1004)).toBeCloseTo(3);
  });

  it("takes frames for as far apart as the nearest it has seen", () => {
    const pace = paced(12, 12, 12, 12, 12, 12);
    for (const time of [1005, 1010]) pace.frame(time);
    // A time that was seen but twice may be an accident.
    expect(pace.wait(1012)).toBeCloseTo(5);
    pace.frame(1015);
    expect(pace.wait(1017)).toBeCloseTo(0);
    expect(pace.wait(1018)).toBeCloseTo(4);
  });

  it("asks for some frames in a row first", () => {
    const pace = new Pace();
    expect(pace.watches).toBe(true);
    for (let time = 0; time < 200; time += 16) pace.frame(time);
    expect(pace.watches).toBe(false);
  });
});
