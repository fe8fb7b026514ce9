"""`sam-widget page`: a photo or a session as one HTML file that answers without a kernel."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from sam_widget.cli.terminal import Quiet
from sam_widget.errors import SessionError
from sam_widget.teach.texts import Lang
from sam_widget.text import clean

PAGE = """\
examples:
  sam-widget page photo.jpg -o cat.html
  sam-widget page work/cat.jpg.sam -o cat.html
  sam-widget page a.jpg b.jpg c.jpg -o class.html
  sam-widget page --any-photo -o any.html
  sam-widget page --lesson 04 --lang zh-TW -o 04.html
"""


def page(
    first: Annotated[
        str | None, Parameter(name="PHOTO", help="A photo, or a session file, whose objects come along.")
    ] = None,
    /,
    *others: Annotated[str, Parameter(name="PHOTOS", help="More of them, for a page with a gallery.")],
    out: Annotated[str, Parameter(name=["--out", "-o"], metavar="FILE")],
    any_photo: bool = False,
    lesson: str | None = None,
    lang: Lang = "en",
    quiet: Quiet = False,
) -> int:
    """Write a page that answers without a kernel.

    Writes one HTML file that opens by a double click and works without a network: the pointer shows
    a mask, clicks and boxes give three masks with scores, and "Continue in Jupyter" downloads the
    session; with several photos, an archive of sessions. The masks are those of `tiny`, the model in this package.

    Args:
        out: The HTML file to write.
        any_photo: Also open photos that are dropped on the page; without PHOTO, it begins with a sample.
        lesson: Write a lesson instead, whose panels work without a kernel, by its number.
        lang: The lesson's language.
    """
    if lesson is not None:
        if first is not None or any_photo:
            raise SessionError("a lesson has photos of its own; give --lesson without PHOTO and --any-photo")
        from sam_widget.teach.lesson_page import save_lesson

        path = save_lesson(out, lesson=lesson, lang=lang)
    else:
        from sam_widget.page.many import save_page

        path = save_page(out, photos=None if first is None else [first, *others], any_photo=any_photo)
    if not quiet:
        print(clean(f"{path} ({path.stat().st_size / 1e6:.1f} MB)"))
    return 0
