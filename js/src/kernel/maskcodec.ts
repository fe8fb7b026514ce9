/*! Contains fflate (https://github.com/101arrowz/fflate), copyright Arjun Barrett, MIT licence. */
/** Masks on the wire: packed row runs. `sam_widget/masks/wire_codec.py` packs them and describes the format. Pure. */

import { inflateSync } from "fflate";
import type { Mask } from "../geometry/runs";

/**
 * Unpack a mask. The bytes may begin anywhere in a larger buffer, and are not kept.
 *
 * @throws RangeError when the bytes are not the packed runs of a mask of this size.
 */
export function unpackMask(bytes: Uint8Array, width: number, height: number): Mask {
  if (bytes.byteLength === 0) return { width, height, runs: new Uint32Array() };
  try {
    return { width, height, runs: readRuns(readNumbers(inflateSync(bytes)), width, height) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RangeError(`${bytes.byteLength} bytes are not a mask of ${width} x ${height}: ${why}`);
  }
}

/** Join the four bytes of each number, which lie in four planes, and undo the zigzag. */
function readNumbers(planes: Uint8Array): Int32Array {
  const count = planes.length / 4;
  if (!Number.isInteger(count)) throw new RangeError(`${planes.length} bytes are not four planes`);
  const numbers = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const [a, b, c, d] = [planes[i], planes[i + count], planes[i + 2 * count], planes[i + 3 * count]];
    const value = a | (b << 8) | (c << 16) | (d << 24);
    numbers[i] = (value >>> 1) ^ -(value & 1);
  }
  return numbers;
}

/** Undo the differences: every edge is relative to the run above it. */
function readRuns(numbers: Int32Array, width: number, height: number): Uint32Array {
  const [first, rows] = numbers;
  const total = (numbers.length - 2 - rows) / 2;
  if (!(first >= 0 && rows > 0 && first + rows <= height && Number.isInteger(total) && total > 0))
    throw new RangeError(`${numbers.length} numbers for rows ${first} to ${first + rows}`);
  const starts = numbers.subarray(2 + rows, 2 + rows + total);
  const ends = numbers.subarray(2 + rows + total);
  const runs = new Uint32Array(2 * total);
  let i = 0;
  for (let row = 0, count = 0; row < rows; row++) {
    const above = count;
    count += numbers[2 + row];
    if (count < 0 || i + count > total) throw new RangeError(`${count} runs in row ${first + row}`);
    for (let last = i + count, end = -1; i < last; i++) {
      if (above) {
        starts[i] += starts[i - above];
        ends[i] += ends[i - above];
      }
      if (starts[i] <= end || ends[i] <= starts[i] || ends[i] > width)
        throw new RangeError(`a run from ${starts[i]} to ${ends[i]} in row ${first + row}, after one to ${end}`);
      end = ends[i];
      runs[2 * i] = (first + row) * width + starts[i];
      runs[2 * i + 1] = ends[i] - starts[i];
    }
  }
  if (i < total) throw new RangeError(`${total - i} runs too many`);
  return runs;
}
