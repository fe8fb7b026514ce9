"""Measure how long the panels of the lessons take to answer, with `tiny` on one core.

    python tests/benchmarks/panels.py

Each panel is built as in its lesson. Its canvases are pressed and hovered at nine places, its choices and sliders are
moved through their values, and the view that it follows is clicked. A time goes from the event to the last picture that
is drawn, in the kernel. CPU time is given next to it, since other programs do not change it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import ipywidgets
import torch

import sam_widget as sw
from sam_widget.teach.panel import Panel
from sam_widget.teach.picture import Picture

Action = tuple[str, Callable[[], object]]
# Of the width and height of a canvas.
PLACES = [(x, y) for y in (0.3, 0.5, 0.7) for x in (0.3, 0.5, 0.7)]


def parts(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """Yield the widgets inside a widget."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def event(canvas: Picture, name: str, x: float, y: float) -> None:
    """Send what a page sends when the pointer is used on a canvas."""
    content = {"event": name, "x": x * canvas.width, "y": y * canvas.height}
    canvas._handle_frontend_event(canvas, content, [])


def actions(panel: Panel) -> Iterator[Action]:
    """Yield what a reader can do on a panel, except for its buttons."""
    for part in parts(panel):
        if isinstance(part, Picture) and (part._on_hover or part._on_press):
            for x, y in PLACES:
                if part._on_hover:
                    yield f"hover: {part.tooltip}", lambda part=part, x=x, y=y: event(part, "mouse_move", x, y)
                if part._on_press:
                    yield f"press: {part.tooltip}", lambda part=part, x=x, y=y: event(part, "mouse_down", x, y)
                    event(part, "mouse_up", x, y)
        elif isinstance(part, ipywidgets.ToggleButtons | ipywidgets.Dropdown):
            values = [option[1] if isinstance(option, tuple) else option for option in part.options]
            for value in [*reversed(values), *values[1:]]:
                yield (
                    f"choose: {part.description or values}",
                    lambda part=part, value=value: setattr(part, "value", value),
                )
        elif isinstance(part, ipywidgets.FloatSlider | ipywidgets.IntSlider):
            for share in (0.1, 0.9, 0.3, 0.7, 0.5):
                value = type(part.value)(part.min + share * (part.max - part.min))
                yield f"slide: {part.description}", lambda part=part, value=value: setattr(part, "value", value)


def measured(title: str, panel: Panel, also: Callable[[], object] = lambda: None) -> None:
    """Print the median and the longest time of each kind of action; `also` waits for what a thread draws."""
    times: dict[str, list[tuple[float, float]]] = {}
    for name, act in actions(panel):
        wall, cpu = time.perf_counter(), time.process_time()
        act()
        also()
        times.setdefault(name, []).append((time.perf_counter() - wall, time.process_time() - cpu))
    for name, found in times.items():
        walls, cpus = ([1000 * one[k] for one in found] for k in (0, 1))
        print(
            f"{title:20} {name[:44]:44} {statistics.median(walls):6.0f} ms, at most {max(walls):4.0f};"
            f" CPU {statistics.median(cpus):5.0f}, at most {max(cpus):4.0f}",
            flush=True,
        )


def main() -> None:
    """Measure every panel that answers a pointer."""
    torch.set_num_threads(1)
    cat, coffee, car, flower, small = sw.sample("cat"), sw.sample("coffee"), *map(sw.teach.scene, (6, 14, 16))
    traced = sw.teach.TracedImage(cat)
    traced.click(200, 200)
    panels = [
        sw.teach.EmbeddingExplorer(traced),
        sw.teach.PromptTokens(traced),
        sw.teach.AttentionExplorer(traced),
        sw.teach.MaskMaker(traced),
    ]
    # A click on any of them redraws all.
    for panel in panels:
        measured(type(panel).__name__, panel, lambda: traced.trace)
    for panel in panels:
        panel.close()
    traced.close()

    landscape = sw.teach.ClickLandscape(cat)
    landscape.run()
    print(f"ClickLandscape       576 clicks: {landscape.seconds:.1f} s")
    measured("ClickLandscape", landscape)
    check = sw.teach.ScoreCheck(car.image, masks=car.masks, target=7)
    measured("ScoreCheck", check)
    times = []
    for x, y in PLACES:
        start = time.perf_counter()
        check.widget.click(x * car.image.shape[1], y * car.image.shape[0])
        times.append(1000 * (time.perf_counter() - start))
    print(f"ScoreCheck           a click in the view: {statistics.median(times):.0f} ms, at most {max(times):.0f}")
    check.close()
    measured("PromptLadder", sw.teach.PromptLadder(flower.image, masks=flower.masks, target=6))
    measured("HiddenPatches", sw.teach.HiddenPatches(coffee))
    measured("LossTerms", sw.teach.LossTerms(small.image, masks=small.masks, target=5))
    measured("CorrectionRounds", sw.teach.CorrectionRounds(car.image, masks=car.masks, target=7))
    training = sw.teach.PromptTraining(seconds=2)
    training.run()
    measured("PromptTraining", training)
    measured("WordFinder", sw.teach.WordFinder(coffee, words="cup, spoon"))
    measured("MaskNames", sw.teach.MaskNames(coffee, x=580, y=30, word="cup"))
    measured(
        "ModelRace", sw.teach.ModelRace(car.image, masks=car.masks, models={"tiny": "tiny", "again": "tiny"}, most=3)
    )


if __name__ == "__main__":
    main()
