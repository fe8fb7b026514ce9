/** Read tensors from the bytes of a safetensors file: half or single precision, as single. Pure. */

export interface Tensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** All tensors by name. */
export function readTensors(bytes: Uint8Array): Map<string, Tensor> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  const found = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets } = entry as { dtype: string; shape: number[]; data_offsets: [number, number] };
    const [from, to] = data_offsets;
    // A copy, because numbers must begin at multiples of their size.
    const data = bytes.slice(start + from, start + to).buffer;
    if (dtype !== "F16" && dtype !== "F32") throw new TypeError(`${name} is of type ${dtype}, expected F16 or F32`);
    found.set(name, { shape, values: dtype === "F32" ? new Float32Array(data) : singles(new Uint16Array(data)) });
  }
  return found;
}

/** Convert half precision, as bits, to single. */
function singles(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    const sign = (half & 0x8000) << 16;
    if (exponent === 0) values[i] = (sign ? -1 : 1) * fraction * 2 ** -24;
    else bits[i] = sign | ((exponent === 31 ? 0xff : exponent + 112) << 23) | (fraction << 13);
  }
  return values;
}
