"""The commands that segment photos without prompts: `sam-widget everything` and `sam-widget find`."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from sam_widget.cli.terminal import (
    Batch,
    Images,
    Model,
    Quiet,
    Ray,
    Recursive,
    Sessions,
    ShardOption,
    bar,
    shard_of,
    tell,
)

_Count = Annotated[int | None, Parameter(metavar="N")]
_Share = Annotated[float | None, Parameter(metavar="N")]
EVERYTHING = """\
examples:
  sam-widget everything photos -o work
  sam-widget everything photos -o work --model vit_b --points-per-side 16 --min-mask-region-area 50
"""


def everything(
    images: Images,
    /,
    *,
    batch: Batch,
    points_per_side: _Count = None,
    pred_iou_thresh: _Share = None,
    stability_score_thresh: _Share = None,
    crop_n_layers: _Count = None,
    min_mask_region_area: _Count = None,
) -> int:
    """Segment everything in photos.

    Masks everything in each photo, like SAM's automatic mask generator, and saves the objects in a
    session file, FOLDER/<photo>.sam. Photos that already have a session file are skipped.

    Args:
        points_per_side: Points along each side of the grid (default: 32).
        pred_iou_thresh: Drop masks with a lower predicted IoU (default: recommended by the model's authors).
        stability_score_thresh: Drop masks with a lower stability score (default: as for the predicted IoU).
        crop_n_layers: Also search crops of 1/2, 1/4, ... of the photo's size, in this many layers (default: 0).
        min_mask_region_area: Remove islands and holes smaller than this many pixels (default: 0).
    """
    if batch.ray:
        from sam_widget.serve.many_machines import everything_folder
    else:
        from sam_widget.folders.sessions import everything_folder

    options = {
        "points_per_side": points_per_side,
        "pred_iou_thresh": pred_iou_thresh,
        "stability_score_thresh": stability_score_thresh,
        "crop_n_layers": crop_n_layers,
        "min_mask_region_area": min_mask_region_area,
    }
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    return tell(everything_folder(images, **given, **batch.arguments()), quiet=batch.quiet)


FIND = """\
examples:
  sam-widget find photos cat "red car" -o work
  sam-widget find photos --like work/cat.jpg.sam#3 -o work

The embedded model knows the 1,000 classes of ImageNet, broader words such as dog or vehicle, colours,
and places such as left or largest, in English and Traditional Chinese.
"""


def find(
    folder: Annotated[str, Parameter(name="PHOTOS")],
    /,
    *words: Annotated[str, Parameter(name="WORDS")],
    sessions: Sessions,
    like: Annotated[list[str] | None, Parameter(metavar="FILE#N")] = None,
    not_like: Annotated[list[str] | None, Parameter(metavar="FILE#N")] = None,
    finder: Annotated[str | None, Parameter(metavar="NAME")] = None,
    threshold: _Share = None,
    limit: _Count = None,
    store: Annotated[str | None, Parameter(metavar="FOLDER")] = None,
    model: Model = "tiny",
    recursive: Recursive = False,
    shard: ShardOption = None,
    ray: Ray = False,
    quiet: Quiet = False,
) -> int:
    """Find words or examples in photos.

    Adds every instance as an object to the photo's session file, FOLDER/<photo>.sam, labelled with its
    words. Existing session files are continued: what is an object already is not added again. Each photo
    is encoded once; later words for it take milliseconds.

    Args:
        folder: A folder of photos, or one photo.
        words: What to find, such as cat "red cup".
        like: An example: object N, counted from 0, of a session file. May be repeated.
        not_like: A counter-example. May be repeated.
        finder: The model that finds: tiny (default), or the name of a published one.
        threshold: Score from which an instance counts as found (default: the finder's own).
        limit: The most instances per photo (default: all).
        store: Folder in which encoded photos are kept (default: the folder that widgets use, $SAM_WIDGET_CACHE).
    """
    if ray:
        from sam_widget.serve.many_machines import find_folder
    else:
        from sam_widget.folders.finding import find_folder

    hits = find_folder(
        folder,
        words,
        like=like or (),
        not_like=not_like or (),
        sessions=sessions,
        model=model,
        finder=finder,
        threshold=threshold,
        limit=limit,
        store=store,
        recursive=recursive,
        shard=shard_of(shard),
        progress=bar(quiet=quiet),
    )
    if not quiet:
        print(hits)
    return tell(hits.report, quiet=True)
