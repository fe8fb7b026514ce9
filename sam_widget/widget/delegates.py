"""The session's methods on the widget, for scripts; every open view shows their effects."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from sam_widget.session.found import Found
from sam_widget.session.session import Session

P = ParamSpec("P")
R = TypeVar("R")


def through(method: Callable[Concatenate[Session, P], R]) -> Callable[Concatenate[Scripting, P], R]:
    """Return a widget method that calls the session's method, with the same signature and documentation."""

    @wraps(method)
    def call(widget: Scripting, /, *args: P.args, **options: P.kwargs) -> R:
        # Looked up by name, because the session's class may override the method.
        return cast("R", getattr(widget.session, method.__name__)(*args, **options))

    call.__qualname__ = f"Scripting.{method.__name__}"
    call.__module__ = __name__
    return cast("Callable[Concatenate[Scripting, P], R]", call)


class Scripting:
    """The session's methods. Each waits for the image and the model, and calls the session's method of that name.

    They are written out rather than generated, so that type checkers and editors know the names.
    """

    @property
    def session(self) -> Session:
        """The displayed session."""
        raise NotImplementedError

    @property
    def search(self) -> Found | None:
        """The search that is shown; None if there is none."""
        return self.session.search

    click = through(Session.click)
    drag = through(Session.drag)
    lasso = through(Session.lasso)
    scribble = through(Session.scribble)
    move_point = through(Session.move_point)
    move_box = through(Session.move_box)
    remove_point = through(Session.remove_point)
    remove_box = through(Session.remove_box)
    remove_stroke = through(Session.remove_stroke)
    everything = through(Session.everything)  # type: ignore[arg-type]  # an option could be called "self"
    find = through(Session.find)
    cancel = through(Session.cancel)
    choose = through(Session.choose)
    brush = through(Session.brush)
    refine = through(Session.refine)
    adjust = through(Session.adjust)
    accept = through(Session.accept)
    edit = through(Session.edit)
    merge = through(Session.merge)
    subtract = through(Session.subtract)
    rename = through(Session.rename)
    relabel = through(Session.relabel)
    recolor = through(Session.recolor)
    remove = through(Session.remove)
    keep = through(Session.keep)
    undo = through(Session.undo)
    redo = through(Session.redo)
    clear = through(Session.clear)
    set_rendering = through(Session.set_rendering)
    render = through(Session.render)
    sharpen = through(Session.sharpen)
    add_objects = through(Session.add_objects)
    save = through(Session.save)
    to_code = through(Session.to_code)
    export = through(Session.export)  # type: ignore[arg-type]  # as above
