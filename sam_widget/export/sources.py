"""The input of exports: the images in a source, their names, and their class numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from sam_widget.errors import FormatError
from sam_widget.export.names import below_common_folder, file_path
from sam_widget.export.reading import warn
from sam_widget.masks.annotations import AnnotatedImage, annotations_of
from sam_widget.text import clean


def images_of(source: Any) -> list[AnnotatedImage]:
    """Return the annotated images in `source`.

    Args:
        source: Anything that `annotations_of` reads, for one image; several sessions, widgets or `AnnotatedImage`s; or
            a dict from file names to any of these. A dict names the images; otherwise they keep their names.

    Raises:
        FormatError: The source contains no image.
        MaskError: The source contains no masks.
    """
    if isinstance(source, Mapping) and "segmentation" not in source:
        images = [_image_of(item, name=str(name)) for name, item in source.items()]
    elif isinstance(source, Sequence) and source and all(_is_image(item) for item in source):
        images = [_image_of(item) for item in source]
    else:
        images = [_image_of(source)]
    if not images:
        raise FormatError("there is no image to export; give a session, masks, or a dict from file names to these")
    return images


def image_of(source: Any, format_name: str) -> AnnotatedImage:
    """Return the only annotated image in `source`.

    Raises:
        FormatError: The source contains several images, or none.
        MaskError: The source contains no masks.
    """
    images = images_of(source)
    if len(images) > 1:
        raise FormatError(f"{format_name} holds one image, but {len(images)} were given; write one file for each")
    return images[0]


def _is_image(item: Any) -> bool:
    return isinstance(item, AnnotatedImage) or hasattr(item, "session") or hasattr(item, "objects")


def _image_of(source: Any, name: str | None = None) -> AnnotatedImage:
    source = getattr(source, "session", source)
    if isinstance(source, AnnotatedImage):
        return AnnotatedImage(source.annotations, source.size, name or source.name, source.pixels)
    found = annotations_of(source)
    if hasattr(source, "objects"):
        return AnnotatedImage(found, source.size, name or source.image_name, source.image)
    if not found:
        raise FormatError("there are no masks, so the size of the image is not known; give a session or AnnotatedImage")
    height, width = found[0].stored.shape
    return AnnotatedImage(found, (width, height), name)


def named(images: Iterable[AnnotatedImage], suffix: str = ".png") -> list[tuple[str, AnnotatedImage]]:
    """Return each image with a unique file name; unnamed images become "image_1" and so on.

    Bytes of a name that are not valid UTF-8 are replaced by U+FFFD, with a warning.

    Raises:
        FormatError: Two images have the same name.
    """
    pairs = [(image.name or f"image_{number}{suffix}", image) for number, image in enumerate(images, 1)]
    names = [name for name, _ in pairs]
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise FormatError(f"two images are called {twice[0]!r}; give a dict from different file names to sessions")
    return [(written_name(name), image) for name, image in pairs]


def written_name(name: str) -> str:
    """Return the name of an image as valid UTF-8; warn if that changes it."""
    plain = clean(name)
    if plain != name:
        warn(f"the name {name!a} is not valid Unicode and is written as {plain!r}; rename the file to have it found")
    return plain


def stems(images: Iterable[AnnotatedImage], *, suffix: str) -> list[tuple[str, AnnotatedImage]]:
    """Return each image with the path of its files, without suffix: its own path relative to the common folder.

    Readers find labels by the name of the image, so names are preserved; if the file system does not allow one, a
    warning is issued.

    Args:
        images: The images, named or not.
        suffix: The longest suffix that will be appended.

    Raises:
        FormatError: Two images have the same path.
    """
    known = list(images)
    names = below_common_folder([image.name or f"image_{number}.png" for number, image in enumerate(known, 1)])
    found = [file_path(name, suffix=suffix) for name in names]
    if len(set(found)) < len(found):
        twice = [number for number, stem in enumerate(found) if stem in found[:number]]
        stem, name = found[twice[0]], names[twice[0]]
        raise FormatError(
            f"two images would both write {stem!r}: {names[found.index(stem)]!r} and {name!r}; rename one of them"
        )
    changed = [
        f"{PurePath(name).stem!a} is written as {PurePath(stem).name!a}"
        for name, stem in zip(names, found, strict=True)
        if PurePath(name).stem != stem.rpartition("/")[2]
    ]
    if changed:
        more = f" and {len(changed) - 1} more like it" if len(changed) > 1 else ""
        warn(
            f"the file system cannot hold the name of an image: {changed[0]}{more}; "
            "trainers look for the name as it was"
        )
    return list(zip(found, known, strict=True))


def class_names(images: Iterable[AnnotatedImage], classes: Sequence[str] | None) -> list[str]:
    """Return the class names in order: as given, or the labels in order of first occurrence.

    Raises:
        FormatError: A label is not among the classes given.
    """
    used = list(dict.fromkeys(label for image in images for label in image.labels))
    if classes is None:
        return used
    names = list(dict.fromkeys(clean(name) for name in classes))
    if unknown := [label for label in used if label not in names]:
        raise FormatError(f"label {unknown[0]!r} is not among the classes {names}; add it, or rename the objects")
    return names
