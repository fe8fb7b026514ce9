// Generated from the methods marked as remote, and sam_widget/widget/protocol.py, by `make protocol`.
// Do not edit.

/** A click, in pixels of the original image; label 1 is foreground, 0 background. */
export interface PointData {
  x: number;
  y: number;
  label: 0 | 1;
}

/** A box in pixels of the original image; x1 and y1 are exclusive. */
export interface BoxData {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/** A scribble, or, closed, a lasso: x and y of its vertices in turn, in pixels of the original image. */
export interface StrokeData {
  vertices: number[];
  label: 0 | 1;
  closed: boolean;
}

/** The whole prompt of one mask. */
export interface PromptData {
  points: PointData[];
  boxes: BoxData[];
  strokes: StrokeData[];
  mask: string | null;
}

/** How masks are made of the model's logits: `MaskSettings`. */
export interface SettingsData {
  threshold: number;
  holes: number;
  islands: number;
  smoothing: number;
}

/** How the image's values become colours; null and an empty list mean the default. See `image.rendering`. */
export interface RenderingData {
  channels: number[];
  black: number | null;
  white: number | null;
  gamma: number;
}

/** The one answer to a request. The state it led to has at least this `revision`. */
export interface Answer {
  type: "answer";
  client: string;
  seq: number;
  outcome: "done" | "superseded" | "error";
  error: string | null;
  revision: number;
}

/** One mask of a `Whole` or an `Update`; its buffer holds packed row runs, as `masks.wire_codec` describes them. */
export interface MaskData {
  id: string;
  width: number;
  height: number;
}

/** The whole state, and all masks that it names, one buffer each, in the same order; sent when a view says hello. */
export interface Whole {
  type: "whole";
  masks: MaskData[];
  state: State;
}

/** How the list of objects has changed: `removed` of them from number `start` on, replaced by those `added`. */
export interface Splice {
  start: number;
  removed: number;
  added: ObjectData[];
}

/** What has changed since revision `since`: fields of the state, the objects, and masks named for the first time. */
export interface Update {
  type: "update";
  since: number;
  fields: Partial<Omit<State, "objects">>;
  objects: Splice | null;
  masks: MaskData[];
}

/** The answer to a preview: the mask that its prompt would choose, for the view that asked. */
export interface PreviewMask {
  type: "preview_mask";
  client: string;
  seq: number;
  width: number;
  height: number;
  score: number;
}

/** A tile as an encoded picture of type `mime` in the one buffer, sent right before the answer to its request. */
export interface TilePicture {
  type: "tile_picture";
  client: string;
  seq: number;
  mime: string;
}

/** What `export` asked for, in the one buffer, sent right before the answer, for the view that asked. */
export interface File {
  type: "file";
  client: string;
  seq: number;
  name: string;
  mime: string;
}

/** The numbers that the image is made of: their type and range. */
export interface ValuesData {
  dtype: string;
  channels: number;
  low: number;
  high: number;
  black: number;
  white: number;
  dark: number;
  bright: number;
}

/** What the state says of the image; the picture itself travels in tiles of `tile` pixels a side at most. */
export interface ImageData {
  hash: string;
  width: number;
  height: number;
  levels: number;
  tile: number;
  values: ValuesData;
}

/** One of the masks that the model offers for the prompt; `stability` is null where there are no logits. */
export interface CandidateData {
  mask: string;
  score: number;
  stability: number | null;
  area: number;
  crop: BoxData | null;
}

/** An accepted mask. `color` indexes the palette. */
export interface ObjectData {
  id: string;
  label: string;
  mask: string;
  score: number;
  box: BoxData;
  area: number;
  color: number;
}

/** A mask that `everything` has found, before it is an object. */
export interface FoundData {
  mask: string;
  color: number;
}

/** How far `everything` is: points asked about, of how many; 0 of 0 before that is known. */
export interface ProgressData {
  done: number;
  total: number;
  found: FoundData[];
}

/** All that a view draws. `revision` grows with every change. */
export interface State {
  revision: number;
  status: "loading" | "embedding" | "ready" | "predicting" | "error";
  message: string;
  model: string;
  image: ImageData | null;
  prompt: PromptData;
  candidates: CandidateData[];
  chosen: number | null;
  objects: ObjectData[];
  settings: SettingsData;
  painted: boolean;
  editing: string | null;
  refines: boolean;
  can_undo: boolean;
  can_redo: boolean;
  decode_ms: number | null;
  everything: ProgressData | null;
  rendering: RenderingData;
  crop: BoxData | null;
  autosave: string | null;
  direct: string | null;
}

/** The images that a gallery goes through: a trait of its own, for it never changes and may be long. */
export interface GalleryData {
  names: string[];
}

/** Where a gallery is and how far: the image shown, and of all images how many objects they have. */
export interface PlaceData {
  index: number;
  objects: number[];
  done: number[];
  failed: number[];
}

/** A mask in a page without a kernel; `runs` are packed row runs in base64. */
export interface SavedMask {
  id: string;
  width: number;
  height: number;
  runs: string;
}

/** What a page without a kernel shows besides the state: the whole photo, encoded and in base64, and the masks. */
export interface Saved {
  mime: string;
  picture: string;
  masks: SavedMask[];
}

/** Change how masks are made of logits. */
export interface Adjust {
  type: "adjust";
  client: string;
  seq: number;
  settings: SettingsData;
  gesture: string;
}

/** Stop `everything`, whichever view began it; what has been found is kept. Answered at once. */
export interface Cancel {
  type: "cancel";
  client: string;
  seq: number;
}

/** Find everything, with a grid of so many points a side. Answered at the end; the state says how far it is. */
export interface Everything {
  type: "everything";
  client: string;
  seq: number;
  points_per_side: number;
}

/** Ask for the objects as a file, by the name of its format. */
export interface Export {
  type: "export";
  client: string;
  seq: number;
  format: "coco" | "yolo" | "voc" | "indexed_png" | "binary_pngs" | "cutouts" | "npz" | "npy" | "geojson" | "svg" | "labelme" | "label_studio" | "pandas";
}

/** A view has opened: send it every mask that the state names. */
export interface Hello {
  type: "hello";
  client: string;
  seq: number;
}

/** Set the whole prompt. Supersedes every `predict` still waiting right before it. */
export interface Predict {
  type: "predict";
  client: string;
  seq: number;
  prompt: PromptData;
}

/** Ask what a prompt would give, and change nothing. Superseded, while it waits, by whatever else is asked. */
export interface Preview {
  type: "preview";
  client: string;
  seq: number;
  prompt: PromptData;
}

/** Let the model see the image rendered like this. */
export interface Render {
  type: "render";
  client: string;
  seq: number;
  rendering: RenderingData;
}

/** Embed a part of the image on its own, to answer the prompts in it; null for the image as a whole. */
export interface Sharpen {
  type: "sharpen";
  client: string;
  seq: number;
  region: BoxData | null;
  later: boolean;
}

/** Ask for a tile of the image at a level: 0 is full size, each further one half of the one before. */
export interface Tile {
  type: "tile";
  client: string;
  seq: number;
  level: number;
  column: number;
  row: number;
  rendering: RenderingData;
}

/** Mark the displayed image as done or not done. */
export interface Mark {
  type: "mark";
  client: string;
  seq: number;
  done: boolean;
}

/** Show another image of the gallery, by its number from 0. Supersedes a `show` waiting right before it. */
export interface Show {
  type: "show";
  client: string;
  seq: number;
  index: number;
}

/** Turn the chosen candidate into an object; the default labels are "object 1", "object 2", ... */
export interface Accept {
  type: "accept";
  client: string;
  seq: number;
  label?: string | null;
}

/** Paint on the candidates with a round brush. Strokes are kept when the prompt changes. */
export interface Brush {
  type: "brush";
  client: string;
  seq: number;
  vertices: number[];
  radius: number;
  label?: number;
}

/** Choose one of the candidates, counted from 0. */
export interface Choose {
  type: "choose";
  client: string;
  seq: number;
  index: number;
}

/** Remove the prompt and its candidates. Objects do not change, even one that was being edited. */
export interface Clear {
  type: "clear";
  client: string;
  seq: number;
}

/** Reopen an accepted object for editing, with its prompt, mask and strokes; `accept` replaces it. */
export interface Edit {
  type: "edit";
  client: string;
  seq: number;
  object: string;
}

/** Merge objects into the first of them, which keeps its label unless another one is given. */
export interface Merge {
  type: "merge";
  client: string;
  seq: number;
  objects: string[];
  label?: string | null;
}

/** Change an object's colour to an index of the palette, counted from 0; it wraps around at the end. */
export interface Recolor {
  type: "recolor";
  client: string;
  seq: number;
  object: string;
  color: number;
}

/** Redo the edit that was undone last. */
export interface Redo {
  type: "redo";
  client: string;
  seq: number;
}

/** Decode again with the chosen mask, as painted and cleaned up, as a mask prompt. Returns the new candidates. */
export interface Refine {
  type: "refine";
  client: string;
  seq: number;
}

/** Remove objects, in one edit. */
export interface Remove {
  type: "remove";
  client: string;
  seq: number;
  objects: string[];
}

/** Give several objects the same label, in one edit. Returns them, in the order of the ids. */
export interface Rename {
  type: "rename";
  client: string;
  seq: number;
  objects: string[];
  label: string;
}

/** Subtract another object's mask from an object; the other object does not change. */
export interface Subtract {
  type: "subtract";
  client: string;
  seq: number;
  object: string;
  other: string;
}

/** Undo the last edit. */
export interface Undo {
  type: "undo";
  client: string;
  seq: number;
}

export type Request = Adjust | Cancel | Everything | Export | Hello | Predict | Preview | Render | Sharpen | Tile | Mark | Show | Accept | Brush | Choose | Clear | Edit | Merge | Recolor | Redo | Refine | Remove | Rename | Subtract | Undo;

export type Reply = Answer | Whole | Update | PreviewMask | TilePicture | File;
