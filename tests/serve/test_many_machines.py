"""A folder on a real Ray cluster gives what a single process gives, also if workers are killed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.errors import ImageError, ModelError, PromptError, SamWidgetError
from sam_widget.folders.batch import BatchReport
from sam_widget.folders.prompt_files import ObjectPrompt
from sam_widget.predictor.embeddings import Embedding
from sam_widget.serve.many_machines import embed_folder, everything_folder, find_folder, segment_folder
from sam_widget.serve.spread import Photos, spread
from sam_widget.session.file.reader import Record
from tests.serve.cluster import cluster, workers
from tests.waiting import until

# Ray is imported later, because it reads the environment then.
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"),
]
PROMPTS = [ObjectPrompt(sw.Prompt(points=[sw.Point(60, 40)]), "it")]


@pytest.fixture(scope="module", autouse=True)
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, cluster(tmp_path_factory.mktemp("cluster"), patch) as found:
        yield found


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, photo: np.ndarray) -> Path:
    """Forty crops of a photo, two of them in a folder and one a copy, and two files that are damaged."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "in").mkdir()
    for number in range(38):
        crop = photo[number * 3 : number * 3 + 150, number * 4 : number * 4 + 200]
        Image.fromarray(crop).save(folder / ("in" if number > 35 else "") / f"photo {number}.png")
    (folder / "photo 38.png").write_bytes((folder / "photo 1.png").read_bytes())
    (folder / "photo 39.png").write_bytes((folder / "photo 2.png").read_bytes()[:-300])
    (folder / "photo 40.png").write_bytes(b"not a photo")
    return folder


def alone(*arguments: str, cache: Path) -> str:
    """Run a command in a process of one thread, as a worker is; returns what it prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SAM_WIDGET_CACHE": str(cache)}
    command = [sys.executable, "-m", "sam_widget", *arguments]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return found.stdout + found.stderr


def told(report: BatchReport) -> str:
    """Return a report as the command prints it."""
    first, *rest = str(report).split("\n  ")
    return "\n".join((first, *rest, ""))


def contents(folder: Path) -> dict[str, Any]:
    """Return what is in session files, bit for bit: objects by the name of the file."""
    found = {}
    for path in sorted(folder.rglob("*.sam")):
        record = Record.read(path)
        objects = [(item.label, item.score, item.stored.shape, item.stored.runs.tobytes()) for item in record.objects]
        found[path.relative_to(folder).as_posix()] = objects
    return found


def test_a_killed_worker_changes_nothing(photos: Path, tmp_path: Path) -> None:
    together = tmp_path / "together"
    reports: list[BatchReport] = []
    job = threading.Thread(
        target=lambda: reports.append(
            segment_folder(photos, PROMPTS, sessions=together, recursive=True, progress=False)
        )
    )
    job.start()
    until(lambda: len(list(together.rglob("*.sam"))) >= 5, seconds=300, what="five photos are done")
    killed = workers("ray::MapWorker")[0]
    killed.kill()
    seen = len(list(together.rglob("*.sam")))
    job.join(300)
    assert seen < 30, "it was nearly done"
    said = alone(
        *("segment", str(photos), "--recursive", "--point", "60,40", "--label", "it", "-o", str(tmp_path / "alone")),
        cache=tmp_path / "cache",
    )
    assert told(reports[0]) == said
    assert (len(reports[0].done), len(reports[0].failed)) == (39, 2)
    assert contents(together) == contents(tmp_path / "alone")
    assert not list(together.rglob("*.partial"))
    # Again, with one photo left to do.
    (together / "photo 7.png.sam").unlink()
    again = segment_folder(photos, PROMPTS, sessions=together, recursive=True, progress=False)
    assert ([path.name for path in again.done], len(again.skipped), len(again.failed)) == (["photo 7.png"], 38, 2)
    assert contents(together) == contents(tmp_path / "alone")


def test_embeddings_are_the_same(photos: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"store": tmp_path / "together", "max_bytes": 10**9, "progress": False}
    report = embed_folder(photos, **options)
    said = alone("embed", str(photos), "--store", str(tmp_path / "alone"), cache=tmp_path / "cache")
    assert told(report) == said.partition("\n")[2]
    assert (len(report.done), len(report.skipped), len(report.failed)) == (36, 1, 2)

    def files(folder: Path) -> dict[str, Any]:
        made = {path.name: Embedding.load(path) for path in folder.rglob("*.safetensors")}
        return {
            name: (one.features.numpy().tobytes(), one.image_size, one.weights_id, one.shown)
            for name, one in made.items()
        }

    assert files(tmp_path / "together") == files(tmp_path / "alone")
    assert len(embed_folder(photos, **options).skipped) == 37


def test_everything_and_words_in_an_object_store(photos: Path, tmp_path: Path) -> None:
    few, work = tmp_path / "few", tmp_path / "work"
    (few / "in").mkdir(parents=True)
    for name in ("photo 1.png", "in/photo 36.png", "photo 40.png"):
        (few / name).write_bytes((photos / name).read_bytes())
    report = everything_folder(
        f"file://{few}", sessions=f"file://{work}", recursive=True, progress=False, points_per_side=8
    )
    said = alone(
        *("everything", str(few), "-r", "--points-per-side", "8", "-o", str(tmp_path / "alone")),
        cache=tmp_path / "cache",
    )
    assert sorted(path.as_posix() for path in report.done) == ["in/photo 36.png", "photo 1.png"]
    assert str(report.failed[0]).partition(":")[2] == said.partition("photo 40.png:")[2].rstrip("\n")
    assert contents(work) == contents(tmp_path / "alone")
    # The session files are continued, where they are.
    hits = find_folder(f"file://{few}", ["cat"], sessions=f"file://{work}", recursive=True, progress=False, threshold=0)
    found = alone(
        *("find", str(few), "cat", "--threshold", "0", "-r", "-o", str(tmp_path / "alone")), cache=tmp_path / "cache"
    )
    assert str(hits) == found.partition("\n/")[0].rstrip("\n")
    assert contents(work) == contents(tmp_path / "alone")


def test_a_photo_that_kills_its_workers_is_reported_and_the_others_are_done(photos: Path, tmp_path: Path) -> None:
    class Deadly:
        """A job that dies of one photo."""

        makes_sessions, continues = False, False

        def run(self, album: Any) -> Any:
            import os  # Here, because the class is pickled.
            import signal

            from sam_widget.folders.batch import BatchReport as Report
            from sam_widget.serve.jobs import Part

            if album.names[0].endswith("photo 3.png"):
                os.kill(os.getpid(), signal.SIGKILL)
            return Part(Report(done=album.images))

    few = tmp_path / "few"
    few.mkdir()
    for number in range(1, 13):
        (few / f"photo {number}.png").write_bytes((photos / f"photo {number}.png").read_bytes())
    found = Photos.found(few, sessions="/", recursive=False, shard=None)
    report = spread(Deadly(), found, doing="Dying", progress=False).report
    assert [path.name for path in report.done] == [f"photo {number}.png" for number in range(1, 13) if number != 3]
    assert [(one.path.name, one.reason[:28]) for one in report.failed] == [
        ("photo 3.png", "the workers that had it died")
    ]


def test_wrong_requests_fail_before_work_is_shared_out(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no image in"):
        everything_folder(tmp_path, sessions=tmp_path)
    with pytest.raises(ImageError, match="no image in file://"):
        everything_folder(f"file://{tmp_path}", sessions=tmp_path)
    with pytest.raises(ImageError, match="cannot be used"):
        everything_folder("nothing://photos", sessions=tmp_path)
    with pytest.raises(PromptError, match="points_per_side"):
        everything_folder(photos, sessions=tmp_path, points_per_side=-1)
    with pytest.raises(ModelError, match="unknown model"):
        everything_folder(photos, sessions=tmp_path, model="vit_x")
    with pytest.raises(PromptError, match="not one of the 1,000 things"):
        find_folder(photos, ["qwertyuiop"], sessions=tmp_path)
    with pytest.raises(SamWidgetError, match="only if the photos are"):
        segment_folder(photos, PROMPTS, sessions=f"file://{tmp_path}")
    with pytest.raises(ImageError, match="not in an object store"):
        embed_folder(photos, store=Path("s3://bucket"), max_bytes=1)
