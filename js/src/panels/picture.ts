/** A small canvas that shows pixels, with an accessible name, for mouse, touch and keyboard; as `teach/picture.py`. */

import { css, type Pixels, YOURS } from "./drawing";

/** Called with a position in the shown pixels. */
export type Pointed = (x: number, y: number) => void;

export interface PictureOptions {
  /** In CSS pixels; narrower pages scale it down. */
  readonly width: number;
  readonly height?: number;
  readonly hover?: Pointed;
  readonly press?: Pointed;
  readonly drag?: Pointed;
  readonly release?: () => void;
}

export interface Shown {
  /** Interpolate between pixels; false shows them as squares. */
  readonly smooth?: boolean;
  /** Draw on the scaled picture, given CSS pixels per pixel. */
  readonly draw?: (pen: CanvasRenderingContext2D, scale: number) => void;
}

const STEPS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export class Picture {
  readonly element = document.createElement("canvas");
  readonly #source = document.createElement("canvas");
  readonly #options: PictureOptions;
  #shown: Shown = {};
  /** Of the keyboard, in CSS pixels. */
  #cursor: readonly [number, number] | null = null;
  #held = false;

  constructor(name: string, options: PictureOptions) {
    this.#options = options;
    const { element } = this;
    element.className = "lesson-picture";
    element.role = "img";
    element.ariaLabel = name;
    this.#resize(options.width, options.height ?? options.width);
    if (!options.hover && !options.press && !options.drag) return;
    element.tabIndex = 0;
    element.classList.add(options.drag ? "lesson-drags" : "lesson-points");
    element.addEventListener("pointerdown", (event) => this.#press(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"] as const) element.addEventListener(end, () => this.#release());
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("blur", () => {
      this.#cursor = null;
      this.#draw();
    });
  }

  show(pixels: Pixels, shown: Shown = {}): void {
    const { width, height, data } = pixels;
    Object.assign(this.#source, { width, height });
    this.#source.getContext("2d")?.putImageData(new ImageData(data, width, height), 0, 0);
    this.#shown = shown;
    if (this.#options.height === undefined) this.#resize(this.#options.width, (this.#options.width * height) / width);
    this.#draw();
  }

  #resize(width: number, height: number): void {
    const dense = Math.max(1, window.devicePixelRatio);
    const size = { width: Math.round(width * dense), height: Math.max(1, Math.round(height * dense)) };
    if (this.element.width !== size.width || this.element.height !== size.height) Object.assign(this.element, size);
    this.element.style.width = `${width}px`;
  }

  #draw(): void {
    const pen = this.element.getContext("2d");
    if (!pen) return;
    const dense = this.element.width / this.#options.width;
    const [width, height] = [this.element.width / dense, this.element.height / dense];
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.imageSmoothingEnabled = this.#shown.smooth ?? true;
    pen.drawImage(this.#source, 0, 0, width, height);
    this.#shown.draw?.(pen, width / this.#source.width);
    if (!this.#cursor) return;
    const [x, y] = this.#cursor;
    pen.strokeStyle = css(YOURS);
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(x - 8, y);
    pen.lineTo(x + 8, y);
    pen.moveTo(x, y - 8);
    pen.lineTo(x, y + 8);
    pen.stroke();
  }

  #place(event: PointerEvent): [number, number] {
    const { left, top, width, height } = this.element.getBoundingClientRect();
    return this.#within((event.clientX - left) / width, (event.clientY - top) / height);
  }

  #within(x: number, y: number): [number, number] {
    const { width, height } = this.#source;
    const clamp = (value: number, most: number): number => Math.min(most - 1e-6, Math.max(0, value * most));
    return [clamp(x, width), clamp(y, height)];
  }

  #press(event: PointerEvent): void {
    if (event.button !== 0) return;
    if (this.#options.drag) this.element.setPointerCapture(event.pointerId);
    [this.#held, this.#cursor] = [true, null];
    this.#options.press?.(...this.#place(event));
  }

  #move(event: PointerEvent): void {
    if (this.#held && this.#options.drag) this.#options.drag(...this.#place(event));
    else this.#options.hover?.(...this.#place(event));
  }

  #release(): void {
    const held = this.#held;
    this.#held = false;
    if (held) this.#options.release?.();
  }

  #key(event: KeyboardEvent): void {
    const dense = this.element.width / this.#options.width;
    const [width, height] = [this.element.width / dense, this.element.height / dense];
    const step = STEPS[event.key];
    if (step) {
      const far = event.shiftKey ? 16 : 4;
      const [x, y] = this.#cursor ?? [width / 2, height / 2];
      const clamp = (value: number, most: number): number => Math.min(most - 1, Math.max(0, value));
      this.#cursor = [clamp(x + far * step[0], width), clamp(y + far * step[1], height)];
      this.#options.hover?.(...this.#within(this.#cursor[0] / width, this.#cursor[1] / height));
    } else if ((event.key === "Enter" || event.key === " ") && this.#cursor) {
      this.#options.press?.(...this.#within(this.#cursor[0] / width, this.#cursor[1] / height));
      this.#options.release?.();
    } else return;
    event.preventDefault();
    this.#draw();
  }
}
