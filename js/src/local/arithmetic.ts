/** Matrices in the memory of the WebAssembly module that `wasm/kernels.ts` is compiled to. */

/** The functions of the module; addresses are in bytes. `wasm/kernels.ts` describes them. */
interface Kernels {
  multiply(
    a: number,
    lda: number,
    b: number,
    ldb: number,
    c: number,
    ldc: number,
    m: number,
    n: number,
    k: number,
    add: boolean,
  ): void;
  transpose(x: number, y: number, rows: number, columns: number): void;
  add(x: number, y: number, z: number, size: number): void;
  addToRows(x: number, bias: number, rows: number, columns: number, relu: boolean): void;
  relu(x: number, size: number): void;
  normalise(x: number, weight: number, bias: number, rows: number, columns: number, epsilon: number): void;
  softmaxOfRows(x: number, rows: number, columns: number, scale: number): void;
  softmaxOfColumns(x: number, rows: number, columns: number, logSums: number): void;
  exponentials(x: number, size: number): void;
  sigmoids(x: number, y: number, size: number): void;
}

/** 48 MB: weights, one photo's features, and what one decode needs. */
const PAGES = 768;
const PAGE = 65_536;

/** A matrix of 32-bit floats, row by row; `step` numbers apart if it is a part of a wider one. */
export class Matrix {
  constructor(
    private readonly buffer: ArrayBuffer,
    readonly at: number,
    readonly rows: number,
    readonly columns: number,
    readonly step: number = columns,
  ) {}

  /** Its numbers; it must not be a part of a wider matrix. */
  get values(): Float32Array {
    return new Float32Array(this.buffer, this.at, this.rows * this.columns);
  }

  /** Rows `from` to `to`, `to` exclusive. */
  row(from: number, to: number = from + 1): Matrix {
    return new Matrix(this.buffer, this.at + 4 * from * this.step, to - from, this.columns, this.step);
  }

  /** Columns `from` to `to`, `to` exclusive. */
  column(from: number, to: number): Matrix {
    return new Matrix(this.buffer, this.at + 4 * from, this.rows, to - from, this.step);
  }

  /** The same numbers with other sides. */
  shaped(rows: number, columns: number): Matrix {
    return new Matrix(this.buffer, this.at, rows, columns);
  }
}

/** Computes with matrices. What is made within `scope` is only valid there. */
export class Arithmetic {
  readonly #kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  /** Where the next matrix begins, in bytes; setting it back frees those behind. The first page is the module's own. */
  next = PAGE;

  constructor(module: WebAssembly.Module) {
    this.#memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
    const env = { memory: this.#memory, abort: () => {} };
    this.#kernels = new WebAssembly.Instance(module, { env }).exports as unknown as Kernels;
  }

  /** Run a function, and free what it made; its result must not be a matrix. */
  scope<T>(run: () => T): T {
    const before = this.next;
    try {
      return run();
    } finally {
      this.next = before;
    }
  }

  /** A matrix with any content. */
  matrix(rows: number, columns: number): Matrix {
    const made = new Matrix(this.#memory.buffer, this.next, rows, columns);
    this.next += Math.ceil((4 * rows * columns) / 16) * 16;
    if (this.next > PAGES * PAGE) throw new RangeError("a prompt needs more memory than the page has");
    return made;
  }

  from(values: ArrayLike<number>, rows: number, columns: number): Matrix {
    const made = this.matrix(rows, columns);
    made.values.set(values);
    return made;
  }

  /** a times b, added to `to` if that is given. */
  product(a: Matrix, b: Matrix, to?: Matrix): Matrix {
    const c = to ?? this.matrix(a.rows, b.columns);
    return this.write(a, b, c, to !== undefined);
  }

  /** Set c to a times b, or add that to it. */
  write(a: Matrix, b: Matrix, c: Matrix, add = false): Matrix {
    if (a.columns !== b.rows || c.rows !== a.rows || c.columns !== b.columns || c.columns % 4)
      throw new RangeError(`(${a.rows}, ${a.columns}) times (${b.rows}, ${b.columns}) in (${c.rows}, ${c.columns})`);
    this.#kernels.multiply(a.at, a.step, b.at, b.step, c.at, c.step, a.rows, b.columns, a.columns, add);
    return c;
  }

  /** x times the layer's weight plus its bias; `relu` replaces what is negative by zero. */
  linear(x: Matrix, { weight, bias }: Layer, relu = false): Matrix {
    const made = this.product(x, weight);
    this.#kernels.addToRows(made.at, bias.at, made.rows, made.columns, relu);
    return made;
  }

  addToRows(x: Matrix, bias: Matrix): Matrix {
    this.#kernels.addToRows(x.at, bias.at, x.rows, x.columns, false);
    return x;
  }

  transposed(x: Matrix): Matrix {
    const made = this.matrix(x.columns, x.rows);
    this.#kernels.transpose(x.at, made.at, x.rows, x.columns);
    return made;
  }

  sum(x: Matrix, y: Matrix, into: Matrix = this.matrix(x.rows, x.columns)): Matrix {
    this.#kernels.add(x.at, y.at, into.at, x.rows * x.columns);
    return into;
  }

  relu(x: Matrix): Matrix {
    this.#kernels.relu(x.at, x.rows * x.columns);
    return x;
  }

  normalise(x: Matrix, { weight, bias }: Layer, epsilon = 1e-5): Matrix {
    this.#kernels.normalise(x.at, weight.at, bias.at, x.rows, x.columns, epsilon);
    return x;
  }

  softmaxOfRows(x: Matrix, scale = 1): Matrix {
    this.#kernels.softmaxOfRows(x.at, x.rows, x.columns, scale);
    return x;
  }

  /** `logSums` (1, columns) gets the logarithm of each column's sum of exponentials. */
  softmaxOfColumns(x: Matrix, logSums: Matrix | null = null): Matrix {
    this.#kernels.softmaxOfColumns(x.at, x.rows, x.columns, logSums?.at ?? 0);
    return x;
  }

  exponentials(x: Matrix): Matrix {
    this.#kernels.exponentials(x.at, x.rows * x.columns);
    return x;
  }

  sigmoids(x: Matrix): Matrix {
    const made = this.matrix(x.rows, x.columns);
    this.#kernels.sigmoids(x.at, made.at, x.rows * x.columns);
    return made;
  }
}

/** A linear layer: weight (in, out) and bias (1, out). */
export interface Layer {
  readonly weight: Matrix;
  readonly bias: Matrix;
}
