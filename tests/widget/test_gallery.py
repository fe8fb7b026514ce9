"""Going through many images, as a script does it and as messages from a view do."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

import sam_widget as sw
from sam_widget.widget.gallery import Gallery
from sam_widget.widget.opening import Shown


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (40, 60, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for n in range(3):
        Image.fromarray(picture(n)).save(tmp_path / f"{n}.png")
    (tmp_path / "1b.jpg").write_bytes(b"not an image")
    return tmp_path


class Opened(Gallery):
    """A gallery that keeps what it sends."""

    sent: list[dict[str, object]]
    heard = threading.Condition()

    def send(self, content: dict[str, object], buffers: object = None) -> None:
        with self.heard:
            self.sent.append(content)
            self.heard.notify_all()
        super().send(content, buffers)


@pytest.fixture
def opened(folder: Path, predictor: sw.Predictor) -> Iterator[Callable[..., Opened]]:
    made: list[Opened] = []

    def make(**options: object) -> Opened:
        Opened.sent = []
        gallery = Opened(folder, model=predictor.model, **{"store": folder / "store", **options})
        made.append(gallery)
        return gallery

    yield make
    for gallery in made:
        gallery.close()


def wait(gallery: Gallery, condition: Callable[[], bool]) -> None:
    met = threading.Event()

    def look(_change: object) -> None:
        if condition():
            met.set()

    gallery.observe(look, "state")
    gallery.observe(look, "place")
    look(None)
    assert met.wait(60), gallery.state
    gallery.unobserve(look, "state")
    gallery.unobserve(look, "place")


def ready(gallery: Gallery) -> None:
    wait(gallery, lambda: gallery.state["status"] == "ready")


def ask(gallery: Opened, kind: str, **fields: object) -> dict[str, object]:
    """Send what a view would, and return the answer."""
    seq = len(gallery.sent) + 1000
    gallery._receive(None, {"type": kind, "client": "view", "seq": seq, **fields}, [])

    def answers() -> list[dict[str, object]]:
        return [m for m in gallery.sent if m.get("type") == "answer" and m.get("seq") == seq]

    with gallery.heard:
        assert gallery.heard.wait_for(answers, 60)
    return answers()[0]


def test_every_image_has_a_session_of_its_own(opened: Callable[..., Opened]) -> None:
    gallery = opened()
    assert (gallery.index, gallery.name) == (0, "0.png")
    gallery.click(20, 20)
    gallery.accept("first")
    gallery.next()
    assert gallery.name == "1.png"
    np.testing.assert_array_equal(gallery.session.image, picture(1))
    assert gallery.objects == ()
    gallery.click(30, 20)
    gallery.click(5, 5)
    gallery.accept("second")
    gallery.previous()
    assert [item.label for item in gallery.objects] == ["first"]
    assert gallery.prompt.is_empty
    gallery.undo()
    assert gallery.objects == ()
    gallery.redo()
    gallery.go("2.png")
    gallery.go(-3)
    assert [item.label for item in gallery.objects] == ["second"]
    assert [(row.name, row.objects) for row in gallery.overview] == [
        ("0.png", 1),
        ("1.png", 1),
        ("1b.jpg", 0),
        ("2.png", 0),
    ]


def test_what_was_done_is_there_another_day(opened: Callable[..., Opened], folder: Path) -> None:
    gallery = opened()
    gallery.click(20, 20)
    gallery.accept("first")
    gallery.go("2.png")
    gallery.click(30, 20)
    gallery.accept("last")
    gallery.click(5, 5)
    gallery.close()
    assert sorted(path.name for path in folder.glob("*.sam")) == ["0.png.sam", "2.png.sam"]
    again = opened()
    assert [item.label for item in again.objects or again.session.objects] == ["first"]
    again.undo()
    wait(again, lambda: again.place["objects"] == [0, 0, 0, 1])
    again.go("2.png")
    assert len(again.candidates) == 3
    assert [item.label for item in again.objects] == ["last"]


def test_an_image_open_in_another_kernel_is_told_and_left_alone(opened: Callable[..., Opened], folder: Path) -> None:
    code = (
        "import sys, sam_widget as sw\n"
        "s = sw.Session(sys.argv[1], autosave=sys.argv[2])\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder / "1.png"), str(folder / "1.png.sam")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        gallery = opened()
        gallery.next()
        assert gallery.state["status"] == "error"
        assert "1.png.sam" in gallery.state["message"]
        gallery.go("2.png")
        assert len(gallery.click(20, 20)) == 3
    gallery.go("1.png")
    assert len(gallery.click(20, 20)) == 3, "the other one is gone"


def test_the_whole_folder_becomes_coco(opened: Callable[..., Opened], tmp_path: Path) -> None:
    gallery = opened(sessions=tmp_path / "work")
    gallery.click(20, 20)
    mask = gallery.accept("thing").mask
    gallery.go("2.png")
    gallery.click(30, 20)
    gallery.accept("other")
    report = gallery.export(tmp_path / "all.json")
    assert len(report.done) == 2
    coco = COCO(tmp_path / "all.json")
    assert {item["file_name"] for item in coco.imgs.values()} == {"0.png", "2.png"}
    found = {coco.cats[item["category_id"]]["name"]: coco.annToMask(item) for item in coco.anns.values()}
    np.testing.assert_array_equal(found["thing"], mask)
    assert set(found) == {"thing", "other"}
    gallery.export(tmp_path / "masks", format="indexed_png")
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["0.png", "2.png"]


def test_a_bad_image_is_shown_as_that_and_does_not_stop_the_rest(opened: Callable[..., Opened]) -> None:
    gallery = opened()
    gallery.go(1)
    gallery.click(20, 20)
    gallery.accept()
    gallery.next()
    assert gallery.state["status"] == "error"
    assert "1b.jpg is not in an image format" in gallery.state["message"]
    assert gallery.state["image"] is None
    assert gallery.objects == ()
    with pytest.raises(sw.ImageError, match="not in an image format"):
        gallery.click(1, 1)
    assert [row.failed for row in gallery.overview] == [False, False, True, False]
    gallery.next()
    ready(gallery)
    assert gallery.name == "2.png"
    assert len(gallery.click(30, 30)) == 3


def test_a_bad_first_image_keeps_nobody_from_the_others(folder: Path, opened: Callable[..., Opened]) -> None:
    (folder / "0.png").write_bytes(b"")
    gallery = opened()
    wait(gallery, lambda: gallery.state["status"] == "error")
    assert "0.png is empty" in gallery.state["message"]
    gallery.next()
    assert len(gallery.click(30, 30)) == 3


def test_it_can_be_shown_before_its_first_image_is_open(opened: Callable[..., Opened]) -> None:
    gallery = opened()
    gallery._stage.shown = Shown.of(gallery.images[0])
    bundle = gallery._repr_mimebundle_()
    assert bundle is not None
    assert "application/vnd.jupyter.widget-view+json" in bundle[0]
    assert "image/png" not in bundle[0]


def test_there_is_nothing_beyond_the_ends(opened: Callable[..., Opened]) -> None:
    gallery = opened()
    with pytest.raises(sw.SessionError, match=r"0\.png is the first image"):
        gallery.previous()
    gallery.go(-1)
    with pytest.raises(sw.SessionError, match=r"2\.png is the last image"):
        gallery.next()
    with pytest.raises(sw.ImageError, match="no image 4"):
        gallery.go(4)
    assert gallery.name == "2.png"


def test_what_is_done_is_remembered_and_the_next_gallery_begins_after_it(opened: Callable[..., Opened]) -> None:
    gallery = opened()
    gallery.mark()
    gallery.next()
    gallery.mark()
    gallery.mark(done=False)
    gallery.mark()
    gallery.go("2.png")
    gallery.mark()
    assert [row.done for row in gallery.overview] == [True, True, False, True]
    assert gallery.place["done"] == [0, 1, 3]
    again = opened()
    assert again.name == "1b.jpg"
    assert [row.done for row in again.overview] == [True, True, False, True]


def test_the_neighbours_are_embedded_while_a_person_looks(opened: Callable[..., Opened]) -> None:
    gallery = opened()
    ready(gallery)
    own = gallery.session.predictor
    next_one = sw.Session(picture(1), model=own)
    wanted = threading.Event()
    made = gallery._folder._prefetcher._made

    def told(index: int, error: Exception | None) -> None:
        made(index, error)
        if own.has(next_one.image_hash):
            wanted.set()

    gallery._folder._prefetcher._made = told
    told(0, None)
    assert wanted.wait(60)
    statuses: list[str] = []
    gallery.observe(lambda change: statuses.append(change["new"]["status"]), "state")
    gallery.next()
    assert statuses == ["ready"], "no waiting and no flicker"
    gallery.click(10, 10)


def test_a_view_goes_through_the_images(opened: Callable[..., Opened]) -> None:
    gallery = opened()
    ready(gallery)
    assert gallery.gallery == {"names": ["0.png", "1.png", "1b.jpg", "2.png"]}
    assert gallery.place == {"index": 0, "objects": [0, 0, 0, 0], "done": [], "failed": []}
    prompt = {**gallery.state["prompt"], "points": [{"x": 9, "y": 9, "label": 1}]}
    assert ask(gallery, "predict", prompt=prompt)["outcome"] == "done"
    ask(gallery, "accept", label="thing")
    ask(gallery, "mark", done=True)
    answer = ask(gallery, "show", index=1)
    assert answer["outcome"] == "done"
    assert gallery.place == {"index": 1, "objects": [1, 0, 0, 0], "done": [0], "failed": []}
    assert gallery.state["image"]["hash"] == gallery.session.image_hash
    assert ask(gallery, "tile", level=0, column=0, row=0, rendering=gallery.state["rendering"])["outcome"] == "done"
    refused = ask(gallery, "show", index=9)
    assert refused["outcome"] == "error"
    assert "no image 9" in refused["error"]
    assert gallery.index == 1


def test_only_a_gallery_has_other_images(predictor: sw.Predictor) -> None:
    widget = sw.SamWidget(picture(0), model=predictor)
    answers: list[dict[str, Any]] = []
    widget.send = lambda content, _buffers=None: answers.append(content)  # type: ignore[method-assign]
    widget._receive(widget, {"type": "show", "client": "view", "seq": 1, "index": 0}, [])
    assert "unknown message type 'show'" in answers[-1]["error"]
    widget.close()


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(sw.ImageError, match="no file or folder"):
        sw.Gallery(tmp_path / "missing")
