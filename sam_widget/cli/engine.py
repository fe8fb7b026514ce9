"""The commands of the data engine: `sam-widget engine` and `sam-widget tune`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from sam_widget.cli.terminal import LocalModel, Quiet, Recursive, SessionFiles, bar, tell

if TYPE_CHECKING:
    from sam_widget.engine.engine import DataEngine

ENGINE = """\
examples:
  sam-widget engine photos                  what was done so far, and what to do next
  sam-widget engine photos round            tune the model on what is accepted
  sam-widget engine photos automatic        segment all photos that are not done
  sam-widget engine photos check            draw 30 of these masks, to be corrected in the widget

Annotate in a notebook: sw.Engine("photos").
"""
TUNE = """\
examples:
  sam-widget tune work -o cells.safetensors
  sam-widget everything more-photos -o more-work --model cells.safetensors
"""
_Seconds = Annotated[float, Parameter(metavar="SECONDS")]


def engine(
    photos: Annotated[str, Parameter(name="PHOTOS")],
    step: Annotated[Literal["report", "round", "automatic", "check"], Parameter(name="STEP")] = "report",
    /,
    *,
    sessions: Annotated[str | None, Parameter(name=["--out", "-o"], metavar="FOLDER")] = None,
    model: LocalModel = "tiny",
    recursive: Recursive = False,
    budget: _Seconds = 30.0,
    points_per_side: Annotated[int, Parameter(metavar="N")] = 24,
    crops: Annotated[int, Parameter(metavar="N")] = 1,
    count: Annotated[int, Parameter(metavar="N")] = 30,
    quiet: Quiet = False,
) -> int:
    """Run the data engine of a folder.

    Three stages, as in the paper: people annotate with the model, the model fills in what it is sure of,
    and then it segments the rest. Masks are in session files; the journal and the tuned models are in
    .sam_engine in the same folder.

    Args:
        photos: A folder of photos.
        step: report (default), round, automatic or check.
        sessions: Folder of the session files (default: the folder of photos).
        budget: Time for a round of tuning.
        points_per_side: Points along each side of the grid with which automatic finds masks.
        crops: Layers of crops in which automatic looks for small things.
        count: Number of masks to check.
    """
    from sam_widget.engine.engine import DataEngine

    work = DataEngine(photos, sessions=sessions, model=model, recursive=recursive, points_per_side=points_per_side)
    try:
        with _progress(quiet=quiet) as told:
            if step == "round":
                result = work.round(budget_s=budget, progress=told)
                said = f"{'adopted' if result.model is not None else 'refused'}: {result.reason}"
            elif step == "automatic":
                report = work.automatic(crops=crops, progress=told)
                said, failed = "", tell(report, quiet=quiet)
                if failed:
                    return failed
            elif step == "check":
                said = f"{work.start_check(count)} masks are drawn; correct them in the widget: sw.Engine({photos!r})"
            else:
                said = ""
        if not quiet:
            print(*filter(None, [said, *_summary(work, step)]), sep="\n")
    finally:
        work.close()
    return 0


def _summary(work: DataEngine, step: str) -> list[str]:
    if step != "report":
        return []
    return [repr(work), str(work.report()), work.advice]


def tune(
    sessions: SessionFiles,
    /,
    *,
    out: Annotated[str, Parameter(alias="-o", metavar="FILE")],
    model: LocalModel = "tiny",
    budget: _Seconds = 30.0,
    kind: Annotated[Literal["decoder", "tokens", "lora"], Parameter(metavar="KIND")] = "decoder",
    on_cpu: Annotated[bool, Parameter(negative=())] = False,
    quiet: Quiet = False,
) -> int:
    """Tune a model on the objects of session files.

    Only the decoder learns, on cached embeddings: seconds on a CPU; with --kind lora, the image encoder,
    on a GPU. The result is written only if it needs fewer clicks on photos that were held out, and no
    more on generic ones; otherwise the exit status is 1.

    Args:
        out: The tuned model, a .safetensors file; --model takes it wherever a model is named.
        budget: Time for learning and judging.
        kind: decoder (default); tokens, a file of 4 kB; or lora: the image encoder, which needs a GPU.
        on_cpu: Let lora run without a GPU; a step of a large model takes a minute.
    """
    from sam_widget.engine.taught import taught_photos
    from sam_widget.engine.tuning import tuning_round

    with _progress(quiet=quiet) as told:
        photos = taught_photos(sessions)
        result = tuning_round(model, photos, budget_s=budget, kind=kind, on_cpu=on_cpu, progress=told)
    if result.model is not None:
        result.model.save(out)
    if not quiet:
        print(f"{'written' if result.model is not None else 'not written'}: {result.reason}")
    return 0 if result.model is not None else 1


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """Show what is being done in a bar, if the output is a terminal."""
    from tqdm import tqdm

    hidden = bar(quiet=quiet)
    off = None if hidden is None else True
    with tqdm(total=1.0, disable=off, bar_format="{desc}: {percentage:3.0f}%|{bar}|") as shown:

        def told(doing: str, share: float) -> None:
            shown.set_description_str(doing, refresh=False)
            shown.update(share - shown.n)

        yield told
