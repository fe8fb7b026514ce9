"""The command line: its help, its exit status, and the state after an interruption."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sam_widget as sw
from sam_widget.cli.cli import main
from tests.waiting import until

COMMANDS = ("embed", "segment", "everything", "export", "page", "models")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAM_WIDGET_CACHE", str(tmp_path / "cache"))
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in range(3):
        Image.fromarray(np.random.default_rng(n).integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(
            photos / f"{n}.png"
        )
    return photos


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_reads_well(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--help"])
    text = capsys.readouterr().out
    assert all(len(line) <= 120 for line in text.splitlines()), "it fits into a terminal"
    assert "examples:\n" in text
    known = set(re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", text.partition("examples:")[0]))
    for name in COMMANDS if not command else ():
        assert re.search(rf"^ +{name} +\w+", text, re.MULTILINE), name
    for option in re.findall(r" (--?[a-z][a-z-]*)", text.partition("examples:")[2]) if command else ():
        assert option in known, f"the example uses {option}, which the help does not explain"


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys, sam_widget.cli.cli\n"
        "try: sam_widget.cli.cli.main(['embed', '--help'])\n"
        "except SystemExit: print(*(name in sys.modules for name in ('torch', 'numpy', 'PIL', 'anywidget')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split()[-4:] == ["False"] * 4


def test_embed_names_the_files_that_failed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "1b.jpg").write_bytes(b"no image")
    assert main(["embed", str(folder)]) == 1
    out, err = capsys.readouterr()
    assert "3 done, 1 failed" in out
    assert f"{folder / '1b.jpg'}: 1b.jpg is not in an image format" in err
    assert len(sw.EmbeddingStore()) == 3

    (folder / "1b.jpg").unlink()
    assert main(["embed", str(folder)]) == 0
    assert "0 done, 3 done before" in capsys.readouterr().out
    assert main(["embed", str(folder), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_mistakes_are_told_in_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", str(folder / "missing")]) == 1
    assert main(["embed", str(folder), "--model", "vit_z"]) == 1
    assert capsys.readouterr().err.splitlines()[0].startswith("sam-widget: there is no file or folder")
    for wrong in ("much", "-1GB", "0", "1.2.3GB", ""):
        with pytest.raises(SystemExit, match="2"):
            main(["embed", str(folder), f"--max-size={wrong}"])
        assert f"invalid size {wrong!r}" in capsys.readouterr().err


def test_a_store_that_is_too_small_is_told_as_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", str(folder), "--max-size", "50kB"]) == 0
    assert re.search(r"^sam-widget: 3 embeddings of .* do not fit", capsys.readouterr().err, re.MULTILINE)
    assert sw.EmbeddingStore().nbytes <= 50_000


def test_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("NAME ")
    assert [line.split()[0] for line in lines[1:]] == [row.name for row in sw.models()]
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "tiny"


def test_from_prompts_to_coco(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work, prompts = tmp_path / "work", tmp_path / "prompts.csv"
    prompts.write_text("image,label,x,y,x0,y0,x1,y1\n0.png,dot,20,20,,,,\n0.png,box,,,5,5,30,30\n2.png,dot,9,9,,,,\n")
    assert main(["segment", str(folder), "--prompts", str(prompts), "-o", str(work)]) == 0
    assert "2 done" in capsys.readouterr().out
    assert sorted(path.name for path in work.iterdir()) == ["0.png.sam", "2.png.sam"]
    session = sw.Session.load(work / "0.png.sam")
    assert [item.label for item in session.objects] == ["dot", "box"]
    again = sw.Session(folder / "0.png")
    again.click(20, 20)
    np.testing.assert_array_equal(again.accept().mask, session.objects[0].mask)

    prompts.write_text("image,label,x,y\n1.png,late,20,20\n0.png,again,1,1\n")
    assert main(["segment", str(folder), "--prompts", str(prompts), "-o", str(work)]) == 0
    assert "1 done, 1 done before" in capsys.readouterr().out
    assert main(["segment", str(folder), "--prompts", str(prompts), "-o", str(work), "--overwrite"]) == 0
    assert [item.label for item in sw.Session.load(work / "0.png.sam").objects] == ["again"]

    (work / "1.png.sam").write_bytes(b"damaged")
    assert main(["export", str(work), "-o", str(tmp_path / "all.json")]) == 1
    out, err = capsys.readouterr()
    assert "2 done, 1 failed" in out
    assert "1.png.sam" in err
    coco = json.loads((tmp_path / "all.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["0.png", "2.png"]
    assert main(["export", str(work / "2.png.sam"), "-o", str(tmp_path / "cut"), "--format", "cutouts", "-q"]) == 0
    assert len(list((tmp_path / "cut/2").iterdir())) == 1


def test_prompts_from_options(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--point", "20,20", "--point", "50,5,0", "--label", "dot", "-o", str(tmp_path / "work")]
    assert main(["segment", str(folder / "0.png"), str(folder / "1.png"), *options]) == 0
    (item,) = sw.Session.load(tmp_path / "work/1.png.sam").objects
    assert item.label == "dot"
    assert [(p.x, p.y, p.label) for p in item.prompt.points] == [(20, 20, 1), (50, 5, 0)]

    assert main(["segment", str(folder), "-o", str(tmp_path / "new")]) == 1
    assert "nothing to segment; give --prompts" in capsys.readouterr().err
    assert main(["segment", str(folder), "--point", "500,500", "-o", str(tmp_path / "new")]) == 1
    assert capsys.readouterr().err.count("outside") == 3, "one line a photo"
    assert not list((tmp_path / "new").glob("*.sam"))
    with pytest.raises(SystemExit, match="2"):
        main(["segment", str(folder), "--box", "1,2,3", "-o", str(tmp_path / "new")])
    assert "invalid value '1,2,3'; expected 4 numbers" in capsys.readouterr().err
    prompts = tmp_path / "p.json"
    prompts.write_text('[{"image": "elsewhere.png", "points": [[1, 1]]}]')
    assert main(["segment", str(folder), "--prompts", str(prompts), "-o", str(tmp_path / "new")]) == 1
    assert "prompts for elsewhere.png, but no such image" in capsys.readouterr().err


def test_replay(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = tmp_path / "work"
    assert main(["segment", str(folder), "--point", "20,20", "--label", "dot", "-o", str(work), "-q"]) == 0
    (work / "1.png.sam").write_bytes(b"damaged")
    assert main(["replay", str(work), "--figure", str(tmp_path / "compared.png")]) == 1
    out, err = capsys.readouterr()
    assert "mean IoU 1.000" in out.splitlines()[0]
    assert [line.split()[:3] for line in out.splitlines()[2:]] == [["0.png", "dot", "1.000"], ["2.png", "dot", "1.000"]]
    assert "1.png.sam" in err
    assert Image.open(tmp_path / "compared.png").width > 300


def test_everything(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = tmp_path / "work"
    options = ["--points-per-side", "2", "--pred-iou-thresh", "0", "--stability-score-thresh", "0", "-o", str(work)]
    assert main(["everything", str(folder), *options]) == 0
    assert "3 done" in capsys.readouterr().out
    expected = sw.segment_everything(
        sw.Predictor("tiny"), folder / "1.png", points_per_side=2, pred_iou_thresh=0, stability_score_thresh=0
    )
    found = sw.Session.load(work / "1.png.sam").objects
    assert [item.area for item in found] == [item.area for item in expected]
    assert main(["everything", str(folder), *options]) == 0
    assert "0 done, 3 done before" in capsys.readouterr().out
    assert main(["everything", str(folder), "--points-per-side", "0", "-o", str(tmp_path / "new")]) == 1
    assert "points_per_side is 0" in capsys.readouterr().err


def many(folder: Path, count: int) -> None:
    """Write photos, at most 256, that differ: enough to keep a process busy until it is killed."""
    for n in range(count):
        Image.fromarray(np.full((300, 400, 3), n, np.uint8)).save(folder / f"{n}.png")


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sam_widget", *map(str, arguments)]
    # What a shell starts in its background is deaf to Ctrl+C. Children inherit that, and no handlers.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)


def wait_for_some(store: sw.EmbeddingStore, process: subprocess.Popen[str]) -> None:
    def embedded() -> bool:
        assert process.poll() is None, process.communicate()
        return len(store) >= 3

    until(embedded, what="three embeddings")


def test_killed_in_the_middle_it_does_the_rest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many(folder, 24)
    store = sw.EmbeddingStore()
    with start("embed", folder) as process:
        wait_for_some(store, process)
        process.send_signal(signal.SIGKILL)
    before = {path: path.stat().st_mtime_ns for path in store.folder.glob("*/*.safetensors")}
    assert 3 <= len(before) < 24
    for path in before:
        sw.Embedding.load(path)
    assert main(["embed", str(folder)]) == 0
    assert f"{24 - len(before)} done, {len(before)} done before" in capsys.readouterr().out
    assert len(store) == 24


@pytest.mark.skipif(os.name == "nt", reason="Ctrl+C cannot be sent to one process there")
def test_ctrl_c_leaves_nothing_half_written(folder: Path) -> None:
    many(folder, 256)
    store = sw.EmbeddingStore()
    with start("embed", folder) as process:
        wait_for_some(store, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err.rstrip().endswith("run the command again to continue")
    assert "Traceback" not in err
    found = [path for path in store.folder.rglob("*") if path.is_file()]
    assert 3 <= len(found) < 256
    for path in found:
        sw.Embedding.load(path)


def test_shards_of_a_folder_do_all_of_it(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1, 5):
        shard = ["--shard", f"{number}/4"]
        assert main(["embed", str(folder), "--quiet", *shard]) == 0
        options = ["--point", "20,20", "-o", str(tmp_path / "work"), "--quiet", *shard]
        assert main(["segment", str(folder), *options]) == 0
        assert main(["find", str(folder), "cat", "-o", str(tmp_path / "found"), "--quiet", *shard]) == 0
    assert len(list((tmp_path / "cache/embeddings").rglob("*.safetensors"))) >= 3
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["0.png.sam", "1.png.sam", "2.png.sam"]
    assert main(["embed", str(folder), "--shard", "5/4"]) == 1
    assert "no shard 5 of 4" in capsys.readouterr().err


def test_page_begins_with_a_sample_if_it_opens_any_photo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["page", "--any-photo", "-o", str(tmp_path / "any.html")]) == 0
    assert re.search(r"any\.html \(2\d\.\d MB\)", capsys.readouterr().out)


def test_page_writes_a_lesson(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "04.html"
    assert main(["page", "--lesson", "04", "--lang", "zh-TW", "-o", str(page)]) == 0
    assert re.search(r"04\.html \(\d\.\d MB\)", capsys.readouterr().out)
    assert '<html lang="zh-TW">' in page.read_text("utf-8")
    assert main(["page", "photo.png", "--lesson", "04", "-o", str(page)]) == 1
    assert "give --lesson without PHOTO and --any-photo" in capsys.readouterr().err


def test_page_writes_one_file_of_a_photo_or_a_session(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, session = folder / "page.html", folder / "0.sam"
    assert main(["page", str(folder / "0.png"), "-o", str(page)]) == 0
    assert re.search(r"page\.html \(\d\.\d MB\)", capsys.readouterr().out)
    made = sw.Session(folder / "0.png", model="tiny")
    made.click(30, 20)
    made.save(session)
    assert main(["page", str(session), "-o", str(page), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["page", str(session), "-o", str(folder / "page.txt")]) == 1
    assert "ends in .html" in capsys.readouterr().err
