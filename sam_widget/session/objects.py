"""Edits of the accepted objects, as pure functions from one state to the next; `Session` commits the results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sam_widget.errors import SessionError
from sam_widget.masks.annotations import Annotation
from sam_widget.prompts.geometry import Box
from sam_widget.session import candidates as shaping
from sam_widget.session.state import Candidate, SegmentedObject, SessionState


def clean_label(label: str) -> str:
    """Strip a label, and replace invalid Unicode by U+FFFD.

    Lone surrogates, such as half of an emoji truncated by another program, cannot be sent to a page or written to a
    file.
    """
    return label.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()


def find(state: SessionState, object_id: str) -> SegmentedObject:
    """Return an object by its id.

    Raises:
        SessionError: There is no such object.
    """
    for item in state.objects:
        if item.id == object_id:
            return item
    raise SessionError(f"there is no object {object_id!r}; it may have been removed in another view")


def chosen(state: SessionState, what: str) -> Candidate:
    """Return the chosen candidate.

    Raises:
        SessionError: No candidate is chosen; `what` completes the message.
    """
    if state.chosen is None:
        raise SessionError(f"there is no mask to {what}; click on the image or draw a box first")
    return state.chosen


def without_prompt(state: SessionState) -> SessionState:
    """Return a state with only its objects, settings, rendering, crop and search."""
    return SessionState(
        objects=state.objects,
        settings=state.settings,
        rendering=state.rendering,
        crop=state.crop,
        search=state.search,
    )


def accept(state: SessionState, label: str | None) -> tuple[SessionState, SegmentedObject]:
    """Turn the chosen candidate into an object, replacing the object being edited, if there is one."""
    candidate = chosen(state, "accept")
    x, y, width, height = candidate.stored.bounds
    if not width:
        raise SessionError("the chosen mask is empty; choose another candidate or change the prompt")
    old = None if state.editing is None else find(state, state.editing)
    accepted = SegmentedObject(
        label=clean_label(label or "") or (old.label if old else state.label or _free_label(state)),
        stored=candidate.stored,
        score=candidate.score,
        box=Box(x, y, x + width, y + height),
        prompt=state.prompt,
        color=old.color if old else next(free_colors(state)),
        candidate=candidate,
        strokes=state.strokes,
        settings=state.settings,
    )
    if old:
        accepted = replace(accepted, id=old.id)
    after = _swapped(state, old, accepted) if old else replace(state, objects=(*state.objects, accepted))
    return without_prompt(after), accepted


def add(state: SessionState, found: Sequence[Annotation]) -> tuple[SessionState, tuple[SegmentedObject, ...]]:
    """Add objects from another source; the score defaults to 1."""
    colors = free_colors(state)
    added = tuple(
        SegmentedObject(
            label=clean_label(item.label),
            stored=item.stored,
            score=item.score,
            box=item.box,
            prompt=item.prompt,
            color=next(colors),
        )
        for item in found
    )
    return replace(state, objects=(*state.objects, *added)), added


def relabel(
    state: SessionState, object_ids: Sequence[str], label: str
) -> tuple[SessionState, tuple[SegmentedObject, ...]]:
    """Give several objects the same label."""
    old = {object_id: find(state, object_id) for object_id in object_ids}
    cleaned = clean_label(label)
    if not cleaned:
        which = ", ".join(repr(item.label) for item in old.values()) or "nothing"
        raise SessionError(f"the new label of {which} is blank; give it a name")
    new = {object_id: replace(item, label=cleaned) for object_id, item in old.items()}
    return replace(state, objects=tuple(new.get(item.id, item) for item in state.objects)), tuple(new.values())


def recolor(state: SessionState, object_id: str, color: int) -> tuple[SessionState, SegmentedObject]:
    """Give an object another colour of the palette."""
    old = find(state, object_id)
    given: object = color
    if not isinstance(given, int) or given < 0:
        raise SessionError(f"invalid colour {color!r} for {old.label!r}; give an index into the palette: 0, 1, 2, ...")
    new = replace(old, color=color)
    return _swapped(state, old, new), new


def remove(state: SessionState, object_ids: Iterable[str]) -> SessionState:
    """Remove objects."""
    old = [find(state, object_id) for object_id in object_ids]
    rest = tuple(item for item in state.objects if item not in old)
    return replace(state, objects=rest, editing=_unless_gone(state, old))


def take_up(state: SessionState, object_id: str) -> tuple[SessionState, SegmentedObject]:
    """Reopen an accepted object for editing, with its prompt, mask, strokes and settings."""
    old = find(state, object_id)
    candidate = old.candidate or Candidate(old.stored, old.score, None)
    after = SessionState(
        prompt=old.prompt,
        candidates=(candidate,),
        chosen_index=0,
        objects=state.objects,
        strokes=old.strokes,
        settings=old.settings,
        editing=old.id,
        rendering=state.rendering,
        crop=candidate.crop or state.crop,  # its prompt is still decoded with its own crop
        search=state.search,
    )
    return after, old


def merge(state: SessionState, object_ids: Sequence[str], label: str | None) -> tuple[SessionState, SegmentedObject]:
    """Merge objects into the first of them."""
    old = [find(state, object_id) for object_id in dict.fromkeys(object_ids)]
    if len(old) < 2:
        raise SessionError(f"{len(old)} objects to merge; give the ids (`object.id`) of two or more")
    merged = replace(shaping.united(old), label=clean_label(label or "") or old[0].label)
    rest = tuple(item for item in _swapped(state, old[0], merged).objects if item not in old)
    return replace(state, objects=rest, editing=_unless_gone(state, old)), merged


def subtract(state: SessionState, object_id: str, other_id: str) -> tuple[SessionState, SegmentedObject]:
    """Subtract another object's mask from an object."""
    old, other = find(state, object_id), find(state, other_id)
    if old is other:
        raise SessionError(f"{old.label!r} cannot be subtracted from itself; give the id of another object")
    left = shaping.subtracted(old, other)
    if left is None:
        raise SessionError(f"nothing of {old.label!r} would be left: {other.label!r} covers it; remove it instead")
    return replace(_swapped(state, old, left), editing=_unless_gone(state, [old])), left


def free_colors(state: SessionState) -> Iterator[int]:
    """Yield unused indices into the palette, lowest first."""
    taken = {item.color for item in state.objects}
    color = 0
    while True:
        if color not in taken:
            yield color
        color += 1


def _free_label(state: SessionState) -> str:
    taken = {item.label for item in state.objects}
    return next(name for n in range(1, len(taken) + 2) if (name := f"object {n}") not in taken)


def _swapped(state: SessionState, old: SegmentedObject, new: SegmentedObject) -> SessionState:
    return replace(state, objects=tuple(new if item is old else item for item in state.objects))


def _unless_gone(state: SessionState, objects: Sequence[SegmentedObject]) -> str | None:
    """Return the id of the object being edited, or None if it is one of these: editing continues as a new object."""
    return None if any(item.id == state.editing for item in objects) else state.editing
