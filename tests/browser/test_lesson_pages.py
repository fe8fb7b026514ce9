"""Lessons as pages: opened from a file, with no network, their panels say what the notebooks' panels say."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

import sam_widget as sw
from sam_widget.page.parts import bundled
from sam_widget.page.tensors import decoder_weights, photo_features
from sam_widget.predictor.predictor import Predictor
from sam_widget.teach.panel import Panel
from tests.browser.lab import TIMEOUT_MS, VIEWPORT
from tests.browser.test_access import violations
from tests.browser.view import View

Open = Callable[..., "LessonPage"]


def nearly(line: str) -> str:
    """A pattern of a text whose last digits of fractions and percentages may differ by 1, as rounding may."""

    def number(text: str) -> str:
        digits = len(text.partition(".")[2])
        near = (float(text) + step * 10**-digits for step in (-1, 0, 1))
        return "(" + "|".join(re.escape(f"{value:.{digits}f}") for value in near) + ")"

    parts = re.split(r"(-?\d+\.\d+|\d+(?=%))", line)
    return "".join(number(part) if i % 2 else re.escape(part) for i, part in enumerate(parts))


class LessonPage:
    """A lesson, open in a browser."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def panel(self, kind: str) -> Locator:
        """The panel of a kind."""
        return self.page.locator(f'[data-kind="{kind}"]')

    def view(self, kind: str) -> View:
        """The widget's view in a panel."""
        root = self.panel(kind).locator(".sam-widget")
        expect(root).to_have_attribute("data-state", "ready")
        return View(self.page, root)

    def says(self, kind: str, panel: Panel) -> None:
        """Wait until a panel says what Python's says."""
        lines = [re.compile(f"^{nearly(line)}$") for line in repr(panel).splitlines()]
        said = self.panel(kind).locator("p[role=status]").filter(has_text=re.compile(r"\S"))
        expect(said).to_have_text(lines)

    def pixels(self, kind: str, name: str) -> str:
        """What a picture shows, to be compared."""
        shown: str = self.panel(kind).get_by_role("img", name=name, exact=True).evaluate("it => it.toDataURL()")
        return shown


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """No network."""
    context = browser.new_context(viewport=VIEWPORT, offline=True)
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a lesson as a page, once: no test changes the file."""

    @functools.cache
    def write(lesson: str, **options: Any) -> Path:
        return sw.save_lesson(tmp_path_factory.mktemp("lesson") / "lesson.html", lesson=lesson, **options)

    return write


@pytest.fixture
def opened(context: BrowserContext, written: Callable[..., Path]) -> Open:
    """Open a lesson; whatever goes wrong in it fails the test."""

    def open_lesson(lesson: str, **options: Any) -> LessonPage:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: pytest.fail(f"lesson {lesson}: {error}"))
        page.goto(written(lesson, **options).as_uri())
        expect(page.locator("html[data-state=ready]")).to_be_attached()
        assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []
        return LessonPage(page)

    return open_lesson


# ------------------------------------------------------------------------------------------------------ the trace

ASK = """async ([code, opening, questions]) => {
    const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    const packed = async text => new Uint8Array(await new Response(
        new Blob([bytes(text)]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer());
    const worker = new Worker(URL.createObjectURL(new Blob([code], {type: "text/javascript"})));
    let last = 0;
    const ask = question => new Promise((answer, fail) => {
        worker.onmessage = ({data}) => "failed" in data ? fail(data.failed) : answer(data.answer);
        worker.onerror = ({message}) => fail(message);
        worker.postMessage({id: ++last, question});
    });
    const text = values => {
        const own = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
        let letters = "";
        for (let i = 0; i < own.length; i += 8192) letters += String.fromCharCode(...own.subarray(i, i + 8192));
        return btoa(letters);
    };
    await ask({kind: "open", weights: await packed(opening.weights)});
    await ask({kind: "photo", photo: 0, features: await packed(opening.features), size: opening.size});
    const answers = [];
    let mask = null;
    for (const {again, prompt} of questions) {
        const found = await ask({kind: "trace", photo: 0, prompt, mask: again ? mask : null});
        mask = found.masks[found.best];
        answers.push({scores: found.scores, best: found.best, nearness: text(found.nearness),
            masks: found.masks.map(text), steps: [...found.steps].map(([name, values]) => [name, text(values)])});
    }
    return answers;
}"""
PROMPTS: list[dict[str, Any]] = [
    {"points": [(162, 117)], "labels": [1]},
    {"points": [(230, 250), (420, 60)], "labels": [1, 0]},
    {"box": (60, 30, 300, 280)},
    {"points": [(162, 117)], "labels": [1], "again": True},
]


def asked(prompt: dict[str, Any]) -> dict[str, Any]:
    """A prompt as the view sends it."""
    places = zip(prompt.get("points", ()), prompt.get("labels", ()), strict=True)
    points = [{"x": x, "y": y, "label": label} for (x, y), label in places]
    boxes = [dict(zip(("x0", "y0", "x1", "y1"), prompt["box"], strict=True))] if "box" in prompt else []
    return {
        "again": prompt.get("again", False),
        "prompt": {"points": points, "boxes": boxes, "strokes": [], "mask": None},
    }


def numbers(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.float32)


def test_the_trace_in_a_page_is_that_of_pytorch(context: BrowserContext, tmp_path: Path) -> None:
    """Each step to 0.001 of its largest value: of one click, two, a box, and a click with the mask before."""
    predictor = Predictor("tiny")
    photo = sw.sample("cat")
    embedding = predictor.embed(photo)
    encoded = {name: base64.b64encode(data).decode() for name, data in (
        ("weights", decoder_weights(predictor.model)), ("features", photo_features(embedding)),
    )}  # fmt: skip
    opening = {**encoded, "size": {"width": photo.shape[1], "height": photo.shape[0]}}
    page = context.new_page()
    blank = tmp_path / "blank.html"
    blank.write_text("<!doctype html><title>a</title>")
    page.goto(blank.as_uri())
    found = page.evaluate(ASK, [bundled("study.js").decode(), opening, [asked(prompt) for prompt in PROMPTS]])
    mask = None
    for prompt, answer in zip(PROMPTS, found, strict=True):
        given = {key: value for key, value in prompt.items() if key != "again"}
        trace = predictor.trace(embedding, **given, mask=mask if prompt.get("again") else None)
        mask = trace.logits[int(trace.scores.argmax())].numpy()
        steps = dict(answer["steps"])
        expected: dict[str, Any] = {
            "prompt_tokens": trace.prompt_tokens[0],
            "dense_prompt": trace.dense_prompt[0].flatten(1).T,
            "final_token_to_image": trace.final_token_to_image[0],
            "upscaled": trace.upscaled[0].permute(1, 2, 0),
        }
        for i, layer in enumerate(trace.layers):
            expected[f"layers.{i}.self_attention"] = layer.self_attention[0]
            expected[f"layers.{i}.token_to_image"] = layer.token_to_image[0]
            expected[f"layers.{i}.image_to_token"] = layer.image_to_token[0].transpose(1, 2)
            expected[f"layers.{i}.tokens"] = layer.tokens[0]
        expected |= {f"hypernetworks.{i}": weights for i, weights in enumerate(trace.hypernetworks[0])}
        assert set(steps) == set(expected)
        for name, values in expected.items():
            theirs = values.numpy().ravel()
            assert np.abs(numbers(steps[name]) - theirs).max() <= 1e-3 * max(1e-3, np.abs(theirs).max()), name
        assert answer["scores"] == pytest.approx(trace.scores.tolist(), abs=1e-3)
        for ours, logits in zip(answer["masks"], trace.logits.numpy(), strict=True):
            assert np.abs(numbers(ours) - logits.ravel()).max() <= 1e-3 * np.abs(logits).max()


# ------------------------------------------------------------------------------------------------------ lesson 04


def test_lesson_04_follows_a_click(opened: Open) -> None:
    lesson = opened("04")
    traced = sw.teach.TracedImage(sw.sample("cat"))
    traced.click(162, 117)
    panels = {
        "PromptTokens": sw.teach.PromptTokens(traced),
        "AttentionExplorer": sw.teach.AttentionExplorer(traced),
        "MaskMaker": sw.teach.MaskMaker(traced),
    }
    for kind, panel in panels.items():
        lesson.says(kind, panel)
    names = {"PromptTokens": "tokens.dense", "AttentionExplorer": "attend.reads", "MaskMaker": "maker.logits"}
    before = {kind: lesson.pixels(kind, traced.say(name)) for kind, name in names.items()}
    view = lesson.view("TracedImage")
    view.press("Escape")
    view.click(230, 250)
    expect(view.candidates).to_have_count(3)
    traced.click(230, 250)
    for kind, panel in panels.items():
        lesson.says(kind, panel)
        assert lesson.pixels(kind, traced.say(names[kind])) != before[kind]
    traced.close()


def test_controls_of_lesson_04_select_what_is_shown(opened: Open) -> None:
    lesson = opened("04")
    traced = sw.teach.TracedImage(sw.sample("cat"))
    traced.click(162, 117)
    attention = sw.teach.AttentionExplorer(traced)
    for layer, head, token in ((1, 2, 4), (2, -1, 3)):
        attention.layer.value, attention.head.value, attention.token.value = layer, head, token
        panel = lesson.panel("AttentionExplorer")
        panel.get_by_role("radio", name=attention.layer.options[layer][0]).check(force=True)
        panel.get_by_role("radio", name=attention.head.options[head + 1][0]).check(force=True)
        panel.get_by_role("combobox", name="Token").select_option(attention.token.options[token][0])
        lesson.says("AttentionExplorer", attention)
    maker = sw.teach.MaskMaker(traced)
    maker.level.value, maker.threshold.value = 2, 1.5
    panel = lesson.panel("MaskMaker")
    panel.get_by_role("radio", name="Mask 3 of the model").check(force=True)
    panel.get_by_role("slider", name="Threshold").fill("1.5")
    lesson.says("MaskMaker", maker)
    traced.close()


def test_a_mask_becomes_part_of_the_prompt_in_the_view_and_in_the_panels(opened: Open) -> None:
    lesson = opened("04")
    traced = sw.teach.TracedImage(sw.sample("cat"))
    traced.click(162, 117)
    tokens, attention = sw.teach.PromptTokens(traced), sw.teach.AttentionExplorer(traced)
    view = lesson.view("TracedImage")
    add = lesson.page.get_by_role("button", name="Add the mask to the prompt")

    def same() -> None:
        _ = traced.trace
        scores = [one.score for one in traced.widget.session.candidates]
        expect(view.candidates).to_have_text([re.compile(nearly(f"{score:.2f}")) for score in scores])
        lesson.says("PromptTokens", tokens)
        lesson.says("AttentionExplorer", attention)

    same()
    before = view.candidates.all_inner_texts()
    # Twice: the mask of a mask.
    for _ in range(2):
        add.click()
        traced.add_mask()
        same()
        assert view.candidates.all_inner_texts() != before
        before = view.candidates.all_inner_texts()
    # A further click keeps it.
    view.click(230, 250)
    traced.widget.session.click(230, 250)
    same()
    for _ in range(3):
        view.press("Control+z")
        traced.widget.session.undo()
        same()
    # Without a mask, there is nothing to add.
    view.press("Escape")
    add.click()
    view.click(162, 117)
    traced.click(162, 117)
    same()
    traced.close()


def test_a_patch_is_compared_with_all_others_by_pointer_and_keyboard(opened: Open) -> None:
    lesson = opened("04")
    explorer = sw.teach.EmbeddingExplorer(sw.sample("cat"))
    lesson.says("EmbeddingExplorer", explorer)
    picture = lesson.panel("EmbeddingExplorer").get_by_role("img").first
    box = picture.bounding_box()
    assert box
    picture.hover(position={"x": 162 / 451 * box["width"], "y": 117 / 300 * box["height"]})
    explorer.look_at(162, 117)
    lesson.says("EmbeddingExplorer", explorer)
    # From the middle, 64 pixels of the canvas to the right.
    picture.focus()
    for _ in range(4):
        picture.press("Shift+ArrowRight")
    explorer.look_at((330 / 2 + 64) * 451 / 330, 150)
    lesson.says("EmbeddingExplorer", explorer)


def test_guesses_stand_next_to_what_came_out(opened: Open) -> None:
    lesson = opened("04", lang="zh-TW")
    page, say = lesson.page, sw.teach.Guesses(lang="zh-TW").say
    first = lesson.panel("ask").first
    first.get_by_role("radio", name="C", exact=True).check(force=True)
    first.get_by_role("button", name=say("guess.button")).click()
    expect(first.get_by_role("status")).to_have_text(say("guess.kept", guess="C"))
    expect(first.get_by_role("radio", name="A", exact=True)).to_be_disabled()
    answers = page.locator("details[data-answer]")
    expect(answers.nth(0).get_by_role("status")).to_be_hidden()
    answers.nth(0).locator("summary").click()
    expect(answers.nth(0).get_by_role("status")).to_have_text(say("guess.row", number=1, guess="C", answer="B"))
    answers.nth(1).locator("summary").click()
    expect(answers.nth(1).get_by_role("status")).to_have_text(say("guess.missing", number=2, answer="B"))
    rows = lesson.panel("table").get_by_role("row")
    expect(rows.nth(1)).to_have_text("1CB")
    expect(rows.nth(2)).to_have_text(f"2{say('guess.none')}B")
    expect(rows.nth(3)).to_have_text(f"3{say('guess.none')}…")


# ------------------------------------------------------------------------------------------------------ lesson 05


def test_a_drawing_is_compared_with_the_three_masks(opened: Open) -> None:
    lesson = opened("05")
    panel, expected = (
        lesson.panel("ExpectedMask"),
        sw.teach.ExpectedMask(sw.sample("cat"), clicks=[(200, 200), (162, 117), (240, 215)]),
    )
    lesson.says("ExpectedMask", expected)
    panel.get_by_role("button", name="Show the three masks").click()
    expect(panel.get_by_text(expected.say("expect.first"))).to_be_visible()
    paper = panel.get_by_role("img").first
    box = paper.bounding_box()
    assert box
    scale = box["width"] / 451
    # By corners, as whole pixels of the page.
    corners = [(120, 90), (300, 100), (290, 240), (130, 250)]
    placed = [(round(x * scale), round(y * scale)) for x, y in corners]
    for x, y in placed:
        paper.click(position={"x": x, "y": y})
    expected.draw([(x / scale, y / scale) for x, y in placed])
    before = lesson.pixels("ExpectedMask", expected.say("expect.mask", number=2))
    panel.get_by_role("button", name="Show the three masks").click()
    expected.reveal()
    lesson.says("ExpectedMask", expected)
    assert lesson.pixels("ExpectedMask", expected.say("expect.mask", number=2)) != before
    # By a drag around the eye, for the second click.
    panel.get_by_role("button", name="Next click").click()
    outline = [(round(x * scale), round(y * scale)) for x, y in ((140, 100), (190, 100), (185, 140), (140, 135))]
    mouse = lesson.page.mouse
    paper.scroll_into_view_if_needed()
    box = paper.bounding_box()
    assert box
    mouse.move(box["x"] + outline[0][0], box["y"] + outline[0][1])
    mouse.down()
    for x, y in outline[1:]:
        mouse.move(box["x"] + x, box["y"] + y)
    mouse.up()
    panel.get_by_role("button", name="Show the three masks").click()
    expected.next()
    expected.draw([(x / scale, y / scale) for x, y in outline])
    expected.reveal()
    lesson.says("ExpectedMask", expected)


def test_a_landscape_of_clicks_is_that_of_python(opened: Open) -> None:
    lesson = opened("05")
    panel, landscape = lesson.panel("ClickLandscape"), sw.teach.ClickLandscape(sw.sample("cat"))
    panel.get_by_role("button", name="Click everywhere").click()
    landscape.run()
    expect(panel.get_by_text("Move the pointer over the photo")).to_be_visible()
    picture = panel.get_by_role("img", name="The click landscape")
    seen = set()
    for name in ("land.score", "land.level", "land.agreement"):
        panel.get_by_role("radio", name=landscape.say(name)).check(force=True)
        seen.add(lesson.pixels("ClickLandscape", "The click landscape"))
    assert len(seen) == 3
    box = picture.bounding_box()
    assert box
    for x, y in ((162, 117), (200, 200), (420, 60), (30, 280), (335, 135)):
        picture.hover(position={"x": x / 451 * box["width"], "y": y / 300 * box["height"]})
        landscape.look_at(x, y)
        expect(panel.get_by_text("Click at (")).to_have_text(re.compile(f"^{nearly(landscape.here.text)}$"))


def test_scores_are_checked_against_true_masks(opened: Open) -> None:
    lesson = opened("05")
    car = sw.teach.scene(6)
    check = sw.teach.ScoreCheck(car.image, masks=car.masks, target=7)
    lesson.says("ScoreCheck", check)
    view = lesson.view("ScoreCheck")
    ys, xs = np.nonzero(car.masks[7])
    inside = (int(np.median(xs)), int(np.median(ys)))
    view.click(*inside)
    check.widget.session.click(*inside)
    panel = lesson.panel("ScoreCheck")
    expect(panel.get_by_text("Prompts: 1.")).to_be_visible()
    before = lesson.pixels("ScoreCheck", check.say("check.chart"))
    lesson.says("ScoreCheck", check)
    view.press("1")
    check.widget.session.choose(0)
    lesson.says("ScoreCheck", check)
    assert lesson.pixels("ScoreCheck", check.say("check.chart")) != before
    panel.get_by_role("button", name="Start again").click()
    expect(panel.get_by_text(check.say("check.ready"))).to_be_visible()
    check.close()


def test_prompts_are_compared_for_each_object(opened: Open) -> None:
    lesson = opened("05")
    flower = sw.teach.scene(14)
    ladder = sw.teach.PromptLadder(flower.image, masks=flower.masks, target=6)
    lesson.says("PromptLadder", ladder)
    for target in (2, 0):
        before = lesson.pixels("PromptLadder", ladder.say("ladder.box"))
        lesson.panel("PromptLadder").get_by_role("combobox", name="Segment").select_option(f"object {target + 1}")
        ladder.choice.value = target
        lesson.says("PromptLadder", ladder)
        assert lesson.pixels("PromptLadder", ladder.say("ladder.box")) != before


# ------------------------------------------------------------------------------------------------------ lesson 06


def figures(text: str) -> list[float]:
    """The numbers in a text."""
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


def paints(lesson: LessonPage, hidden: sw.teach.HiddenPatches) -> None:
    """Wait until a page's panel has the patches and the errors of Python's.

    Interpolation may differ, since four pixels on a circle have two triangulations: by 2%, and by a quarter where
    patches are hidden one by one, on a grid or because they are few.
    """
    said = lesson.panel("HiddenPatches").locator("p[role=status]")
    sees, painted, between, _, _, note = repr(hidden).splitlines()[:6]
    expect(said.nth(0)).to_have_text(sees)
    expect(said.nth(1)).to_have_text(re.compile(f"^{nearly(painted)}$"))
    single = hidden.pattern.value == "grid" or hidden.mask.mean() < 0.2
    assert figures(said.nth(2).inner_text()) == pytest.approx(figures(between), rel=0.25 if single else 0.02)
    (count, loss, won), (hides, lost, nearer) = figures(said.nth(5).inner_text()), figures(note)
    assert count == hides
    assert loss == pytest.approx(lost, abs=0.002)
    assert abs(won - nearer) <= count * (0.25 if single else 0.02)


def test_hidden_patches_are_painted_as_by_pytorch(opened: Open) -> None:
    lesson = opened("06")
    hidden = sw.teach.HiddenPatches(sw.sample("coffee"))
    panel = lesson.panel("HiddenPatches")
    paints(lesson, hidden)
    for pattern, ratio, seed in (("block", 75, 0), ("grid", 50, 3), ("random", 95, 20), ("random", 5, 7)):
        before = lesson.pixels("HiddenPatches", hidden.say("mae.painted"))
        hidden.pattern.value, hidden.ratio.value, hidden.seed.value = pattern, ratio, seed
        panel.get_by_role("radio", name=hidden.say(f"mae.{pattern}")).check(force=True)
        panel.get_by_role("slider", name=hidden.say("mae.ratio")).fill(str(ratio))
        panel.get_by_role("slider", name=hidden.say("mae.seed")).fill(str(seed))
        paints(lesson, hidden)
        assert lesson.pixels("HiddenPatches", hidden.say("mae.painted")) != before
    panel.get_by_role("slider", name=hidden.say("mae.ratio")).fill("0")
    expect(panel.get_by_text(hidden.say("mae.nothing"))).to_be_visible()


def test_patches_are_hidden_and_shown_by_hand(opened: Open) -> None:
    lesson = opened("06")
    hidden = sw.teach.HiddenPatches(sw.sample("coffee"))
    panel = lesson.panel("HiddenPatches")
    paints(lesson, hidden)
    sees = panel.get_by_role("img", name=hidden.say("mae.sees"))
    sees.scroll_into_view_if_needed()
    box = sees.bounding_box()
    assert box
    patch = box["width"] / hidden.side
    row, mask = 8, hidden.mask.copy()
    mask[row, 2:14] = not mask[row, 2]
    mouse = lesson.page.mouse
    mouse.move(box["x"] + 2.5 * patch, box["y"] + (row + 0.5) * patch)
    mouse.down()
    mouse.move(box["x"] + 13.5 * patch, box["y"] + (row + 0.5) * patch)
    mouse.up()
    hidden.set_mask(mask)
    paints(lesson, hidden)
    expect(panel.get_by_role("radio", name=hidden.say("mae.hand"))).to_be_checked()
    expect(panel.get_by_role("slider", name=hidden.say("mae.ratio"))).to_be_disabled()
    # One patch by the keyboard: from the middle, which is the corner of four patches.
    sees.focus()
    sees.press("ArrowRight")
    sees.press("ArrowDown")
    sees.press("Enter")
    mask = mask.copy()
    mask[8, 8] = not mask[8, 8]
    hidden.set_mask(mask)
    paints(lesson, hidden)
    hidden.look_at(70, 70)
    where = panel.locator("p[role=status]").nth(6)
    expect(where).to_contain_text("Row 8, column 8")
    # What trains is a picture of its last run.
    expect(lesson.page.get_by_text("This is a picture of the last run, not a panel.")).to_have_count(2)


@pytest.mark.parametrize("lesson", ["04", "05", "06"])
def test_a_lesson_fits_a_phone_and_axe_finds_nothing(opened: Open, lesson: str) -> None:
    page = opened(lesson).page
    # Panels, too, are for readers without a notebook.
    assert re.search(r"\bcells?\b|kernel", page.locator("main").inner_text(), re.IGNORECASE) is None
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert violations(View(page, page.locator("html"))) == []
    page.emulate_media(color_scheme="dark")
    assert violations(View(page, page.locator("html"))) == []
