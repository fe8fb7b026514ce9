/** The bar of a data engine: its stages, what to do next, and what is done in the background. */

import type { Button } from "../actions/engine";
import { shortcutFor } from "../input/keyboard";
import { createAchieved } from "./achieved";
import type { Context, Part } from "./context";
import { h, setAttributes, setText } from "./dom";
import { bindRadios, setChosen } from "./radiogroup";

/** What each stage is about, while it can begin. */
const ABOUT = [
  "You click on every object; the model learns from the masks you accept",
  "Masks that you would accept are filled in; you correct and complete them",
  "The other photos are segmented; you check masks drawn at random",
];

const BUTTONS: Record<Button, readonly [label: string, title: string]> = {
  done: [
    "Done",
    `All objects of this photo are accepted: go to the photo that teaches most (${shortcutFor("Mark the image as done")})`,
  ],
  next: ["Next photo", "Go to the photo that teaches most"],
  tune: ["Tune", "Teach the model what you have accepted so far, in the background"],
  run: ["Run", "Segment all photos that are not done"],
  check: ["Check", "See how good the masks are, on some drawn at random"],
  right: ["Right as it is", "The mask that is shown is right: show the next one"],
};
const ORDER = Object.keys(BUTTONS) as Button[];

export function createEngine(context: Context): Part {
  const { engine, gallery, store, actions, signal, focusCanvas } = context;
  const stages = h("div", { class: "sam-segments", role: "radiogroup", "aria-label": "Stage" });
  /** Why the stage that was last clicked cannot begin. */
  let refused = "";
  const choose = (index: number): void => {
    refused = engine.data?.stages[index]?.hindrance ?? "";
    if (refused) update();
    else if (engine.data?.stage !== index + 1) actions.engine.stage(index + 1);
  };
  bindRadios(stages, choose, signal);

  const advice = h("p", { class: "sam-advice", role: "status", "aria-label": "Advice" });
  const buttons = ORDER.map((name) => {
    const [label, title] = BUTTONS[name];
    const button = h("button", { type: "button", class: "sam-button", title }, label);
    const press = (): void => {
      focusCanvas();
      actions.engine.press(name);
    };
    button.addEventListener("click", press, { signal });
    return button;
  });
  const correct = h(
    "button",
    {
      type: "button",
      class: "sam-button sam-outlined",
      title: "Click on the photo to correct the mask, then accept it",
    },
    "Correct it",
  );
  const edit = (): void => {
    focusCanvas();
    actions.engine.correct();
  };
  correct.addEventListener("click", edit, { signal });

  const what = h("span", { class: "sam-facts sam-job-name" });
  const progress = h(
    "div",
    { class: "sam-track", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 },
    h("div"),
  );
  const cancel = h(
    "button",
    { type: "button", class: "sam-button sam-outlined", title: "Stop it; nothing accepted is lost" },
    "Cancel",
  );
  cancel.addEventListener("click", () => actions.engine.cancel(), { signal });
  const job = h("div", { class: "sam-job" }, what, progress, cancel);
  const achieved = createAchieved(context);
  const element = h(
    "div",
    { class: "sam-engine", role: "group", "aria-label": "Data engine", hidden: true },
    h("div", { class: "sam-engine-row" }, stages, job),
    h("div", { class: "sam-engine-row" }, advice, h("div", { class: "sam-group" }, ...buttons, correct)),
    achieved.element,
  );

  /** The mask that was last shown because it must be checked, and the advice after which a stage was refused. */
  let checked: string | null = null;
  let before = "";
  const update = (): void => {
    const { data } = engine;
    setAttributes(element, { hidden: data === null });
    if (!data) return;
    if (stages.children.length === 0)
      stages.append(
        ...data.stages.map(({ name }, i) =>
          h(
            "button",
            { type: "button", class: "sam-segment", role: "radio", "aria-label": name },
            h("span", { class: "sam-facts" }, String(i + 1)),
            name,
          ),
        ),
      );
    data.stages.forEach(({ hindrance }, i) => {
      const waits = hindrance !== "" && data.stage !== i + 1;
      setAttributes(stages.children[i], {
        "aria-disabled": waits ? "true" : null,
        title: waits ? hindrance : ABOUT[i],
      });
    });
    setChosen(stages, data.stage - 1);

    const said = data.error || engine.advice(store.canClear);
    // It is said until something else can be done.
    if (said !== before) refused = "";
    before = said;
    setText(advice, refused || said);
    setAttributes(advice, { "data-error": data.error !== "" && !refused });
    ORDER.forEach((name, i) => {
      const place = data.buttons.indexOf(name);
      const button = buttons[i];
      if (place < 0 && button.matches(":focus")) focusCanvas();
      setAttributes(button, { hidden: place < 0, class: `sam-button ${place === 0 ? "sam-primary" : "sam-outlined"}` });
    });
    const mask = engine.checked(gallery.place.index);
    if (mask === null && correct.matches(":focus")) focusCanvas();
    setAttributes(correct, { hidden: mask === null });

    if (!data.job && cancel.matches(":focus")) focusCanvas();
    setAttributes(job, { "data-idle": data.job === null });
    setText(what, data.job?.what ?? "");
    const share = data.job?.share ?? null;
    setAttributes(progress, {
      "aria-label": data.job?.what ?? "Nothing is done in the background",
      "aria-valuenow": share === null ? null : Math.round(100 * share),
    });
    (progress.firstElementChild as HTMLElement).style.width = `${100 * (share ?? 0)}%`;
    achieved.update();

    const there = mask !== null && store.state.objects.some(({ id }) => id === mask);
    if (there && mask !== checked) actions.selectObject(mask);
    checked = there ? mask : null;
  };
  return { element, update };
}
