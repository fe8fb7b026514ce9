"""The `sam-widget` command: what the package does to many images, from a terminal.

A command takes its arguments apart, calls one function and prints what came of it. torch is imported once there is work
to do, so that help comes at once.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from sam_widget import __version__
from sam_widget.cli.terminal import (
    Plain,
    add_command,
    add_images,
    add_model,
    add_quiet,
    add_session_files,
    add_sessions,
    bar,
    numbers,
    show_warning,
    size,
    tell,
)
from sam_widget.errors import SamWidgetError
from sam_widget.text import clean

_ABOUT = """\
Segment Anything from the command line.

What is done stays done: after an interruption the same command does the rest. A file that cannot be read does not stop
the others; it is named at the end, and the exit status is 1.
"""
_EXAMPLES = """\
examples:
  sam-widget embed photos                                  every widget then opens these photos at once
  sam-widget segment photos --prompts boxes.csv -o work    one session file a photo, with an object a prompt
  sam-widget everything photos -o work                     a mask of everything in every photo
  sam-widget export work -o annotations.json               all of it as COCO
  sam-widget replay work --model vit_b                     what another model makes of the same prompts

`sam-widget COMMAND --help` says more of each.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit status: 0, or 1 where something could not be done, or 130 after Ctrl+C.
    """
    parsed = vars(_parser().parse_args(arguments))
    run, _ = parsed.pop("run"), parsed.pop("command")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            status: int = run(**parsed)
    except SamWidgetError as error:
        print(clean(f"sam-widget: {error}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsam-widget: interrupted; what is done is kept, and the same command does the rest", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `sam-widget models | head`
        sys.stderr.close()
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("sam-widget", description=_ABOUT, epilog=_EXAMPLES, formatter_class=Plain)
    parser.add_argument("--version", action="version", version=f"sam-widget {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for add in (_add_embed, _add_segment, _add_everything, _add_export, _add_replay, _add_models):
        add(commands)
    return parser


# ------------------------------------------------------------------------------------------------ embed


def _add_embed(commands: Any) -> None:
    parser = add_command(
        commands,
        "embed",
        _embed,
        short="embed photos, so that they open at once",
        long="""
        Embed photos and keep the embeddings on disk, in half precision. Embedding is the slow part of Segment Anything;
        a widget, gallery or script that opens one of these photos later, with the same model, finds it done.
        """,
        examples="""
        examples:
          sam-widget embed photos --model vit_b
          sam-widget embed photos more/photos one.jpg --recursive
          sam-widget embed photos --store /data/embeddings --max-size 200GB
        """,
    )
    add_images(parser)
    add_model(parser)
    parser.add_argument(
        "--store", metavar="FOLDER", help="where to keep them (default: where widgets look, $SAM_WIDGET_CACHE)"
    )
    parser.add_argument(
        "--max-size",
        metavar="SIZE",
        type=size,
        default="10GB",
        help="the most to keep, such as 500MB or 2TB; what was unused for longest makes room (default: %(default)s)",
    )
    add_quiet(parser)


def _embed(images: list[str], *, store: str | None, max_size: int, quiet: bool, **options: Any) -> int:
    from sam_widget.folders.batch import embed_folder
    from sam_widget.predictor.embeddings import EmbeddingStore

    kept = EmbeddingStore(store, max_bytes=max_size)
    report = embed_folder(images, store=kept, progress=bar(quiet=quiet), **options)
    if not quiet:
        print(f"embeddings: {kept.folder} ({kept.nbytes / 1e6:.1f} MB)")
    return tell(report, quiet=quiet)


# ------------------------------------------------------------------------------------------------ segment


def _add_segment(commands: Any) -> None:
    parser = add_command(
        commands,
        "segment",
        _segment,
        short="segment what prompts point at",
        long="""
        Answer prompts on photos and keep each photo's objects in a session file, FOLDER/<photo>.sam, which a gallery
        opens and `sam-widget export` turns into other formats. Prompts come from a file
        or from options; those of the options make one object in every photo. A photo that has a session file is done.
        """,
        examples="""
        examples:
          sam-widget segment photos --prompts prompts.csv -o work
          sam-widget segment cat.jpg --point 320,200 --point 40,60,0 --label cat -o work
          sam-widget segment photos --box 100,80,500,400 -o work --overwrite

        prompts.csv, where rows of one image with the same object belong together:
          image,object,label,x,y,positive,x0,y0,x1,y1
          cat.jpg,1,cat,320,200,1,,,,
          cat.jpg,1,cat,40,60,0,,,,
          dog.jpg,1,dog,,,,100,80,500,400

        prompts.json says the same so:
          [{"image": "cat.jpg", "label": "cat", "points": [[320, 200], [40, 60]], "labels": [1, 0]},
           {"image": "dog.jpg", "label": "dog", "box": [100, 80, 500, 400]}]
        """,
    )
    add_images(parser)
    parser.add_argument("--prompts", metavar="FILE", help="a JSON or CSV file of prompts, such as those below")
    parser.add_argument(
        "--point",
        metavar="X,Y[,0]",
        action="append",
        default=[],
        type=numbers(2, 3),
        help="a point on the object, or with ,0 one beside it; in pixels from the top left",
    )
    parser.add_argument("--box", metavar="X0,Y0,X1,Y1", type=numbers(4), help="a box around the object")
    parser.add_argument("--label", metavar="NAME", help="what the object of --point and --box is called")
    add_sessions(parser)
    add_model(parser)
    add_quiet(parser)


def _segment(
    images: list[str],
    *,
    prompts: str | None,
    point: list[list[float]],
    box: list[float] | None,
    label: str | None,
    quiet: bool,
    **options: Any,
) -> int:
    from sam_widget.errors import PromptError
    from sam_widget.folders.prompt_files import ObjectPrompt, read_prompts
    from sam_widget.folders.sessions import segment_folder
    from sam_widget.prompts.prompt import Prompt

    wanted = read_prompts(prompts) if prompts else []
    if point or box:
        signs = [values[2] if len(values) == 3 else 1 for values in point]
        prompt = Prompt.from_arrays([values[:2] for values in point] or None, signs or None, box, None)
        wanted.append(ObjectPrompt(prompt, clean(label) if label else None))
    if not wanted:
        raise PromptError("there is nothing to segment; give --prompts FILE, --point X,Y or --box X0,Y0,X1,Y1")
    return tell(segment_folder(images, wanted, progress=bar(quiet=quiet), **options), quiet=quiet)


# ------------------------------------------------------------------------------------------------ everything


def _add_everything(commands: Any) -> None:
    parser = add_command(
        commands,
        "everything",
        _everything,
        short="segment everything",
        long="""
        Find a mask of everything in photos, as SAM's automatic mask generator does, and keep each photo's objects in a
        session file, FOLDER/<photo>.sam. A photo that has one is done.
        """,
        examples="""
        examples:
          sam-widget everything photos -o work
          sam-widget everything photos -o work --model vit_b --points-per-side 16 --min-mask-region-area 50
        """,
    )
    add_images(parser)
    add_sessions(parser)
    add_model(parser)
    for option, kind, text in (
        ("--points-per-side", int, "points along a side of the grid (default: 32)"),
        ("--pred-iou-thresh", float, "drop masks that the model expects less of (default: as its authors advise)"),
        ("--stability-score-thresh", float, "drop masks that are less stable (default: as the model's authors advise)"),
        ("--crop-n-layers", int, "look again at crops half, a quarter, ... of the photo's size (default: 0)"),
        ("--min-mask-region-area", int, "remove islands and holes of fewer pixels (default: 0)"),
    ):
        parser.add_argument(option, metavar="N", type=kind, help=text)
    add_quiet(parser)


def _everything(images: list[str], *, quiet: bool, **options: Any) -> int:
    from sam_widget.folders.sessions import everything_folder

    given = {name: value for name, value in options.items() if value is not None}
    return tell(everything_folder(images, progress=bar(quiet=quiet), **given), quiet=quiet)


# ------------------------------------------------------------------------------------------------ export


def _add_export(commands: Any) -> None:
    parser = add_command(
        commands,
        "export",
        _export,
        short="turn session files into COCO, YOLO, PNG, ...",
        long="""
        Write the objects of session files in one of many formats. The name of the file says which: .json is COCO,
        .csv a table. Other formats are named; those that hold one image write a file or folder for each into FOLDER.
        """,
        examples="""
        examples:
          sam-widget export work -o annotations.json
          sam-widget export work -o masks --format indexed_png
          sam-widget export work/cat.jpg.sam -o cat.svg

        formats:
          coco, yolo, voc, indexed_png, binary_pngs, cutouts, npz, npy, geojson, svg, labelme, label_studio, pandas
        """,
    )
    add_session_files(parser)
    parser.add_argument("-o", "--out", metavar="FILE", required=True, help="the file or folder to write")
    parser.add_argument("--format", metavar="NAME", help="the format, where the name of the file does not say")
    add_quiet(parser)


def _export(sessions: list[str], *, out: str, format: str | None, quiet: bool) -> int:  # noqa: A002
    from sam_widget.folders.sessions import export_sessions

    return tell(export_sessions(sessions, out, format=format), quiet=quiet)


# ------------------------------------------------------------------------------------------------ replay


def _add_replay(commands: Any) -> None:
    parser = add_command(
        commands,
        "replay",
        _replay,
        short="ask another model the same, and compare",
        long="""
        Give the prompts in session files to another model, and print for each object how well the new mask agrees with
        the old one (IoU). The session files stay as they are.
        """,
        examples="""
        examples:
          sam-widget replay work --model vit_b
          sam-widget replay work/cat.jpg.sam --model vit_b --figure compared.png
        """,
    )
    add_session_files(parser)
    add_model(parser)
    parser.add_argument("--figure", metavar="FILE", help="draw the masks side by side, as PNG, PDF or SVG")
    add_quiet(parser)


def _replay(sessions: list[str], *, model: str, figure: str | None, quiet: bool) -> int:
    from sam_widget.errors import StoreError
    from sam_widget.folders.sessions import replay_sessions

    found, report = replay_sessions(sessions, model=model, progress=bar(quiet=quiet))
    if found.rows:
        print(found)
    if figure and found.rows:
        try:
            found.figure().savefig(figure)
        except (OSError, ValueError) as error:
            raise StoreError(f"the figure cannot be written to {figure!r}: {error}") from error
    return tell(report, quiet=True)


# ------------------------------------------------------------------------------------------------ models


def _add_models(commands: Any) -> None:
    parser = add_command(
        commands,
        "models",
        _models,
        short="list the models",
        long="List the models that have a name. A checkpoint file of any of them can be given by its path instead.",
        examples="""
        examples:
          sam-widget models
          sam-widget models --json
        """,
    )
    parser.add_argument("--json", action="store_true", help="print everything that is known, as JSON")


def _models(*, json: bool) -> int:
    from dataclasses import asdict
    from json import dumps

    from sam_widget.model.zoo import models

    found = models()
    if json:
        print(dumps([asdict(row) for row in found], indent=1))
        return 0
    width = max(len(row.name) for row in found)
    print(f"{'NAME':<{width}}  PARAMETERS   INPUT  HERE  LICENCE     SOURCE")
    for row in found:
        size, here = f"{row.image_size} px", "yes" if row.local else "no"
        print(
            f"{row.name:<{width}}  {row.parameters / 1e6:>8.1f} M {size:>8}  {here:<4}  {row.licence:<10}  {row.source}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
