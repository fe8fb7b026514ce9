from __future__ import annotations

from dataclasses import replace

import pytest

from sam_widget.engine.journal import MaskEntry, RoundEntry
from sam_widget.engine.report import Agreement, EngineReport, running_mean, stage_figures

ENTRY = MaskEntry("a.jpg", "0", 1, "tiny", 4, 20.0, "ada")


def entries() -> list[MaskEntry]:
    by_hand = [replace(ENTRY, object=str(k), seconds=20.0 - k, clicks=5 - k // 3) for k in range(12)]
    filled = [
        replace(ENTRY, photo="b.jpg", object=f"f{k}", stage=2, seconds=None, clicks=None, automatic=True, gone=k == 0)
        for k in range(4)
    ]
    undone = replace(filled[0], photo="c.jpg", gone=True)
    return [*by_hand, *filled, undone]


def test_a_stage_is_summed_up_from_what_is_still_there() -> None:
    first, second = stage_figures(entries(), frozenset({"a.jpg", "b.jpg"}))
    assert (first.stage, first.masks, first.photos, first.automatic) == (1, 12, 1, 0)
    assert first.seconds == (18.0, 11.0)
    assert first.accepted is None
    assert (second.masks, second.automatic) == (3, 3)
    assert second.accepted == 0.75  # the photo that is not done does not count
    assert second.seconds is None


def test_the_interval_is_wilsons() -> None:
    share, low, high = Agreement((1.0,) * 28 + (0.5, 0.8), 30).above(0.9)
    assert share == pytest.approx(28 / 30)
    assert (low, high) == (pytest.approx(0.787, abs=2e-3), pytest.approx(0.982, abs=2e-3))
    assert str(Agreement((), 30)) == "0 of 30 masks are checked"
    assert "93% of 30 masks above IoU 0.90 (79% to 98%)" in str(Agreement((1.0,) * 28 + (0.5, 0.8), 30))


def test_the_report_stands_next_to_the_paper_and_is_no_html() -> None:
    rounds = (RoundEntry(1, 1, True, "<b>", {"clicks": [5.0, 3.5]}, "f", "m"),)
    found = entries()
    report = EngineReport(
        9, 2, stage_figures(found, frozenset({"b.jpg"})), rounds, Agreement((1.0, 0.5), 2), tuple(found)
    )
    text = repr(report)
    assert "assisted-manual: seconds a mask | 18 → 11 | 34 → 14" in text
    assert "clicks to IoU 0.85 (photos held out) | 5.0 → 3.5" in text
    assert "<td>assisted-manual: seconds a mask</td>" in report._repr_html_()
    assert [axis.get_title() for axis in report.figure().axes] == [
        "seconds a mask", "clicks a mask", "clicks to IoU 0.85",
    ]  # fmt: skip
    assert "rounds of tuning adopted | 0 of 0" in repr(EngineReport(9, 0, (), (), None, ()))


def test_a_running_mean_begins_with_what_there_is() -> None:
    assert running_mean([4, 2, 0], over=2) == [4, 3, 1]
