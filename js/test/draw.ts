import type { Mask } from "../src/geometry/runs";

/** A mask from a drawing: one string a row, "#" inside. */
export function draw(...rows: string[]): Mask {
  const width = rows[0].length;
  const runs = rows.flatMap((row, y) =>
    [...row.matchAll(/#+/g)].flatMap((run) => [y * width + run.index, run[0].length]),
  );
  return { width, height: rows.length, runs: Uint32Array.from(runs) };
}
