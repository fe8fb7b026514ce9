/** Decodes a view's prompts for a photo: prompts that the decoder takes, masks of the photo's size, the best of them. */

import type { Mask } from "../geometry/runs";
import type { BoxData, PromptData, SettingsData } from "../protocol";
import type { Decoded, Frame, PromptModel } from "./model";
import type { Asked } from "./prompt";
import { isInverse } from "./ranking";
import { tidied } from "./tidy";
import { fitted, type PhotoSize, Upscaling } from "./upscaling";

/** A sentence for the person: what was asked for, and what to do. */
export class Refusal extends Error {}

export interface Candidate {
  /** As thresholded, and after cleaning up. */
  readonly source: Mask;
  readonly mask: Mask;
  readonly score: number;
  readonly stability: number;
}

/** Three masks (logits, row by row), their scores, and the index of the one to choose. */
export interface Predicted {
  readonly masks: Float32Array[];
  readonly scores: number[];
  readonly best: number;
}

const ELSEWHERE = "continue in Jupyter for that";
const EMPTY: Mask = { width: 1, height: 1, runs: new Uint32Array() };

export class PromptDecoder {
  readonly #model: PromptModel;
  readonly #upscaling: Upscaling;

  constructor(model: PromptModel, size: PhotoSize) {
    this.#model = model;
    this.#upscaling = new Upscaling(size, model.frame);
  }

  /** The candidates that are wanted, and the one to choose. */
  async decode(
    prompt: PromptData,
    mask: Float32Array | null,
    settings: SettingsData,
    wanted: (index: number, best: number) => boolean,
  ): Promise<{ candidates: Candidate[]; best: number }> {
    this.#check(prompt);
    if (settings.smoothing > 0)
      throw new Refusal(`this page does not smooth outlines, as this session does; ${ELSEWHERE}`);
    const { masks, scores, best } = await this.predict(prompt, mask);
    const candidates = masks.map((logits, index): Candidate => {
      // Some models predict an IoU a little outside of what it can be.
      const score = Math.min(1, Math.max(0, scores[index]));
      if (!wanted(index, best)) return { mask: EMPTY, source: EMPTY, score, stability: 0 };
      const source = this.#upscaling.mask(logits, settings.threshold);
      const stability = this.#upscaling.stability(logits, settings.threshold);
      return { source, mask: tidied(source, settings), score, stability };
    });
    return { candidates, best };
  }

  /** The model's answer: logits of each mask, scores, and the index of the one to choose. */
  async answer(prompt: PromptData): Promise<{ masks: Float32Array[]; scores: number[]; best: number }> {
    this.#check(prompt);
    return await this.predict(prompt, null);
  }

  #check({ points, boxes, strokes, words }: PromptData): void {
    const { width, height } = this.#upscaling.size;
    if (strokes.length > 0)
      throw new Refusal(`this page decodes points and boxes, not scribbles or lassos; ${ELSEWHERE}`);
    if (words) throw new Refusal(`this page decodes points and boxes, not words; ${ELSEWHERE}`);
    for (const { x, y } of points)
      if (!(x >= 0 && x <= width && y >= 0 && y <= height))
        throw new Refusal(`the point (${x}, ${y}) is outside the image, which is ${width} x ${height} pixels`);
    for (const { x0, y0, x1, y1 } of boxes)
      if (!(x0 < x1 && y0 < y1 && x1 > 0 && y1 > 0 && x0 < width && y0 < height))
        throw new Refusal(`the box (${x0}, ${y0}, ${x1}, ${y1}) is empty or outside the image`);
  }

  /** Logits of masks for a prompt; with several boxes, one for each box, which are merged (`predictor.prompt_parts`). */
  async predict(prompt: PromptData, mask: Float32Array | null): Promise<Predicted> {
    const { size } = this.#upscaling;
    const answers: Decoded[] = [];
    for (const part of partsOf(prompt))
      answers.push(await this.#model.decode(askedOf(part, size, this.#model.frame), mask));
    const [first, ...rest] = answers;
    const masks = first.masks.slice(1);
    for (const { masks: others } of rest)
      masks.forEach((logits, i) => {
        for (let p = 0; p < logits.length; p++) logits[p] = Math.max(logits[p], others[1 + i][p]);
      });
    const scores = masks.map((_, i) => answers.reduce((sum, each) => sum + each.scores[1 + i], 0) / answers.length);
    return { masks, scores, best: this.#best(prompt, masks, scores) };
  }

  #best(prompt: PromptData, masks: Float32Array[], scores: number[]): number {
    const highest = (among: readonly number[]): number => among.indexOf(Math.max(...among));
    const [box] = prompt.boxes;
    if (prompt.boxes.length !== 1 || prompt.mask !== null || prompt.points.some(({ label }) => label === 1))
      return highest(scores);
    const scale = scaleOf(this.#upscaling.size, this.#model.frame);
    const corners = [box.x0 * scale.x, box.y0 * scale.y, box.x1 * scale.x, box.y1 * scale.y] as const;
    const passed = masks.map((logits) => isInverse(logits, corners, this.#model.frame.logits));
    if (passed.every(Boolean)) return highest(scores);
    return highest(scores.map((score, i) => (passed[i] ? Number.NEGATIVE_INFINITY : score)));
  }
}

/** From pixels of the photo to shares of the model's input. */
function scaleOf(size: PhotoSize, frame: Frame): { x: number; y: number } {
  const inside = fitted(size, frame);
  return { x: inside.width / size.width / frame.input, y: inside.height / size.height / frame.input };
}

/** Points and at most one box, as the decoder takes them. */
export function askedOf({ points, boxes: [box] }: Part, size: PhotoSize, frame: Frame): Asked {
  const scale = scaleOf(size, frame);
  // Half a pixel of the model's input is added, as in the published models.
  const half = 0.5 / frame.input;
  return {
    points: points.map(({ x, y, label }) => ({ x: x * scale.x + half, y: y * scale.y + half, label })),
    box: box
      ? [
          Math.max(0, box.x0) * scale.x,
          Math.max(0, box.y0) * scale.y,
          Math.min(size.width, box.x1) * scale.x,
          Math.min(size.height, box.y1) * scale.y,
        ]
      : null,
  };
}

type Part = Pick<PromptData, "points" | "boxes">;

function partsOf(prompt: PromptData): Part[] {
  const { points, boxes } = prompt;
  if (boxes.length <= 1) return [{ points, boxes }];
  const holds = ({ x0, y0, x1, y1 }: BoxData, { x, y }: { x: number; y: number }): boolean =>
    x0 <= x && x <= x1 && y0 <= y && y <= y1;
  const parts = boxes.map((box) => ({
    points: points.filter((point) => point.label === 0 || holds(box, point)),
    boxes: [box],
  }));
  const alone = points.filter((point) => point.label === 1 && !boxes.some((box) => holds(box, point)));
  if (alone.length === 0) return parts;
  return [...parts, { points: [...alone, ...points.filter(({ label }) => label === 0)], boxes: [] }];
}
