"""Open an image together with masks that exist already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sam_widget.errors import door
from sam_widget.export.registry import load_masks
from sam_widget.widget.sam_widget import SamWidget


@door
def show(image: Any, masks: Any = None, *, labels: Sequence[str] | str | None = None, **options: Any) -> SamWidget:
    """Return a widget that shows an image with masks as objects, to be looked at, corrected and completed.

    Args:
        image: See `SamWidget`.
        masks: A label map (H, W), masks (N, H, W), records of `segment_everything`, `supervision.Detections`, the
            objects of a session, see `Session.add_objects`; or the path of a file that `load_masks` reads.
        labels: One for all masks, or one each.
        options: See `SamWidget`: `model`, `autosave`, `keep_image`.

    Raises:
        FormatError: The file of masks cannot be read.
        ImageError: The image cannot be read.
        MaskError: There are no masks in `masks`.
        SessionError: The masks have another size than the image.
    """
    widget = SamWidget(image, **options)
    if masks is None:
        return widget
    try:
        if isinstance(masks, (str, Path)):
            width, height = widget.session.size
            masks = load_masks(masks, size=(width, height))
        widget.add_objects(masks, labels=labels)
    except BaseException:
        # The caller never gets this widget, and cannot close it.
        widget.close()
        raise
    return widget
