"""Errors of this package, and the way in which public functions raise them."""

from __future__ import annotations

import inspect
import traceback

import pytest

from sam_widget import errors
from sam_widget.errors import ImageError, MissingExtraError, SamWidgetError, door, import_extra

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_ours_and_the_builtin_that_callers_expect(kind: type[Exception]) -> None:
    assert issubclass(kind, SamWidgetError)
    if kind is not SamWidgetError:
        assert issubclass(kind, ValueError | OSError | ImportError)


def test_a_public_function_tells_a_mistake_without_its_history() -> None:
    def deep() -> None:
        try:
            raise ZeroDivisionError("a library's own")
        except ZeroDivisionError as error:
            raise ImageError("no such file") from error

    with pytest.raises(ImageError, match="no such file") as caught:
        door(deep)()
    told = "".join(traceback.format_exception(caught.value))
    assert "ZeroDivisionError" not in told
    assert isinstance(caught.value.__context__, ImageError | ZeroDivisionError)


def test_other_errors_pass_through_as_they_are() -> None:
    def fail() -> None:
        raise ZeroDivisionError("a fault of ours")

    with pytest.raises(ZeroDivisionError) as caught:
        door(fail)()
    assert "in fail" in "".join(traceback.format_exception(caught.value))


def test_a_missing_library_is_named_with_the_extra_that_installs_it() -> None:
    assert import_extra("json.decoder", "images").__name__ == "json.decoder"
    with pytest.raises(MissingExtraError, match=r'needs no_such_library, .*: pip install "sam-widget\[images\]"'):
        import_extra("no_such_library.part", "images")
