// Generated from the methods marked as remote, and sam_widget/widget/protocol.py, by `make protocol`.
// Do not edit.

/** The blind check of a data engine: `done` of `wanted` masks, and what it shows so far. */
export interface CheckData {
  done: number;
  wanted: number;
  sentence: string;
  image: number | null;
  object: string | null;
}

/** A data engine: its stage, from 1, what to do next, and what was achieved. */
export interface EngineData {
  stage: number;
  stages: StageData[];
  photos: number;
  done: number;
  advice: string;
  buttons: ("done" | "next" | "tune" | "run" | "check" | "right")[];
  seconds: number[];
  clicks: number[];
  rounds: RoundData[];
  expected: number | null;
  accepted: number | null;
  filled: string[];
  job: JobData | null;
  error: string;
  check: CheckData | null;
  current: number | null;
}

/** The images of a gallery: a separate trait, because it never changes and may be long. */
export interface GalleryData {
  names: string[];
}

/** An image of a gallery in which something was found: its index, how many, and the best score. */
export interface HitData {
  index: number;
  found: number;
  score: number;
}

/** What a data engine is doing in the background, and the share that is done; null if it is not known. */
export interface JobData {
  what: string;
  share: number | null;
}

/** The position and progress of a gallery: the displayed image, and the number of objects of every image. */
export interface PlaceData {
  index: number;
  objects: number[];
  done: number[];
  failed: number[];
}

/** A round of tuning, with the mean number of clicks to IoU 0.85 before and after; null if it was not judged. */
export interface RoundData {
  number: number;
  adopted: boolean;
  reason: string;
  before: number | null;
  after: number | null;
}

/** A search in all images of a gallery, `done` of `total`; hits are sorted, best first. */
export interface SearchedData {
  text: string;
  done: number;
  total: number;
  message: string;
  hits: HitData[];
}

/** A stage of a data engine: its name, and why it cannot begin yet; empty if it can. */
export interface StageData {
  name: string;
  hindrance: string;
}

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

/** A scribble or, if closed, a lasso: x and y of its vertices in turn, in pixels of the original image. */
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
  words?: string;
}

/** How masks are computed from the model's logits; see `MaskSettings`. */
export interface SettingsData {
  threshold: number;
  holes: number;
  islands: number;
  smoothing: number;
  specks?: boolean;
}

/** How the image's values are mapped to colours; null and an empty list mean the default. See `image.rendering`. */
export interface RenderingData {
  channels: number[];
  black: number | null;
  white: number | null;
  gamma: number;
}

/** The only answer to a request. The resulting state has at least this `revision`. */
export interface Answer {
  type: "answer";
  client: string;
  seq: number;
  outcome: "done" | "superseded" | "error";
  error: string | null;
  revision: number;
}

/** One mask of a `Whole` or an `Update`; its buffer contains packed row runs, see `masks.wire_codec`. */
export interface MaskData {
  id: string;
  width: number;
  height: number;
}

/** The whole state, and all masks it refers to, one buffer each, in the same order; sent in reply to `hello`. */
export interface Whole {
  type: "whole";
  masks: MaskData[];
  state: State;
}

/** A change of the list of objects: `removed` of them, from index `start` on, are replaced by those `added`. */
export interface Splice {
  start: number;
  removed: number;
  added: ObjectData[];
}

/** A change of the masks that `everything` has found: some names are removed, then others are added at the end. */
export interface FoundChange {
  removed: string[];
  added: FoundData[];
}

/** The changes since revision `since`: fields of the state, the objects, what has been found, and new masks. */
export interface Update {
  type: "update";
  since: number;
  fields: Partial<Omit<State, "objects">>;
  objects: Splice | null;
  found: FoundChange | null;
  masks: MaskData[];
}

/** The reply to a preview, for the requesting view: the mask that its prompt would choose. */
export interface PreviewMask {
  type: "preview_mask";
  client: string;
  seq: number;
  width: number;
  height: number;
  score: number;
}

/** A tile as an encoded picture of type `mime` in the only buffer, sent right before the answer to its request. */
export interface TilePicture {
  type: "tile_picture";
  client: string;
  seq: number;
  mime: string;
}

/** The file requested by `export`, in the only buffer, sent directly before the answer to the requesting view. */
export interface File {
  type: "file";
  client: string;
  seq: number;
  name: string;
  mime: string;
}

/** The values of the image: their type and range. */
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

/** The state's description of the image; the picture itself is sent in tiles of at most `tile` x `tile` pixels. */
export interface ImageData {
  hash: string;
  width: number;
  height: number;
  levels: number;
  tile: number;
  values: ValuesData;
}

/** One of the masks that the model predicts for the prompt; `stability` is null without logits. */
export interface CandidateData {
  mask: string;
  score: number | null;
  stability: number | null;
  area: number;
  crop: BoxData | null;
  model?: string;
}

/** An accepted mask. `color` indexes the palette; `score` is null for a merged or imported mask without one. */
export interface ObjectData {
  id: string;
  label: string;
  mask: string;
  score: number | null;
  box: BoxData;
  area: number;
  color: number;
}

/** A mask that `everything` has found, before it becomes an object. */
export interface FoundData {
  mask: string;
  color: number;
}

/** The progress of `everything` or `find`: number of points decoded and in total; 0 of 0 if not known yet. */
export interface ProgressData {
  kind: "everything" | "find";
  done: number;
  total: number;
  found: FoundData[];
}

/** A mask that `find` has scored; `found` is whether it counts as found, rather than being shown faintly. */
export interface InstanceData {
  id: string;
  mask: string;
  word: number;
  score: number;
  found: boolean;
}

/** A search by words, and by examples, of which only the numbers are sent; instances are sorted, best first. */
export interface SearchData {
  words: string[];
  like: number;
  not_like: number;
  threshold: number;
  message: string;
  instances: InstanceData[];
}

/** Everything that a view draws. `revision` increases with every change. */
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
  takes_words: boolean;
  can_undo: boolean;
  can_redo: boolean;
  decode_ms: number | null;
  everything: ProgressData | null;
  search: SearchData | null;
  label: string;
  rendering: RenderingData;
  crop: BoxData | null;
  autosave: string | null;
  direct: string | null;
  meanwhile: string;
}

/** A mask in a page without a kernel; `runs` are packed row runs, in base64. */
export interface SavedMask {
  id: string;
  width: number;
  height: number;
  runs: string;
}

/** The data of a page without a kernel besides the state: the whole photo, encoded and in base64, and the masks. */
export interface Saved {
  mime: string;
  picture: string;
  masks: SavedMask[];
}

/** Turn instances of the search into objects: all that were found, if none is named. */
export interface AcceptFound {
  type: "accept_found";
  client: string;
  seq: number;
  instances: string[];
  label: string | null;
}

/** Change how masks are computed from logits. */
export interface Adjust {
  type: "adjust";
  client: string;
  seq: number;
  settings: SettingsData;
  gesture: string;
}

/** Stop `everything` or `find`, whichever view started it; masks of everything are kept. */
export interface Cancel {
  type: "cancel";
  client: string;
  seq: number;
}

/** End the search; accepted objects remain. */
export interface EndFind {
  type: "end_find";
  client: string;
  seq: number;
}

/** Segment everything, with a grid of this many points per side. Answered at the end; the state shows progress. */
export interface Everything {
  type: "everything";
  client: string;
  seq: number;
  points_per_side: number;
}

/** Request the objects as a file in the given format. */
export interface Export {
  type: "export";
  client: string;
  seq: number;
  format: "coco" | "yolo" | "voc" | "indexed_png" | "binary_pngs" | "cutouts" | "npz" | "npy" | "geojson" | "svg" | "labelme" | "label_studio" | "pandas";
}

/** Find words, and objects like those with these ids. Answered at the end; the state shows progress. */
export interface Find {
  type: "find";
  client: string;
  seq: number;
  words: string[];
  like: string[];
  not_like: string[];
  threshold: number | null;
  gesture: string;
}

/** Send the whole state and its masks to a view that has opened. */
export interface Hello {
  type: "hello";
  client: string;
  seq: number;
}

/** Set the whole prompt. Supersedes every `predict` that waits directly before it. */
export interface Predict {
  type: "predict";
  client: string;
  seq: number;
  prompt: PromptData;
}

/** Request the mask of a prompt without changing anything. Superseded, while it waits, by any other request. */
export interface Preview {
  type: "preview";
  client: string;
  seq: number;
  prompt: PromptData;
}

/** Make an instance of the search the current prompt, to be corrected by clicks. */
export interface RefineFound {
  type: "refine_found";
  client: string;
  seq: number;
  instance: string;
}

/** Make an instance of the search a counter-example. */
export interface Refuse {
  type: "refuse";
  client: string;
  seq: number;
  instance: string;
}

/** Change the rendering of the image that the model sees. */
export interface Render {
  type: "render";
  client: string;
  seq: number;
  rendering: RenderingData;
}

/** Embed a crop of the image separately, to decode the prompts inside it; null for the whole image. */
export interface Sharpen {
  type: "sharpen";
  client: string;
  seq: number;
  region: BoxData | null;
  later: boolean;
}

/** Change the threshold of the search. */
export interface Sift {
  type: "sift";
  client: string;
  seq: number;
  threshold: number;
  gesture: string;
}

/** Request a tile of the image at a level: 0 is full size, each further level half the size of the previous one. */
export interface Tile {
  type: "tile";
  client: string;
  seq: number;
  level: number;
  column: number;
  row: number;
  rendering: RenderingData;
}

/** Set the whole prompt, whose answer is attached: the scores of the masks, and their logits. */
export interface Decoded {
  type: "decoded";
  client: string;
  seq: number;
  image: string;
  rendering: RenderingData;
  prompt: PromptData;
  best: number;
}

/** Tell that the image is encoded, how long a decode takes, and the features, if they were not known. */
export interface Encoded {
  type: "encoded";
  client: string;
  seq: number;
  image: string;
  rendering: RenderingData;
  milliseconds: number;
}

/** Request a file of which the view makes the model. */
export interface Part {
  type: "part";
  client: string;
  seq: number;
  name: "worker" | "runtime" | "runtime.wasm" | "encoder" | "encoder weights" | "decoder weights";
}

/** Request the image as the model sees it: its features if they are known, or else pixels (h, w, 3). */
export interface Pixels {
  type: "pixels";
  client: string;
  seq: number;
  image: string;
  rendering: RenderingData;
}

/** Tell that the view cannot run the model. */
export interface Undecodable {
  type: "undecodable";
  client: string;
  seq: number;
  reason: string;
}

/** Stop finding in all images, and no longer list what was found; each image still offers it. */
export interface EndFindInAll {
  type: "end_find_in_all";
  client: string;
  seq: number;
}

/** Find words, and objects like those with these ids of the displayed image, in all images of the gallery. */
export interface FindInAll {
  type: "find_in_all";
  client: string;
  seq: number;
  words: string[];
  like: string[];
  threshold: number | null;
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

/** Stop finding in all images; what was found remains. Answered immediately. */
export interface StopFindInAll {
  type: "stop_find_in_all";
  client: string;
  seq: number;
}

/** End what a data engine does in the background. Answered immediately. */
export interface CancelJob {
  type: "cancel_job";
  client: string;
  seq: number;
}

/** Mark the displayed image as done, and show the one that would teach the model most. */
export interface Finish {
  type: "finish";
  client: string;
  seq: number;
}

/** Go to a stage: 1, 2 or 3. It may take a while to begin; the trait `panel` shows progress. */
export interface GoToStage {
  type: "go_to_stage";
  client: string;
  seq: number;
  stage: number;
}

/** Confirm the mask that is being checked, and show the next one. */
export interface Right {
  type: "right";
  client: string;
  seq: number;
}

/** Start stage 3 in the background: segment all photos that are not done. */
export interface RunAutomatic {
  type: "run_automatic";
  client: string;
  seq: number;
}

/** Begin the blind check, or continue it: show a mask drawn at random, to be corrected or confirmed. */
export interface StartCheck {
  type: "start_check";
  client: string;
  seq: number;
}

/** Start a round of tuning in the background; the trait `panel` shows progress. */
export interface Tune {
  type: "tune";
  client: string;
  seq: number;
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

export type Request = AcceptFound | Adjust | Cancel | EndFind | Everything | Export | Find | Hello | Predict | Preview | RefineFound | Refuse | Render | Sharpen | Sift | Tile | Decoded | Encoded | Part | Pixels | Undecodable | EndFindInAll | FindInAll | Mark | Show | StopFindInAll | CancelJob | Finish | GoToStage | Right | RunAutomatic | StartCheck | Tune | Accept | Brush | Choose | Clear | Edit | Merge | Recolor | Redo | Refine | Remove | Rename | Subtract | Undo;

export type Reply = Answer | Whole | Update | PreviewMask | TilePicture | File;
