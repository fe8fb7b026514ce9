"""The documentation builds without warnings or dead links, its examples run, and it lists every public name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

import sam_widget as sw

REPOSITORY = Path(__file__).resolve().parent.parent
DOCS = REPOSITORY / "notebooks" / "docs"
PAGES = sorted((DOCS / "pages").rglob("*.md"))
# Blocks marked `python` are run; those marked `py` need a browser, a download or minutes.
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def code(page: Path) -> str:
    """The blocks that are run, on the lines where they are, so that a traceback shows the line."""
    text, lines = page.read_text("utf-8"), []
    for block in BLOCK.finditer(text):
        above = text.count("\n", 0, block.start(1))
        lines += [""] * (above - len(lines)) + block[1].splitlines()
    return "\n".join(lines)


class Addresses(HTMLParser):
    """The ids of a page, and the addresses that it links to or loads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.targets: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name == "id":
                self.ids.add(value)
            elif value and name in ("href", "src") and tag != "base":
                self.targets.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(DOCS / "mkdocs.yml"), "-d", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=400)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def test_no_link_inside_the_site_is_dead_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = {path: Addresses(path.read_text("utf-8")) for path in site.rglob("*.html")}
    assert len(pages) > len(PAGES)
    dead = []
    for path, page in pages.items():
        for target in page.targets:
            address, _, anchor = target.partition("#")
            if re.match(r"(https?|mailto|data):|//", address):
                continue
            there = (path.parent / address).resolve() if address else path
            if not there.is_file() or (anchor and there in pages and anchor not in pages[there].ids):
                dead.append(f"{path.relative_to(site)}: {target}")
    assert dead == []
    loaded = re.compile(r"<(?:script|img|link rel=\"stylesheet\")[^>]*(?:src|href)=\"(?:https?:)?//")
    assert [path.name for path in pages if loaded.search(path.read_text("utf-8"))] == []


def test_the_front_pages_embed_a_page_that_answers(site: Path) -> None:
    for name in ("index.html", "index.zh-TW.html"):
        frame = re.search(
            r'<iframe class="demo" src="([^"]+)" title="[^"]+" loading="lazy">', (site / name).read_text("utf-8")
        )
        assert frame, name
        page = site / frame[1]
        assert page.stat().st_size < 6e6
        assert {"sam-weights", "sam-features-0"} <= Addresses(page.read_text("utf-8")).ids


def test_the_search_needs_no_server(site: Path) -> None:
    assert (site / "search" / "search_index.js").read_text("utf-8").startswith("var __index = ")
    for name, shim in (("index.html", "assets/iframe-worker.js"), ("guides/words.html", "../assets/iframe-worker.js")):
        assert shim in Addresses((site / name).read_text("utf-8")).targets


def test_every_lesson_is_a_page_with_its_pictures_in_each_language_it_is_written_in(site: Path) -> None:
    notebooks = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
    assert notebooks
    for path in notebooks:
        page = Addresses((site / "lessons" / f"{path.stem}.html").read_text("utf-8"))
        assert [target for target in page.targets if target.startswith(f"{path.stem}/")], "pictures"
        index = "index.zh-TW.html" if ".zh-TW" in path.stem else "index.html"
        assert f"{path.stem}.html" in Addresses((site / "lessons" / index).read_text("utf-8")).targets
        sheet = f"{path.name[:2]}_teachers{'.zh-TW' if '.zh-TW' in path.stem else ''}.html"
        has_sheet = (REPOSITORY / "notebooks" / "teachers" / f"{path.name[:2]}.en.md").exists()
        assert (sheet in page.targets) == (site / "lessons" / sheet).exists() == has_sheet


@pytest.mark.parametrize("source", [REPOSITORY / "README.md", *PAGES], ids=lambda page: page.stem)
def test_links_lead_to_files_and_headings_in_the_repository_too(source: Path) -> None:
    """GitHub shows these pages without building the site."""
    targets = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", source.read_text("utf-8"))
    for target in (first or second for first, second in targets):
        if re.match(r"https?:|\.\./\.\./actions/", target):
            continue
        name, _, anchor = target.partition("#")
        there = source.parent / name if name else source
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", there.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, target


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text("utf-8").splitlines()) <= 150


def test_the_reference_has_every_public_name_with_an_example() -> None:
    pages = [page.read_text("utf-8") for page in (DOCS / "pages" / "reference").glob("*.md")]
    for name in sw.__all__:
        listed = [page for page in pages if re.search(rf"^::: sam_widget\.{name}$", page, re.MULTILINE)]
        assert len(listed) == 1, f"{name} is listed {len(listed)} times in the reference"
        examples = "\n".join(BLOCK.findall(listed[0]))
        # What is returned by others is shown by their examples.
        shown = re.search(rf"\bsw\.{name}\b", examples) or (name in SHOWN_BY and SHOWN_BY[name] in examples)
        assert shown, f"no example shows {name}"


# Names that are returned rather than called: what an example does to get one.
SHOWN_BY = {
    "AssistantLine": "sw.mcp(",
    "Candidate": "s.chosen",
    "CompareRow": "c.table()",
    "CompareTable": "c.table()",
    "GalleryRow": "g.overview",
    "Prediction": "p.predict(",
    "Replay": "sw.replay(",
    "ReplayRow": "r.rows",
    "SegmentedObject": "s.accept(",
}


@pytest.mark.parametrize("page", [page for page in PAGES if code(page)], ids=lambda page: page.stem)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    cat = Image.fromarray(sw.sample("cat"))
    for name in ("photo.jpg", "photos/a.jpg", "photos/b.jpg"):
        cat.save(tmp_path / name)
        cat = cat.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("MPLBACKEND", "agg")
    exec(compile(code(page), str(page), "exec"), {"__name__": "example"})  # noqa: S102  the documentation's own code
