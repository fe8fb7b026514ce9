"""Adds to the site what lives elsewhere in the repository: model cards, changelog, contributing, pictures."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
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
SITE_OF = {path: address for address, path in ELSEWHERE.items()}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of `ELSEWHERE`."""
    for address, path in ELSEWHERE.items():
        files.append(File.generated(config, address, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Point links of files from elsewhere to pages of the site; other files are named without a link."""
    path = ELSEWHERE.get(page.file.src_uri)
    if path is None:
        return markdown
    folder = (ROOT / path).parent

    def linked(match: re.Match[str]) -> str:
        text, target, anchor = match["text"], match["target"], match["anchor"] or ""
        if re.match(r"[a-z]+:", target):
            return match[0]
        there = (folder / target).resolve().relative_to(ROOT).as_posix() if target else path
        if not (ROOT / there).exists():
            raise FileNotFoundError(f"{path} links to {target}, which does not exist")
        address = SITE_OF.get(there)
        return f"[{text}]({'../' + address if target else ''}{anchor})" if address else text

    return re.sub(r"\[(?P<text>[^\]\n]*)\]\((?P<target>[^)#\s]*)(?P<anchor>#[^)\s]*)?\)", linked, markdown)


def on_post_page(output: str, page: Page, **_: object) -> str:
    """Declare the language of a translated page."""
    return output.replace('<html lang="en"', '<html lang="zh-TW"', 1) if ".zh-TW." in page.file.src_uri else output
