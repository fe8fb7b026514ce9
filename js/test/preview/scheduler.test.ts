import { describe, expect, it } from "vitest";
import { FrameScheduler } from "../../src/preview/scheduler";

/** A scheduler on a screen with a frame every ten milliseconds, the last of them at 1000. */
function scheduled(...trips: number[]): FrameScheduler {
  const scheduler = new FrameScheduler();
  for (let time = 900; time <= 1000; time += 10) scheduler.frame(time);
  for (const trip of trips) scheduler.answered(trip);
  return scheduler;
}

describe("when to ask", () => {
  it("is at once while little is known", () => {
    expect(scheduled().wait(1004)).toBe(0);
    expect(scheduled(12, 12, 12, 12, 12).wait(1004)).toBe(0);
  });

  it("is so that the answer is there a millisecond before a frame", () => {
    const scheduler = scheduled(12, 12, 12, 12, 12, 12);
    // 1007 + 12 + 1 is a frame's time.
    expect(scheduler.wait(1007)).toBe(0);
    expect(scheduler.wait(1004)).toBeCloseTo(3);
    expect(scheduler.wait(1008)).toBeCloseTo(9);
  });

  it("is never later than a frame, whatever frame was seen last", () => {
    const scheduler = scheduled(37, 41, 44, 39, 61, 38);
    for (let now = 1000; now < 9000; now += 7.3) {
      expect(scheduler.wait(now)).toBeGreaterThanOrEqual(0);
      expect(scheduler.wait(now)).toBeLessThan(10);
    }
  });

  it("allows for the answers that come late, unless they are few", () => {
    // Most of them take 18: to allow for 12 would show those with the frame after, 22 old.
    expect(scheduled(12, 18, 18, 18, 12, 18).wait(1001)).toBeCloseTo(0);
    // Only one does: that one may be late.
    expect(scheduled(12, 12, 12, 12, 12, 18).wait(1007)).toBeCloseTo(0);
  });

  it("forgets how long answers took", () => {
    const scheduler = scheduled(...Array(16).fill(15));
    expect(scheduler.wait(1004)).toBeCloseTo(0);
    for (let i = 0; i < 16; i++) scheduler.answered(12);
    expect(scheduler.wait(1004)).toBeCloseTo(3);
  });

  it("takes frames for as far apart as the nearest it has seen", () => {
    const scheduler = scheduled(12, 12, 12, 12, 12, 12);
    for (const time of [1005, 1010]) scheduler.frame(time);
    // A time that was seen but twice may be an accident.
    expect(scheduler.wait(1012)).toBeCloseTo(5);
    scheduler.frame(1015);
    expect(scheduler.wait(1017)).toBeCloseTo(0);
    expect(scheduler.wait(1018)).toBeCloseTo(4);
  });

  it("asks for some frames in a row first", () => {
    const scheduler = new FrameScheduler();
    expect(scheduler.watches).toBe(true);
    for (let time = 0; time < 200; time += 16) scheduler.frame(time);
    expect(scheduler.watches).toBe(false);
  });
});
