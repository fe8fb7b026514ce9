"""The session's methods on the widget, for scripts: whatever they change, every open view shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam_widget.image.rendering import Rendering
    from sam_widget.masks.cleanup import MaskSettings
    from sam_widget.prompts.geometry import Box, Vertices
    from sam_widget.session.session import Candidate, SegmentedObject, Session


class Scripting:
    """Everything here waits for the image and the model, and does what the session's method of that name does."""

    @property
    def session(self) -> Session:
        """The session that is shown."""
        raise NotImplementedError

    def click(self, x: float, y: float, label: int = 1) -> tuple[Candidate, ...]:
        """Add a point to the prompt; see `Session.click`."""
        return self.session.click(x, y, label)

    def drag(self, x0: float, y0: float, x1: float, y1: float, *, add: bool = False) -> tuple[Candidate, ...]:
        """Draw a box; see `Session.drag`."""
        return self.session.drag(x0, y0, x1, y1, add=add)

    def lasso(self, vertices: Vertices, label: int = 1) -> tuple[Candidate, ...]:
        """Enclose the object with a line; see `Session.lasso`."""
        return self.session.lasso(vertices, label)

    def scribble(self, vertices: Vertices, label: int = 1) -> tuple[Candidate, ...]:
        """Draw a line along the object; see `Session.scribble`."""
        return self.session.scribble(vertices, label)

    def move_point(self, index: int, x: float, y: float) -> tuple[Candidate, ...]:
        """Move a point of the prompt; see `Session.move_point`."""
        return self.session.move_point(index, x, y)

    def move_box(self, index: int, x0: float, y0: float, x1: float, y1: float) -> tuple[Candidate, ...]:
        """Give a box of the prompt other corners; see `Session.move_box`."""
        return self.session.move_box(index, x0, y0, x1, y1)

    def remove_point(self, index: int) -> tuple[Candidate, ...]:
        """Take a point from the prompt; see `Session.remove_point`."""
        return self.session.remove_point(index)

    def remove_box(self, index: int) -> tuple[Candidate, ...]:
        """Take a box from the prompt; see `Session.remove_box`."""
        return self.session.remove_box(index)

    def remove_stroke(self, index: int) -> tuple[Candidate, ...]:
        """Take a scribble or lasso from the prompt; see `Session.remove_stroke`."""
        return self.session.remove_stroke(index)

    def everything(self, **options: Any) -> tuple[SegmentedObject, ...]:
        """Find everything in the image and add it as objects, shown while found; see `Session.everything`."""
        return self.session.everything(**options)

    def cancel(self) -> None:
        """Stop `everything`, and keep what has been found; see `Session.cancel`."""
        self.session.cancel()

    def choose(self, index: int) -> Candidate:
        """Choose one of the candidates, counted from 0; see `Session.choose`."""
        return self.session.choose(index)

    def brush(self, vertices: Vertices, radius: float, label: int = 1) -> Candidate:
        """Paint on the candidates, or erase from them with label 0; see `Session.brush`."""
        return self.session.brush(vertices, radius, label)

    def refine(self) -> tuple[Candidate, ...]:
        """Ask the model again with the chosen mask as a mask prompt; see `Session.refine`."""
        return self.session.refine()

    def adjust(
        self,
        *,
        threshold: float | None = None,
        holes: int | None = None,
        islands: int | None = None,
        smoothing: float | None = None,
    ) -> MaskSettings:
        """Change how masks are made of the model's logits; see `Session.adjust`."""
        return self.session.adjust(threshold=threshold, holes=holes, islands=islands, smoothing=smoothing)

    def save(self, path: str | Path, *, keep_image: bool = True, overwrite: bool = False) -> None:
        """Write everything to one file; see `Session.save`."""
        self.session.save(path, keep_image=keep_image, overwrite=overwrite)

    def to_code(self, *, image: str | None = None, model: str | None = None) -> str:
        """Return Python that leads to the present state; see `Session.to_code`."""
        return self.session.to_code(image=image, model=model)

    def accept(self, label: str | None = None) -> SegmentedObject:
        """Turn the chosen candidate into an object; see `Session.accept`."""
        return self.session.accept(label)

    def edit(self, object_id: str) -> SegmentedObject:
        """Take up an accepted object again; see `Session.edit`."""
        return self.session.edit(object_id)

    def merge(self, object_ids: Sequence[str], label: str | None = None) -> SegmentedObject:
        """Unite objects into the first of them; see `Session.merge`."""
        return self.session.merge(object_ids, label)

    def subtract(self, object_id: str, other_id: str) -> SegmentedObject:
        """Take from an object what another one covers; see `Session.subtract`."""
        return self.session.subtract(object_id, other_id)

    def rename(self, object_id: str, label: str) -> SegmentedObject:
        """Give an object another label; see `Session.rename`."""
        return self.session.rename(object_id, label)

    def recolor(self, object_id: str, color: int) -> SegmentedObject:
        """Give an object another colour of the palette; see `Session.recolor`."""
        return self.session.recolor(object_id, color)

    def relabel(self, object_ids: Sequence[str], label: str) -> tuple[SegmentedObject, ...]:
        """Give several objects one label; see `Session.relabel`."""
        return self.session.relabel(object_ids, label)

    def remove(self, *object_ids: str) -> None:
        """Remove objects; see `Session.remove`."""
        self.session.remove(*object_ids)

    def keep(self, *object_ids: str) -> None:
        """Remove all other objects; see `Session.keep`."""
        self.session.keep(*object_ids)

    def undo(self) -> None:
        """Take back the last edit; see `Session.undo`."""
        self.session.undo()

    def redo(self) -> None:
        """Make the edit undone last again; see `Session.redo`."""
        self.session.redo()

    def clear(self) -> None:
        """Drop the prompt and its candidates; see `Session.clear`."""
        self.session.clear()

    def set_rendering(self, rendering: Rendering) -> tuple[Candidate, ...]:
        """Let the model see the image differently; see `Session.set_rendering`."""
        return self.session.set_rendering(rendering)

    def render(self, rendering: Rendering) -> tuple[Candidate, ...]:
        """Call `set_rendering`, under the name that older scripts know."""
        return self.session.set_rendering(rendering)

    def sharpen(
        self, region: Box | Sequence[float] | None, *, margin: float = 0.25, later: bool = False
    ) -> tuple[Candidate, ...]:
        """Embed a part of the image on its own, to answer the prompts in it; see `Session.sharpen`."""
        return self.session.sharpen(region, margin=margin, later=later)

    def add_objects(self, masks: Any, *, labels: Sequence[str] | str | None = None) -> tuple[SegmentedObject, ...]:
        """Add objects that were made elsewhere, in one edit; see `Session.add_objects`."""
        return self.session.add_objects(masks, labels=labels)

    def export(self, target: str | Path, *, format: str | None = None, **options: Any) -> Any:  # noqa: A002
        """Write the objects to a file or folder, or return them as another library's; see `Session.export`."""
        return self.session.export(target, format=format, **options)
