"""The session's methods on the widget: all are there, look like the session's, and change what the widget shows."""

from __future__ import annotations

import inspect
import pydoc
from types import SimpleNamespace
from typing import Any

import pytest

from sam_widget.session.remote import remote_methods
from sam_widget.session.session import Session
from sam_widget.widget.delegates import Scripting
from sam_widget.widget.sam_widget import SamWidget

NAMES = [name for name, member in vars(Scripting).items() if inspect.isfunction(member)]


class Widget(Scripting):
    def __init__(self, session: Any) -> None:
        self._session = session

    @property
    def session(self) -> Any:
        return self._session


@pytest.mark.parametrize("name", NAMES)
def test_a_method_has_the_signature_and_the_documentation_of_the_sessions(name: str) -> None:
    ours, theirs = getattr(SamWidget, name), getattr(Session, name)
    assert (
        list(inspect.signature(getattr(Widget(None), name)).parameters.values())
        == list(inspect.signature(theirs).parameters.values())[1:]
    )
    assert ours.__doc__ == theirs.__doc__
    assert (theirs.__doc__ or "").strip().splitlines()[0] in pydoc.render_doc(ours)


@pytest.mark.parametrize("name", NAMES)
def test_a_method_calls_the_sessions_and_returns_what_it_returns(name: str) -> None:
    called: list[object] = []

    def method(*args: object, **options: object) -> str:
        called.append((args, options))
        return "result"

    widget = Widget(SimpleNamespace(**{name: method}))
    assert getattr(widget, name)(1, "two", three=3) == "result"
    assert called == [((1, "two"), {"three": 3})]


def test_every_method_that_views_may_call_can_be_called_from_python() -> None:
    remote = {method.__name__ for _, method in remote_methods(Session)}
    assert remote <= set(NAMES)
    assert len(remote) > 10
