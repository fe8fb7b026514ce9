"""Adds to the site what lives elsewhere in the repository: lessons, model cards, changelog, contributing, pictures.

Also a page that answers without a kernel, which the front pages embed.
"""

from __future__ import annotations

import functools
import posixpath
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import sam_widget as sw  # noqa: E402
from notebooks.docs import address, lessons  # noqa: E402
from sam_widget.page.page import page_of  # noqa: E402

# Address in the site: path in the repository.
ELSEWHERE = {
    "cards/tiny.md": "sam_widget/weights/tiny.md",
    "cards/mae.md": "sam_widget/weights/mae.md",
    "cards/words.md": "sam_widget/weights/words.md",
    "cards/generic.md": "sam_widget/weights/generic.md",
    "cards/photos.md": "sam_widget/photos/LICENSES.md",
    "about/changelog.md": "CHANGELOG.md",
    "about/contributing.md": "CONTRIBUTING.md",
    "pictures/widget-dark.webp": "notebooks/docs/pictures/widget-dark.webp",
    "pictures/widget-light.webp": "notebooks/docs/pictures/widget-light.webp",
}
# The page that the front pages embed, and the mark where they do, with what a screen reader says of it.
DEMO = "demo/cat.html"
DEMO_MARK = re.compile(r"^<!-- demo: (?P<title>[^<>]+) -->$", re.MULTILINE)
# Of the lessons' pages, which are written when the site is built.
WRITTEN = {name: path.relative_to(ROOT).as_posix() for name, path in lessons.sources().items()}
SITE_OF = {path: name for name, path in {**ELSEWHERE, **WRITTEN}.items()}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the lessons in the navigation, and name the repository if its address is known."""
    config.repo_url = address.repository()
    for entry in config.nav or ():
        if "Lessons" in entry:
            entry["Lessons"] += lessons.nav()
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of `ELSEWHERE`, and the lessons."""
    for name, path in ELSEWHERE.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    files.append(File.generated(config, DEMO, content=demo()))
    lessons.add_to(files, config)
    return files


@functools.cache
def demo() -> str:
    """Return a page that answers without a kernel, made from the shipped photo and weights."""
    session = sw.Session(sw.sample("cat"), model="tiny")
    session.image_name = "cat.png"
    return page_of(session)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links that are right in the repository, as on GitHub, to the pages of the site.

    In files from elsewhere, a link to a file that is not part of the site becomes its text.
    """
    here = page.file.src_uri
    if lessons.LIST in markdown:  # Making the list reads all notebooks and their pictures.
        markdown = markdown.replace(lessons.LIST, lessons.listed("zh-TW" if ".zh-TW." in here else "en"))
    frame = f'<iframe class="demo" src="{DEMO}" title="\\g<title>" loading="lazy"></iframe>'
    markdown = DEMO_MARK.sub(frame, markdown)
    elsewhere = ELSEWHERE.get(here) or WRITTEN.get(here)
    source = ROOT / elsewhere if elsewhere else Path(config.docs_dir, here)

    def linked(match: re.Match[str]) -> str:
        target, anchor = match["target"], match["anchor"] or ""
        there = (source.parent / target).resolve()
        if not target or re.match(r"[a-z]+:", target) or there.is_relative_to(config.docs_dir):
            return match[0]
        # Written for the site: a lesson's pictures, and links between its pages.
        if here in WRITTEN and files.get_file_from_path(f"lessons/{target}"):
            return match[0]
        if not there.exists():
            raise FileNotFoundError(f"{source.relative_to(ROOT)} links to {target}, which does not exist")
        page_there = SITE_OF.get(there.relative_to(ROOT).as_posix())
        if page_there is None:
            return match["text"]
        return f"[{match['text']}]({posixpath.relpath(page_there, posixpath.dirname(here))}{anchor})"

    return re.sub(r"\[(?P<text>[^\[\]]*)\]\((?P<target>[^)#\s]*)(?P<anchor>#[^)\s]*)?\)", linked, markdown)


def on_post_page(output: str, page: Page, **_: object) -> str:
    """Declare the language of a translated page."""
    return output.replace('<html lang="en"', '<html lang="zh-TW"', 1) if ".zh-TW." in page.file.src_uri else output


def on_post_build(config: MkDocsConfig) -> None:
    """Remove the theme's page for missing files: it is only right at the root of a server."""
    (Path(config.site_dir) / "404.html").unlink(missing_ok=True)
