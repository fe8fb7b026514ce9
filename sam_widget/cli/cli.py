"""The `sam-widget` command: batch processing of images from a terminal.

Each command parses its arguments, calls one function and prints the outcome. torch is imported only when there is work
to do, so `--help` responds instantly.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from cyclopts.help import DefaultFormatter, PanelSpec
from rich import box
from rich.console import Console

from sam_widget import __version__
from sam_widget.cli import assistant as assistant_commands
from sam_widget.cli import engine as engine_commands
from sam_widget.cli import finding as finding_commands
from sam_widget.cli import page as page_commands
from sam_widget.cli import serving as serving_commands
from sam_widget.cli.terminal import (
    Batch,
    Images,
    Model,
    Quiet,
    Ray,
    Recursive,
    SessionFiles,
    ShardOption,
    bar,
    numbers,
    shard_of,
    show_warning,
    size,
    split_numbers,
    tell,
)
from sam_widget.errors import SamWidgetError
from sam_widget.text import clean

app = App(
    "sam-widget",
    version=f"sam-widget {__version__}",
    help="""\
Segment Anything from the command line.

Finished work is kept: after an interruption, run the same command again to do the rest. A file that
cannot be read does not stop the others; it is reported at the end, and the exit status is 1.
""",
    help_epilogue="""\
examples:
  sam-widget embed photos                                  make widgets open these photos instantly
  sam-widget segment photos --prompts boxes.csv -o work    one session file per photo, one object per prompt
  sam-widget everything photos -o work                     a mask of everything in every photo
  sam-widget find photos cat "red car" -o work             an object for every cat and every red car
  sam-widget engine photos                                 annotate a folder together with a model that learns
  sam-widget export work -o annotations.json               all objects as one COCO file
  sam-widget serve --model vit_h                           embed the photos of widgets on other machines
  sam-widget page photo.jpg -o cat.html                    a web page that answers clicks by itself
  sam-widget replay work --model vit_b                     compare another model on the same prompts

See `sam-widget COMMAND --help` for details.
""",
    help_format="plaintext",
    help_formatter=DefaultFormatter(panel_spec=PanelSpec(box=box.SIMPLE, padding=(0, 0), expand=False)),
    console=Console(width=110, highlight=False, markup=False),
    # Generates no negated flags such as --no-quiet and --empty-point.
    default_parameter=Parameter(negative=(), show_default=None),
    # `main` reports Ctrl+C.
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns: The exit status: 0 on success, 1 if anything failed, 130 after Ctrl+C.

    Raises: SystemExit: With status 0 after help, and with 2 for an invalid command line.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given:
        app.help_print([])
        raise SystemExit(2)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            status = app(given, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print(clean(f"sam-widget: {str(error).rstrip('.')}. See `sam-widget --help`"), file=sys.stderr)
        raise SystemExit(2) from None
    except SamWidgetError as error:
        print(clean(f"sam-widget: {error}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsam-widget: interrupted; finished work is kept; run the command again to continue", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `sam-widget models | head`
        sys.stderr.close()
        return 1
    if status is None:  # help or version
        raise SystemExit(0)
    return int(status)


_EMBED = """\
examples:
  sam-widget embed photos --model vit_b
  sam-widget embed photos more/photos one.jpg --recursive
  sam-widget embed photos --store /data/embeddings --max-size 200GB
"""


@app.command(help_epilogue=_EMBED)
def embed(
    images: Images,
    /,
    *,
    recursive: Recursive = False,
    shard: ShardOption = None,
    ray: Ray = False,
    model: Model = "tiny",
    store: Annotated[str | None, Parameter(metavar="FOLDER")] = None,
    max_size: Annotated[int, Parameter(converter=size, n_tokens=1, metavar="SIZE", show_default=lambda _: "10GB")] = 10
    * 10**9,
    quiet: Quiet = False,
) -> int:
    """Embed photos, so that they open instantly.

    Embeddings are cached on disk in half precision. Embedding is the slow part of Segment Anything;
    a widget, gallery or script that later opens one of these photos with the same model reuses the
    cached embedding.

    Args:
        store: Folder of the embeddings (default: the folder that widgets use, $SAM_WIDGET_CACHE).
        max_size: Maximum size of the folder, such as 500MB or 2TB; the least recently used are deleted first.
    """
    from sam_widget.folders.batch import embed_folder
    from sam_widget.predictor.embeddings import EmbeddingStore

    kept = EmbeddingStore(store, max_bytes=max_size)
    where: dict[str, Any] = {"recursive": recursive, "shard": shard_of(shard), "model": model}
    if ray:
        from sam_widget.serve import many_machines

        report = many_machines.embed_folder(
            images, store=kept.folder, max_bytes=max_size, progress=bar(quiet=quiet), **where
        )
    else:
        report = embed_folder(images, store=kept, progress=bar(quiet=quiet), **where)
    if not quiet:
        print(clean(f"embeddings: {kept.folder} ({kept.nbytes / 1e6:.1f} MB)"))
    return tell(report, quiet=quiet)


_SEGMENT = """\
examples:
  sam-widget segment photos --prompts prompts.csv -o work
  sam-widget segment cat.jpg --point 320,200 --point 40,60,0 --label cat -o work
  sam-widget segment photos --box 100,80,500,400 -o work --overwrite

prompts.csv, where rows with the same image and object form one prompt:
  image,object,label,x,y,positive,x0,y0,x1,y1
  cat.jpg,1,cat,320,200,1,,,,
  cat.jpg,1,cat,40,60,0,,,,
  dog.jpg,1,dog,,,,100,80,500,400

The same as prompts.json:
  [{"image": "cat.jpg", "label": "cat", "points": [[320, 200], [40, 60]], "labels": [1, 0]},
   {"image": "dog.jpg", "label": "dog", "box": [100, 80, 500, 400]}]
"""


@app.command(help_epilogue=_SEGMENT)
def segment(
    images: Images,
    /,
    *,
    batch: Batch,
    prompts: Annotated[str | None, Parameter(metavar="FILE")] = None,
    point: Annotated[
        list[str] | None, Parameter(metavar="X,Y[,0]", validator=numbers(2, 3), allow_leading_hyphen=True)
    ] = None,
    box: Annotated[str | None, Parameter(metavar="X0,Y0,X1,Y1", validator=numbers(4))] = None,
    label: Annotated[str | None, Parameter(metavar="NAME")] = None,
) -> int:
    """Segment objects from prompts.

    Segments photos from prompts and saves each photo's objects in a session file, FOLDER/<photo>.sam,
    which a gallery opens and `sam-widget export` converts to other formats. Prompts come from a file
    or from options; the options describe one object in every photo. Photos that already have a
    session file are skipped.

    Args:
        prompts: A JSON or CSV file of prompts; see the examples below.
        point: A point X,Y on the object, or X,Y,0 on the background, in pixels from the top left. May be repeated.
        box: A box X0,Y0,X1,Y1 around the object.
        label: Name of the object described by --point and --box.
    """
    from sam_widget.errors import PromptError
    from sam_widget.folders.prompt_files import ObjectPrompt, read_prompts
    from sam_widget.prompts.prompt import Prompt

    wanted = read_prompts(prompts) if prompts else []
    if point or box:
        points = [split_numbers(text) for text in point or []]
        signs = [values[2] if len(values) == 3 else 1 for values in points]
        corners = split_numbers(box) if box else None
        prompt = Prompt.from_arrays([values[:2] for values in points] or None, signs or None, corners, None)
        wanted.append(ObjectPrompt(prompt, clean(label) if label else None))
    if not wanted:
        raise PromptError("there is nothing to segment; give --prompts FILE, --point X,Y or --box X0,Y0,X1,Y1")
    if batch.ray:
        from sam_widget.serve.many_machines import segment_folder
    else:
        from sam_widget.folders.sessions import segment_folder
    return tell(segment_folder(images, wanted, **batch.arguments()), quiet=batch.quiet)


app.command(finding_commands.everything, help_epilogue=finding_commands.EVERYTHING)
app.command(finding_commands.find, help_epilogue=finding_commands.FIND)
app.command(engine_commands.engine, help_epilogue=engine_commands.ENGINE)
app.command(engine_commands.tune, help_epilogue=engine_commands.TUNE)
app.command(serving_commands.serve, help_epilogue=serving_commands.SERVE)
app.command(assistant_commands.mcp, help_epilogue=assistant_commands.MCP)
app.command(page_commands.page, help_epilogue=page_commands.PAGE)


_EXPORT = """\
examples:
  sam-widget export work -o annotations.json
  sam-widget export work -o masks --format indexed_png
  sam-widget export work/cat.jpg.sam -o cat.svg

formats:
  coco, yolo, voc, indexed_png, binary_pngs, cutouts, npz, npy, geojson, svg, labelme, label_studio, pandas
"""


@app.command(help_epilogue=_EXPORT)
def export(
    sessions: SessionFiles,
    /,
    *,
    out: Annotated[str, Parameter(alias="-o", metavar="FILE")],
    format: Annotated[str | None, Parameter(metavar="NAME")] = None,  # noqa: A002 - the option's name
    quiet: Quiet = False,
) -> int:
    """Convert session files to COCO, YOLO, PNG, ...

    Writes the objects of session files in one of many formats. The suffix of the output file selects
    the format: .json is COCO, .csv a table; for the others, use --format. Formats that hold a single
    image write one file or folder per image into the output folder.

    Args:
        out: The file or folder to write.
        format: Name of the format, if the suffix does not determine it.
    """
    from sam_widget.folders.sessions import export_sessions

    return tell(export_sessions(sessions, out, format=format), quiet=quiet)


_REPLAY = """\
examples:
  sam-widget replay work --model vit_b
  sam-widget replay work/cat.jpg.sam --model vit_b --figure compared.png
"""


@app.command(help_epilogue=_REPLAY)
def replay(
    sessions: SessionFiles,
    /,
    *,
    model: Model = "tiny",
    figure: Annotated[str | None, Parameter(metavar="FILE")] = None,
    quiet: Quiet = False,
) -> int:
    """Compare another model on the same prompts.

    Runs the prompts in session files through another model, and prints the IoU of the new and the
    old mask for each object. The session files are not modified.

    Args:
        figure: Draw the masks side by side into this file, as PNG, PDF or SVG.
    """
    from sam_widget.errors import StoreError
    from sam_widget.folders.sessions import replay_sessions

    found, report = replay_sessions(sessions, model=model, progress=bar(quiet=quiet))
    if found.rows:
        print(clean(str(found)))
    if figure and found.rows:
        try:
            found.figure().savefig(figure)
        except (OSError, ValueError) as error:
            raise StoreError(f"the figure cannot be written to {figure!r}: {error}") from error
    return tell(report, quiet=True)


_MODELS = """\
examples:
  sam-widget models
  sam-widget models --json
"""


@app.command(help_epilogue=_MODELS)
def models(*, json: Annotated[bool, Parameter(show_default=False)] = False) -> int:
    """List the models.

    Wherever a model is expected, the path of a checkpoint file is accepted as well as a name.

    Args:
        json: Print all details, as JSON.
    """
    from dataclasses import asdict
    from json import dumps

    from sam_widget.model.zoo import models as known

    found = known()
    if json:
        print(dumps([asdict(row) for row in found], indent=1))
        return 0
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
