"""The steps of everything mode as lines of JSON, for a run at a server; both sides use this module."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator

import msgspec

from sam_widget.automatic.automatic import EverythingStep, MaskRecord
from sam_widget.automatic.options import OutputMode
from sam_widget.errors import ModelError
from sam_widget.masks.runs import StoredMask
from sam_widget.masks.wire_codec import pack_runs, unpack_runs


class RecordLine(msgspec.Struct, frozen=True, kw_only=True):
    """A mask; `runs` are packed row runs in base64, as `masks.wire_codec` describes."""

    id: int
    runs: str
    predicted_iou: float
    stability_score: float
    point: tuple[float, float]


class StepLine(msgspec.Struct, frozen=True, kw_only=True):
    """A step: points decoded so far and in all, new masks, and the ids of all masks that stand; or an error."""

    done: int = 0
    total: int = 0
    size: tuple[int, int] = (0, 0)
    added: list[RecordLine] = []
    standing: list[int] = []
    error: str = ""


def lines_of(steps: Iterable[EverythingStep], size: tuple[int, int]) -> Iterator[bytes]:
    """Yield a line for each step of a run on an image of this height and width."""
    known: dict[int, tuple[int, MaskRecord]] = {}
    for step in steps:
        added = []
        for record in step.records:
            if id(record) not in known:
                known[id(record)] = len(known), record  # The record is kept, so that its id is not used again.
                added.append(
                    RecordLine(
                        id=known[id(record)][0],
                        runs=b64encode(pack_runs(record.stored.runs, size[1])).decode(),
                        predicted_iou=record.predicted_iou,
                        stability_score=record.stability_score,
                        point=record.point_coords[0],
                    )
                )
        standing = [known[id(record)][0] for record in step.records]
        line = StepLine(done=step.done, total=step.total, size=size, added=added, standing=standing)
        yield msgspec.json.encode(line) + b"\n"


def steps_of(lines: Iterable[bytes | str], mode: OutputMode = "binary_mask") -> Iterator[EverythingStep]:
    """Yield the steps of lines; equal masks of several steps are the same record.

    Raises:
        ModelError: A line cannot be read, is an error, or the last step is missing.
    """
    known: dict[int, MaskRecord] = {}
    done, total = 0, 1
    for line in lines:
        try:
            step = msgspec.json.decode(line, type=StepLine)
            if step.error:
                raise ModelError(step.error)
            for one in step.added:
                runs = unpack_runs(b64decode(one.runs), *step.size)
                box = (0, 0, step.size[1], step.size[0])
                stored = StoredMask.of_runs(runs, step.size)
                known[one.id] = MaskRecord(
                    stored, one.predicted_iou, one.stability_score, (one.point,), box, output_mode=mode
                )
            records = tuple(known[number] for number in step.standing)
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"the server's masks cannot be read ({error})") from error
        done, total = step.done, step.total
        yield EverythingStep(done, total, records)
    if done < total:
        raise ModelError("the server has ended before everything was segmented; try again")
