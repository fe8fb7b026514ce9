/** All actions of a view. Pointer, keyboard and buttons call these. */

import { reveal, toImage } from "../geometry/geometry";
import type { Tool } from "../state/ui";
import type { ActionContext } from "./context";
import { EngineActions } from "./engine";
import { FindActions } from "./finding";
import { GalleryActions } from "./gallery";
import { HandleActions } from "./handles";
import { HoverActions } from "./hovering";
import { LineActions } from "./lines";
import { ObjectActions } from "./objects";
import { PromptActions } from "./prompt";
import { ViewActions } from "./view";

/** All actions, grouped by what they act on, and those whose effect depends on the tool or on the current operation. */
export class Actions {
  readonly prompt: PromptActions;
  readonly hover: HoverActions;
  readonly lines: LineActions;
  readonly handles: HandleActions;
  readonly objects: ObjectActions;
  readonly find: FindActions;
  readonly view: ViewActions;
  readonly gallery: GalleryActions;
  readonly engine: EngineActions;
  readonly #store: ActionContext["store"];
  readonly #ui: ActionContext["ui"];
  readonly #display: ActionContext["display"];
  readonly #hover: ActionContext["hover"];

  constructor(context: ActionContext) {
    this.#store = context.store;
    this.#ui = context.ui;
    this.#display = context.display;
    this.#hover = context.hover;
    this.hover = new HoverActions(context);
    this.prompt = new PromptActions(context, this.hover);
    this.lines = new LineActions(context);
    this.view = new ViewActions(context);
    this.handles = new HandleActions(context, this.hover, this.view);
    this.objects = new ObjectActions(context);
    this.find = new FindActions(context);
    this.gallery = new GalleryActions(context, this.handles);
    this.engine = new EngineActions(context, this.gallery);
  }

  tool(tool: Tool): void {
    this.#hover.leave();
    this.#display.set({ open: false });
    this.#ui.set({ tool, anchor: null, opposite: null, line: [], overHandle: false, highlight: null, pointed: null });
  }

  toggleHelp(): void {
    this.#display.set({ open: false });
    this.#ui.set({ helpOpen: !this.#ui.helpOpen });
  }

  toggleOptions(): void {
    this.#ui.set({ helpOpen: false });
    this.#display.set({ open: !this.#display.open });
  }

  /** Pick one object, and bring it into view. */
  selectObject(id: string): void {
    const object = this.#store.state.objects.find((other) => other.id === id);
    if (!object) return;
    this.#ui.set({ marked: [id] });
    this.view.show(object.box);
  }

  /** Add or remove with brush and lasso; else, in a data engine, remove the mask under the pointer. */
  cross(): void {
    if (this.engine.rejects) this.engine.reject();
    else this.lines.toggleErase();
  }

  /** Select the next point, corner, box or stroke; with the pick tool, pick the next object. */
  selectNext(step: 1 | -1): void {
    if (this.#ui.tool === "pick") this.objects.pickNext(step);
    else this.handles.selectNext(step);
  }

  /** Remove the selection from the prompt; with the pick tool, the picked objects. A selected instance is refused. */
  removeSelected(): void {
    if (this.#ui.tool === "pick") this.objects.removeMarked();
    else if (this.find.picks && this.find.selected && !this.handles.selected) this.find.refuse();
    else this.handles.removeSelected();
  }

  /**
   * Cancel the current operation, innermost first: help and view options, a move, a half-drawn line or box, a
   * selection, the search for everything, the picked objects, the prompt, the search by words.
   */
  escape(): void {
    const { helpOpen, overviewOpen, moving, anchor, line, marked, tool } = this.#ui;
    if (helpOpen) this.#ui.set({ helpOpen: false });
    else if (this.#display.open) this.#display.set({ open: false });
    else if (overviewOpen) this.#ui.set({ overviewOpen: false });
    else if (moving) this.handles.drop(false);
    else if (anchor) this.prompt.dropBox();
    else if (line.length) this.#ui.set({ opposite: null, line: [] });
    else if (this.handles.selected) this.handles.select(null);
    else if (this.#store.state.everything || this.#store.searching) this.objects.cancel();
    else if (tool === "pick" && marked.length) this.#ui.set({ marked: [] });
    else if (this.find.open && !this.#store.canClear) this.find.end();
    else this.prompt.clear();
  }

  /** Enter: use the tool at the keyboard cursor, or select the instance there, if it has moved; else accept. */
  confirm(): void {
    const { cursor, cursorMoved, tool, line } = this.#ui;
    if (!cursor || !cursorMoved) {
      if (line.length) this.lines.closeLasso();
      else if (this.find.picks && this.find.selected) this.find.accept();
      else this.prompt.accept();
    } else if (this.find.pick(cursor)) return;
    else if (tool === "box") this.prompt.corner(cursor);
    else if (tool === "brush") this.lines.stroke([cursor]);
    else if (tool === "lasso") this.lines.vertex(cursor);
    else if (tool === "pick") this.objects.pick(cursor);
    else this.prompt.point(cursor, 1);
  }

  /**
   * Place a background point under the keyboard cursor, or refuse the instance there; with the pick tool, pick another
   * object there.
   */
  background(): void {
    const { cursor, tool } = this.#ui;
    if (cursor && tool === "pick") this.objects.pick(cursor, true);
    else if (cursor && !this.find.refuseAt(cursor)) this.prompt.point(cursor, 0);
  }

  /** Move the selected handle, or the keyboard cursor, by image pixels. The cursor starts in the middle of the view. */
  moveCursor(dx: number, dy: number): void {
    const { selected } = this.handles;
    if (selected) {
      this.handles.carry(this.handles.prompt, selected, { x: dx, y: dy });
      return;
    }
    this.view.look((view, image, frame) => {
      const from = this.#ui.cursor ?? toImage(view, { x: frame.width / 2, y: frame.height / 2 });
      // Pixel centres, so that a step is one pixel at any zoom.
      const inside = {
        x: Math.min(Math.max(Math.floor(from.x) + dx, 0), image.width - 1) + 0.5,
        y: Math.min(Math.max(Math.floor(from.y) + dy, 0), image.height - 1) + 0.5,
      };
      this.#ui.set({ cursor: inside, cursorMoved: true, opposite: this.#ui.anchor && inside });
      return reveal(view, inside, image, frame);
    });
  }
}
