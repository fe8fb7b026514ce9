/**
 * The arithmetic of the page's decoder, for AssemblyScript: matrices of 32-bit floats, four at a time.
 *
 * A matrix is the address of its first number; rows are contiguous, `ld` numbers apart.
 */

/** Set c (m, n) to a (m, k) times b (k, n), or with `add` add the product to it. `n` is a multiple of 4. */
export function multiply(
  a: usize,
  lda: i32,
  b: usize,
  ldb: i32,
  c: usize,
  ldc: i32,
  m: i32,
  n: i32,
  k: i32,
  add: bool,
): void {
  const rows = m & ~3;
  const columns = n & ~7;
  // The smaller matrix is read again and again, and should stay in the cache.
  if (m < n)
    for (let column = 0; column < columns; column += 8)
      for (let row = 0; row < rows; row += 4)
        block48(a + 4 * row * lda, lda, b + 4 * column, ldb, c + 4 * (row * ldc + column), ldc, k, add);
  else
    for (let row = 0; row < rows; row += 4)
      for (let column = 0; column < columns; column += 8)
        block48(a + 4 * row * lda, lda, b + 4 * column, ldb, c + 4 * (row * ldc + column), ldc, k, add);
  if (columns < n)
    for (let row = 0; row < rows; row++)
      block14(a + 4 * row * lda, b + 4 * columns, ldb, c + 4 * (row * ldc + columns), k, add);
  for (let row = rows; row < m; row++) {
    let column = 0;
    for (; column + 16 <= n; column += 16)
      block116(a + 4 * row * lda, b + 4 * column, ldb, c + 4 * (row * ldc + column), k, add);
    for (; column < n; column += 4)
      block14(a + 4 * row * lda, b + 4 * column, ldb, c + 4 * (row * ldc + column), k, add);
  }
}

function block48(a: usize, lda: i32, b: usize, ldb: i32, c: usize, ldc: i32, k: i32, add: bool): void {
  const a1 = a + 4 * lda;
  const a2 = a + 8 * lda;
  const a3 = a + 12 * lda;
  const c1 = c + 4 * ldc;
  const c2 = c + 8 * ldc;
  const c3 = c + 12 * ldc;
  let x0 = f32x4.splat(0);
  let x1 = x0;
  let x2 = x0;
  let x3 = x0;
  let y0 = x0;
  let y1 = x0;
  let y2 = x0;
  let y3 = x0;
  if (add) {
    x0 = v128.load(c);
    y0 = v128.load(c, 16);
    x1 = v128.load(c1);
    y1 = v128.load(c1, 16);
    x2 = v128.load(c2);
    y2 = v128.load(c2, 16);
    x3 = v128.load(c3);
    y3 = v128.load(c3, 16);
  }
  const end = 4 * k;
  for (let i = 0; i < end; i += 4) {
    const x = v128.load(b);
    const y = v128.load(b, 16);
    b += 4 * ldb;
    const v0 = v128.load32_splat(a + i);
    x0 = f32x4.add(x0, f32x4.mul(v0, x));
    y0 = f32x4.add(y0, f32x4.mul(v0, y));
    const v1 = v128.load32_splat(a1 + i);
    x1 = f32x4.add(x1, f32x4.mul(v1, x));
    y1 = f32x4.add(y1, f32x4.mul(v1, y));
    const v2 = v128.load32_splat(a2 + i);
    x2 = f32x4.add(x2, f32x4.mul(v2, x));
    y2 = f32x4.add(y2, f32x4.mul(v2, y));
    const v3 = v128.load32_splat(a3 + i);
    x3 = f32x4.add(x3, f32x4.mul(v3, x));
    y3 = f32x4.add(y3, f32x4.mul(v3, y));
  }
  v128.store(c, x0);
  v128.store(c, y0, 16);
  v128.store(c1, x1);
  v128.store(c1, y1, 16);
  v128.store(c2, x2);
  v128.store(c2, y2, 16);
  v128.store(c3, x3);
  v128.store(c3, y3, 16);
}

function block116(a: usize, b: usize, ldb: i32, c: usize, k: i32, add: bool): void {
  let x0 = f32x4.splat(0);
  let x1 = x0;
  let x2 = x0;
  let x3 = x0;
  if (add) {
    x0 = v128.load(c);
    x1 = v128.load(c, 16);
    x2 = v128.load(c, 32);
    x3 = v128.load(c, 48);
  }
  const end = a + 4 * k;
  for (; a < end; a += 4, b += 4 * ldb) {
    const v = v128.load32_splat(a);
    x0 = f32x4.add(x0, f32x4.mul(v, v128.load(b)));
    x1 = f32x4.add(x1, f32x4.mul(v, v128.load(b, 16)));
    x2 = f32x4.add(x2, f32x4.mul(v, v128.load(b, 32)));
    x3 = f32x4.add(x3, f32x4.mul(v, v128.load(b, 48)));
  }
  v128.store(c, x0);
  v128.store(c, x1, 16);
  v128.store(c, x2, 32);
  v128.store(c, x3, 48);
}

function block14(a: usize, b: usize, ldb: i32, c: usize, k: i32, add: bool): void {
  let x = add ? v128.load(c) : f32x4.splat(0);
  const end = a + 4 * k;
  for (; a < end; a += 4, b += 4 * ldb) x = f32x4.add(x, f32x4.mul(v128.load32_splat(a), v128.load(b)));
  v128.store(c, x);
}

/** Write the transpose of x (rows, columns) to y (columns, rows). */
export function transpose(x: usize, y: usize, rows: i32, columns: i32): void {
  for (let top = 0; top < rows; top += 16) {
    const bottom = min(rows, top + 16);
    for (let column = 0; column < columns; column++)
      for (let row = top; row < bottom; row++)
        store<f32>(y + 4 * (column * rows + row), load<f32>(x + 4 * (row * columns + column)));
  }
}

/** Set z to x + y, of `size` numbers, a multiple of 4. */
export function add(x: usize, y: usize, z: usize, size: i32): void {
  for (let i: usize = 0; i < <usize>size * 4; i += 16) v128.store(z + i, f32x4.add(v128.load(x + i), v128.load(y + i)));
}

/** Add `bias` (columns) to each row of x (rows, columns), and with `relu` replace what is negative by zero. */
export function addToRows(x: usize, bias: usize, rows: i32, columns: i32, relu: bool): void {
  const least = f32x4.splat(relu ? 0 : -Infinity);
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < columns; i += 4, x += 16)
      v128.store(x, f32x4.max(least, f32x4.add(v128.load(x), v128.load(bias + 4 * i))));
}

/** Replace negative numbers by zero, in `size` numbers, a multiple of 4. */
export function relu(x: usize, size: i32): void {
  const zero = f32x4.splat(0);
  for (const end = x + 4 * size; x < end; x += 16) v128.store(x, f32x4.max(zero, v128.load(x)));
}

/** Normalise each row of x (rows, columns) to mean 0 and variance 1, then scale and shift it. */
export function normalise(x: usize, weight: usize, bias: usize, rows: i32, columns: i32, epsilon: f32): void {
  for (let row = 0; row < rows; row++, x += 4 * columns) {
    let sum: f32 = 0;
    for (let i = 0; i < columns; i++) sum += load<f32>(x + 4 * i);
    const mean = sum / <f32>columns;
    let squares: f32 = 0;
    for (let i = 0; i < columns; i++) {
      const away = load<f32>(x + 4 * i) - mean;
      squares += away * away;
    }
    const inverse = <f32>1 / sqrt<f32>(squares / <f32>columns + epsilon);
    for (let i = 0; i < columns; i++)
      store<f32>(
        x + 4 * i,
        (load<f32>(x + 4 * i) - mean) * inverse * load<f32>(weight + 4 * i) + load<f32>(bias + 4 * i),
      );
  }
}

/** Multiply each row of x (rows, columns) by `scale` and replace it by its softmax. */
export function softmaxOfRows(x: usize, rows: i32, columns: i32, scale: f32): void {
  const times = f32x4.splat(scale);
  for (let row = 0; row < rows; row++, x += 4 * columns) {
    let most = f32x4.splat(-Infinity);
    for (let i = 0; i < columns; i += 4) most = f32x4.max(most, f32x4.mul(times, v128.load(x + 4 * i)));
    const top = max(
      max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
      max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
    );
    const shift = f32x4.splat(top);
    let sums = f32x4.splat(0);
    for (let i = 0; i < columns; i += 4) {
      const value = exponential(f32x4.sub(f32x4.mul(times, v128.load(x + 4 * i)), shift));
      sums = f32x4.add(sums, value);
      v128.store(x + 4 * i, value);
    }
    const sum =
      f32x4.extract_lane(sums, 0) +
      f32x4.extract_lane(sums, 1) +
      f32x4.extract_lane(sums, 2) +
      f32x4.extract_lane(sums, 3);
    const inverse = f32x4.splat(<f32>1 / sum);
    for (let i = 0; i < columns; i += 4) v128.store(x + 4 * i, f32x4.mul(inverse, v128.load(x + 4 * i)));
  }
}

/** Replace each column of x (rows, columns) by its softmax.
 *
 * `logSums`, unless it is 0, gets the logarithm of each column's sum of exponentials.
 */
export function softmaxOfColumns(x: usize, rows: i32, columns: i32, logSums: usize): void {
  const step = 4 * columns;
  for (let column = 0; column < columns; column += 4, x += 16) {
    let most = v128.load(x);
    for (let row = 1; row < rows; row++) most = f32x4.max(most, v128.load(x + row * step));
    let sum = f32x4.splat(0);
    for (let row = 0; row < rows; row++) {
      const value = exponential(f32x4.sub(v128.load(x + row * step), most));
      sum = f32x4.add(sum, value);
      v128.store(x + row * step, value);
    }
    const inverse = f32x4.div(f32x4.splat(1), sum);
    for (let row = 0; row < rows; row++) v128.store(x + row * step, f32x4.mul(inverse, v128.load(x + row * step)));
    if (logSums) {
      v128.store(logSums + 4 * column, most);
      for (let i = 0; i < 4; i++) {
        const at = logSums + 4 * (column + i);
        store<f32>(at, load<f32>(at) + <f32>Math.log(<f64>lane(sum, i)));
      }
    }
  }
}

function lane(vector: v128, index: i32): f32 {
  if (index === 0) return f32x4.extract_lane(vector, 0);
  if (index === 1) return f32x4.extract_lane(vector, 1);
  if (index === 2) return f32x4.extract_lane(vector, 2);
  return f32x4.extract_lane(vector, 3);
}

/** Replace `size` numbers, a multiple of 4, by their exponentials. */
export function exponentials(x: usize, size: i32): void {
  for (const end = x + 4 * size; x < end; x += 16) v128.store(x, exponential(v128.load(x)));
}

/** Set y to 1 / (1 + exp(-x)), for `size` numbers, a multiple of 4. */
export function sigmoids(x: usize, y: usize, size: i32): void {
  const one = f32x4.splat(1);
  for (const end = x + 4 * size; x < end; x += 16, y += 16)
    v128.store(y, f32x4.div(one, f32x4.add(one, exponential(f32x4.neg(v128.load(x))))));
}

/** e to the power of x, as in the Cephes library (expf): a power of two times a polynomial. */
function exponential(x: v128): v128 {
  x = f32x4.max(f32x4.splat(-87.3), f32x4.min(f32x4.splat(88.3), x));
  const power = f32x4.floor(f32x4.add(f32x4.mul(x, f32x4.splat(Mathf.LOG2E)), f32x4.splat(0.5)));
  x = f32x4.sub(x, f32x4.mul(power, f32x4.splat(0.693359375)));
  x = f32x4.sub(x, f32x4.mul(power, f32x4.splat(-2.1219444e-4)));
  let y = f32x4.splat(1.98756915e-4);
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(1.3981999507e-3));
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(8.3334519073e-3));
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(4.1665795894e-2));
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(1.6666665459e-1));
  y = f32x4.add(f32x4.mul(y, x), f32x4.splat(5.0000001201e-1));
  y = f32x4.add(f32x4.add(f32x4.mul(y, f32x4.mul(x, x)), x), f32x4.splat(1));
  const exponent = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(power), i32x4.splat(127)), 23);
  return f32x4.mul(y, exponent);
}
