"""`%load_ext sam_widget`, then `%sam photo.jpg`: a widget in one short line."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.error import UsageError

from sam_widget.image.samples import sample, samples
from sam_widget.widget.gallery import Gallery
from sam_widget.widget.sam_widget import SamWidget

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Report a mistake as IPython does, instead of ending the process."""
        raise UsageError(f"{message}; see %sam?")


def register(shell: InteractiveShell) -> None:
    """Add the magic to a shell."""
    parser = _Parser(prog="%sam", add_help=False)
    parser.add_argument("image")
    parser.add_argument("-m", "--model")
    parser.add_argument("-a", "--autosave")

    def sam(line: str) -> SamWidget | Gallery:
        """Segment an image, or a folder of images: `%sam photo.jpg`, or `w = %sam photo.jpg --model vit_b`.

        The image is a file, a folder, a URL, a sample such as cat, or the name of a variable. --model (-m) is a name
        listed by `sw.models()`, or a checkpoint; --autosave (-a) is a session file that every edit is saved to.
        """
        given = parser.parse_args(shlex.split(line))
        return opened(given.image, shell.user_ns, model=given.model, autosave=given.autosave)

    shell.magics_manager.register_function(sam, magic_kind="line", magic_name="sam")


def opened(name: str, variables: dict[str, Any], *, model: str | None, autosave: str | None) -> SamWidget | Gallery:
    """Open what a name denotes: a variable comes before a file, and a file before a sample.

    Raises:
        UsageError: It denotes nothing, or `autosave` was given for a folder.
    """
    if name in variables:
        return SamWidget(variables[name], model=model, autosave=autosave)
    path = Path(name).expanduser()
    if path.is_dir():
        if autosave is not None:
            raise UsageError("a gallery saves each photo by itself; leave --autosave out")
        return Gallery(path, model=model)
    if not path.exists() and name in samples():
        return SamWidget(sample(name), model=model, autosave=autosave)
    if not path.exists() and "://" not in name:
        raise UsageError(
            f"{name!r} is neither a variable, a file, a folder nor a URL, and not one of the samples "
            f"({', '.join(samples())})"
        )
    return SamWidget(name if "://" in name else path, model=model, autosave=autosave)
