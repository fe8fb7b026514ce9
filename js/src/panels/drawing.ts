/** Drawing for panels, on arrays of pixels; `sam_widget/teach/drawing.py` has the same. Pure. */

/** Pixels as RGBA, row by row. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

export type Colour = readonly [number, number, number];

/** 256 colours, RGB after RGB. */
export type ColourMap = Uint8Array;

/** Subpart, part, whole, and the reader's own (Okabe and Ito). */
export const LEVELS: readonly Colour[] = [
  [86, 180, 233],
  [0, 158, 115],
  [204, 121, 167],
];
export const YOURS: Colour = [230, 159, 0];
export const FOREGROUND: Colour = [0, 158, 115];
export const BACKGROUND: Colour = [213, 94, 0];
const GREY: Colour = [128, 128, 128];
/** Brightness of what is not shown. */
const DIM = 0.4;

export function css([red, green, blue]: Colour): string {
  return `rgb(${red} ${green} ${blue})`;
}

export function blank(width: number, height: number, [red, green, blue]: Colour = GREY): Pixels {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < data.length; i += 4) data.set([red, green, blue, 255], i);
  return { width, height, data };
}

/** A colour for each number: RGBA; grey where it is NaN. */
export function heat(
  values: ArrayLike<number>,
  map: ColourMap,
  low: number,
  high: number,
): Uint8ClampedArray<ArrayBuffer> {
  const made = new Uint8ClampedArray(4 * values.length);
  for (let i = 0; i < values.length; i++) {
    const share = Math.min(1, Math.max(0, (values[i] - low) / Math.max(high - low, 1e-12)));
    const at = 3 * Math.round(255 * share);
    const colour = Number.isNaN(share) ? GREY : [map[at], map[at + 1], map[at + 2]];
    made.set([...colour, 255], 4 * i);
  }
  return made;
}

/** A photo with a mask in a colour. */
export function tint(photo: Pixels, mask: Uint8Array, colour: Colour, alpha = 0.55): Pixels {
  const data = photo.data.slice();
  for (let i = 0; i < mask.length; i++)
    if (mask[i])
      for (let c = 0; c < 3; c++) data[4 * i + c] = Math.floor(photo.data[4 * i + c] * (1 - alpha) + colour[c] * alpha);
  return { ...photo, data };
}

/** A photo that is dark where a mask is not. */
export function dim(photo: Pixels, keep: Uint8Array): Pixels {
  const data = photo.data.slice();
  for (let i = 0; i < keep.length; i++)
    if (!keep[i]) for (let c = 0; c < 3; c++) data[4 * i + c] = Math.floor(photo.data[4 * i + c] * DIM);
  return { ...photo, data };
}

/** A photo in grey, under colours of the same size. */
export function blend(photo: Pixels, colours: Pixels, seen = 0.3): Pixels {
  const data = new Uint8ClampedArray(photo.data.length);
  for (let i = 0; i < data.length; i += 4) {
    const grey = (19595 * photo.data[i] + 38470 * photo.data[i + 1] + 7471 * photo.data[i + 2] + 0x8000) >> 16;
    for (let c = 0; c < 3; c++) data[i + c] = Math.floor(grey * seen + colours.data[i + c] * (1 - seen));
    data[i + 3] = 255;
  }
  return { ...photo, data };
}

/** Cells (rows * columns, RGBA) as squares of pixels. */
export function enlarged(cells: Uint8ClampedArray, columns: number, width: number, height: number): Pixels {
  const rows = cells.length / 4 / columns;
  const made = blank(width, height);
  const [from, to] = [
    new Uint32Array(cells.buffer, cells.byteOffset, rows * columns),
    new Uint32Array(made.data.buffer),
  ];
  for (let y = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * rows) / height) * columns;
    for (let x = 0; x < width; x++) to[y * width + x] = from[row + Math.floor(((x + 0.5) * columns) / width)];
  }
  return made;
}

/** A list of numbers as a block of cells, row by row: blue is negative, red positive. */
export function strip(vector: Float32Array, map: ColourMap): Pixels {
  const rows = 4;
  const columns = Math.ceil(vector.length / rows);
  const padded = new Float32Array(rows * columns).fill(Number.NaN);
  padded.set(vector);
  const largest = Math.max(
    vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
    1e-9,
  );
  return { width: columns, height: rows, data: heat(padded, map, -largest, largest) };
}

/** Mark a click: a plus for foreground, a minus for background. */
export function star(pen: CanvasRenderingContext2D, x: number, y: number, label = 1, radius = 7): void {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fillStyle = css(label ? FOREGROUND : BACKGROUND);
  pen.fill();
  pen.strokeStyle = "white";
  pen.lineWidth = 2;
  pen.moveTo(x - radius / 2, y);
  pen.lineTo(x + radius / 2, y);
  if (label) {
    pen.moveTo(x, y - radius / 2);
    pen.lineTo(x, y + radius / 2);
  }
  pen.stroke();
}
