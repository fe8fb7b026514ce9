"""Every error this package raises on purpose.

Each message says what was given, what was expected, and what to do next. Catch `SamWidgetError` to catch them all;
each subclass is also the built-in exception a caller would expect (`ValueError`, `OSError`, ...).
"""

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import ParamSpec, TypeVar

# What a model needs, and Python in a browser lacks.
MODEL_LIBRARIES = frozenset({"timm", "torch", "torchvision"})
NEEDS_TORCH = (
    "needs torch and timm, which are not installed here. Without them, as in JupyterLite, the view of a SamWidget runs "
    "model='tiny': click there, and continue in Python with w.candidates, w.accept() and w.objects"
)
P = ParamSpec("P")
R = TypeVar("R")


class SamWidgetError(Exception):
    """Base class of every error raised on purpose by sam_widget."""


class ImageError(SamWidgetError, ValueError):
    """An image could not be read, or is not something that can be segmented."""


class PromptError(SamWidgetError, ValueError):
    """A point, box, label or mask prompt is malformed or lies outside the image."""


class ModelError(SamWidgetError, ValueError):
    """A model name is unknown, or a checkpoint cannot be loaded."""


class OutOfReachError(ModelError):
    """A server does not answer; trying again later may help.

    Attributes:
        brief: What is wrong, without advice.
    """

    def __init__(self, brief: str, advice: str = "") -> None:
        """Say what is wrong, and what to do about it."""
        super().__init__(f"{brief}; {advice}" if advice else brief)
        self.brief = brief


class SessionError(SamWidgetError, ValueError):
    """A session cannot do what was requested in its current state."""


class StoreError(SamWidgetError, OSError):
    """An embedding or a result could not be written."""


class FormatError(SamWidgetError, ValueError):
    """Masks cannot be represented in a format, or a file is not in the expected format."""


class ProtocolError(SamWidgetError, ValueError):
    """A message from a view is unknown or malformed."""


class MaskError(SamWidgetError, ValueError):
    """An array is not a mask, or an encoded mask does not match its size."""


class MissingExtraError(SamWidgetError, ImportError):
    """A library required by an optional feature is not installed."""


def door(function: Callable[P, R]) -> Callable[P, R]:
    """Shorten the traceback of our errors raised by a public function to the caller's own lines and the message.

    The traceback through the package and its dependencies does not help a user who has mistyped a path. Debuggers find
    it in `__context__`.
    """

    @functools.wraps(function)
    def opened(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except SamWidgetError as error:
            raise error.with_traceback(None) from None
        except ModuleNotFoundError as error:
            if error.name not in MODEL_LIBRARIES:
                raise
            raise ModelError(f"{function.__qualname__} {NEEDS_TORCH}") from error

    return opened


def import_extra(module: str, extra: str) -> ModuleType:
    """Import a module that an optional feature requires.

    Raises:
        MissingExtraError: The module is not installed; the message names the extra that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        msg = f'this needs {module.partition(".")[0]}, which is not installed: pip install "sam-widget[{extra}]".'
        raise MissingExtraError(msg) from error
