import { describe, expect, it, vi } from "vitest";
import { fitView, zoom } from "../../src/geometry/geometry";
import { levelFor, MOST_TILES, type Place, Tiles, tilesWithin, USUAL } from "../../src/state/tiles";
import { imageOf, settled } from "../fake";

const image = imageOf(10000, 10000, 4);
const frame = { width: 800, height: 520 };
const fitted = fitView(image, frame);
const middle = { x: 400, y: 260 };
const close = zoom(fitted, 1 / fitted.scale, middle, image, frame);

describe("the level to look at", () => {
  it("is the coarsest whose pixels are no larger than the screen's", () => {
    expect(levelFor(1, 1, 4)).toBe(0);
    expect(levelFor(40, 1, 4)).toBe(0);
    expect(levelFor(0.5, 1, 4)).toBe(1);
    expect(levelFor(0.49, 1, 4)).toBe(1);
    expect(levelFor(0.5, 2, 4)).toBe(0);
    expect(levelFor(0.001, 1, 4)).toBe(3);
  });
});

describe("the tiles in sight", () => {
  it("are the one of the last level for the whole photo", () => {
    expect(tilesWithin(image, 3, fitted, frame)).toEqual([{ level: 3, column: 0, row: 0 }]);
  });

  it("cover the frame and not much more, those in its middle first", () => {
    const places = tilesWithin(image, 0, close, frame);
    const columns = places.map(({ column }) => column);
    const rows = places.map(({ row }) => row);
    expect([Math.min(...columns), Math.max(...columns)]).toEqual([Math.floor(4600 / 512), Math.floor(5399 / 512)]);
    expect([Math.min(...rows), Math.max(...rows)]).toEqual([Math.floor(4740 / 512), Math.floor(5259 / 512)]);
    expect(places[0]).toEqual({ level: 0, column: 9, row: 9 });
    expect(tilesWithin(image, 0, close, frame, 1).length).toBeGreaterThan(places.length);
  });

  it("end where the photo ends", () => {
    const corner = { scale: 1, x: 800 - 10000, y: 520 - 10000 };
    for (const { column, row } of tilesWithin(image, 0, corner, frame, 0.5)) {
      expect(column).toBeLessThanOrEqual(19);
      expect(row).toBeLessThanOrEqual(19);
    }
  });
});

/** Tiles whose kernel is the test: `give` answers the request made longest ago. */
function open() {
  const asked: { place: Place; gamma: number; resolve: (bitmap: string | null) => void }[] = [];
  const closed: string[] = [];
  const tiles = new Tiles<string>({
    ask: (place, { gamma }) => new Promise((resolve) => asked.push({ place, gamma, resolve })),
    close: (bitmap) => closed.push(bitmap),
    changed: vi.fn(),
  });
  const name = ({ level, column, row }: Place) => `${level}/${column}/${row}`;
  const give = async (what?: null) => {
    const next = asked.shift();
    next?.resolve(what === null ? null : `${name(next.place)} ${next.gamma}`);
    await settled();
    return next && name(next.place);
  };
  const all = async () => {
    const given = [];
    for (let one = await give(); one; one = await give()) given.push(one);
    return given;
  };
  return { tiles, asked, closed, give, all };
}

const sight = (view = close, gamma = 1) => ({ view, frame, ratio: 1, rendering: { ...USUAL, gamma } });
const names = (tiles: Tiles<string>, view = close) => tiles.within(view, frame, 1).map((tile) => tile.bitmap);

describe("Tiles", () => {
  it("has the whole photo first, then what is looked at, then what is near", async () => {
    const { tiles, all } = open();
    tiles.show(image);
    tiles.look(sight());
    const given = await all();
    expect(given[0]).toBe("3/0/0");
    expect(given[1]).toBe("0/9/9");
    expect(new Set(given).size).toBe(given.length);
    const seen = tilesWithin(image, 0, close, frame).length;
    expect(given.slice(1, 1 + seen).every((name) => name.startsWith("0/"))).toBe(true);
    expect(tiles.complete).toBe(true);
    expect(names(tiles)).toHaveLength(seen);
  });

  it("never has more than four requests under way", () => {
    const { tiles, asked } = open();
    tiles.show(image);
    tiles.look(sight());
    expect(asked).toHaveLength(4);
  });

  it("shows coarse tiles where finer ones have yet to come", async () => {
    const { tiles, give } = open();
    tiles.show(image);
    tiles.look(sight());
    expect(names(tiles)).toEqual([]);
    await give();
    await give();
    expect(names(tiles)).toEqual(["3/0/0 1", "0/9/9 1"]);
  });

  it("asks nothing twice, and forgets what is no longer looked at before it is asked", async () => {
    const { tiles, asked, all } = open();
    tiles.show(image);
    tiles.look(sight());
    for (let i = 0; i < 9; i++) tiles.look(sight());
    expect(asked).toHaveLength(4);
    tiles.look(sight(fitted));
    expect(await all()).toHaveLength(4);
  });

  it("keeps at most its bound, and releases the least recently used tiles", async () => {
    const { tiles, closed, all } = open();
    tiles.show(image);
    for (const y of [0, -5000])
      for (let x = 0; x < 9000; x += 400) {
        tiles.look(sight({ scale: 1, x: -x, y }));
        await all();
        expect(tiles.held).toBeLessThanOrEqual(MOST_TILES);
      }
    expect(closed.length).toBeGreaterThan(0);
    expect(closed[0]).toMatch(/^0\/0\//);
    expect(tiles.ready).toBe(true);
  });

  it("renders the visible tiles first, and shows the old ones until the new ones arrive", async () => {
    const { tiles, asked, closed, give, all } = open();
    tiles.show(image);
    tiles.look(sight());
    await all();
    const before = names(tiles);
    tiles.look(sight(close, 2));
    expect(names(tiles)).toEqual(before);
    expect(asked.map(({ gamma }) => gamma)).toEqual([2, 2, 2, 2]);
    expect(await give()).toBe("0/9/9");
    expect(names(tiles)).toContain("0/9/9 2");
    expect(closed).toEqual(["0/9/9 1"]);
    await all();
    expect(names(tiles).every((name) => name.endsWith(" 2"))).toBe(true);
    expect(tiles.whole?.bitmap).toBe("3/0/0 2");
  });

  it("ends with the newest rendering however fast it changes", async () => {
    const { tiles, all } = open();
    tiles.show(image);
    tiles.look(sight());
    for (let gamma = 2; gamma < 40; gamma++) tiles.look(sight(close, gamma));
    await all();
    expect(names(tiles).every((name) => name.endsWith(" 39"))).toBe(true);
  });

  it("drops what belongs to another photo, even if it comes later", async () => {
    const { tiles, closed, all } = open();
    tiles.show(image);
    tiles.show(imageOf(400, 300, 1, "dog"));
    await all();
    expect(tiles.whole?.bitmap).toBe("0/0/0 1");
    expect(closed).toEqual(["3/0/0 1"]);
  });

  it("asks no more for what could not be had, until told to", async () => {
    const { tiles, asked, give } = open();
    tiles.show(imageOf(400, 300));
    await give(null);
    tiles.look(sight());
    expect(asked).toHaveLength(0);
    tiles.retry();
    await give();
    expect(tiles.ready).toBe(true);
  });

  it("gives everything back when the view closes", async () => {
    const { tiles, asked, closed, give } = open();
    tiles.show(image);
    tiles.look(sight());
    await give();
    tiles.close();
    expect(closed).toEqual(["3/0/0 1"]);
    while (asked.length) await give();
    expect(closed).toHaveLength(4 + 1);
    expect(tiles.held).toBe(0);
  });
});
