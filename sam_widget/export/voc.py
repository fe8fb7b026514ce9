"""Pascal VOC: indexed PNGs of classes and objects, and an XML file of boxes for each image.

http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html; `labelmap.txt`, which defines classes other than
VOC's own twenty, is an extension of CVAT and Datumaro.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam_widget.errors import FormatError
from sam_widget.export.files import open_png, png_bytes, read_bytes, write_bytes
from sam_widget.export.label_maps import voc_palette
from sam_widget.export.names import path_in, pick
from sam_widget.export.reading import Reading
from sam_widget.export.sources import class_names, images_of, stems
from sam_widget.export.svg import printable
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.runs import in_bands, pixels_of, runs_by_number
from sam_widget.text import clean

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def to_voc(
    source: Any, folder: str | os.PathLike[str], *, classes: Sequence[str] | None = None, images: bool = False
) -> list[Path]:
    """Write a Pascal VOC dataset: `SegmentationObject`, `SegmentationClass`, `Annotations`, `labelmap.txt`.

    Files keep the names and folders of their images. Masks are lossless, except where objects overlap: the later one is
    on top, and a completely hidden object is lost. Boxes cover the whole objects, in pixels counted from 1, following
    VOC.

    Args:
        source: Sessions, masks, or a dict from file names to these; see `images_of`.
        folder: Folder of the dataset.
        classes: All classes, in order; by default the labels, in order of first occurrence.
        images: Also write the images, as `JPEGImages/<image>.png`: lossless, despite the folder's name.

    Returns:
        The files written.

    Raises:
        FormatError: There are more than 254 classes or objects in an image, a label is not among the classes, two
            images have the same name, an image to write is unknown, or a file cannot be written.
    """
    found = images_of(source)
    names = class_names(found, classes)
    numbers = {name: number for number, name in enumerate(names, 1)}
    root, written = Path(folder).expanduser(), []
    if len(names) > 254:
        raise FormatError(f"Pascal VOC has room for 254 classes, but there are {len(names)}; export to COCO")
    for stem, image in stems(found, suffix=".xml"):
        if len(image) > 254:
            raise FormatError(f"Pascal VOC has room for 254 objects an image, but {stem!r} has {len(image)}")
        if images:
            if image.pixels is None:
                raise FormatError(
                    f"the pixels of {stem!r} are not known, only its masks; give a session, or images=False"
                )
            written.append(write_bytes(root / "JPEGImages" / f"{stem}.png", png_bytes(image.pixels)))
        width, height = image.size
        objects, kinds = np.zeros((2, height * width), np.uint8)
        for number, item in enumerate(image, 1):
            pixels = pixels_of(item.stored.runs)
            objects[pixels] = number
            kinds[pixels] = numbers[item.label]
        objects, kinds = objects.reshape(height, width), kinds.reshape(height, width)
        written += [
            write_bytes(root / "SegmentationObject" / f"{stem}.png", _indexed(objects)),
            write_bytes(root / "SegmentationClass" / f"{stem}.png", _indexed(kinds)),
            write_bytes(root / "Annotations" / f"{stem}.xml", _xml(image, stem)),
        ]
    colours = voc_palette()
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
    lines += [f"{_plain(name)}:{','.join(map(str, colours[number]))}::" for number, name in enumerate(names, 1)]
    return [*written, write_bytes(root / "labelmap.txt", ("\n".join(lines) + "\n").encode())]


def _plain(name: str) -> str:
    """Return a label without the separators of fields and lines in `labelmap.txt`."""
    return " ".join(name.replace(":", " ").split())


def _indexed(numbers: NDArray[np.uint8]) -> bytes:
    picture = Image.fromarray(numbers, "P")
    picture.putpalette(voc_palette().tobytes())
    return png_bytes(picture)


def _xml(image: AnnotatedImage, stem: str) -> bytes:
    root = ET.Element("annotation")

    def add(parent: ET.Element, tag: str, text: object = None) -> ET.Element:
        child = ET.SubElement(parent, tag)
        child.text = None if text is None else printable(clean(str(text)))
        return child

    add(root, "folder", "JPEGImages")
    add(root, "filename", image.name or f"{stem}.png")
    size = add(root, "size")
    for tag, value in (("width", image.size[0]), ("height", image.size[1]), ("depth", 3)):
        add(size, tag, value)
    add(root, "segmented", 1)
    for item in image:
        entry = add(root, "object")
        add(entry, "name", item.label)
        add(entry, "pose", "Unspecified")
        add(entry, "truncated", 0)
        add(entry, "difficult", 0)
        box = add(entry, "bndbox")
        # Counted from 1, including the last row and column.
        corners = (item.box.x0 + 1, item.box.y0 + 1, item.box.x1, item.box.y1)
        for tag, corner in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True):
            add(box, tag, int(corner))
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8"))


def from_voc(folder: str | os.PathLike[str], *, image: str | None = None) -> list[AnnotatedImage]:
    """Read a Pascal VOC dataset: objects from `SegmentationObject`, their classes from `SegmentationClass`.

    Class names are read from `labelmap.txt`, and default to VOC's own twenty. Number 255 is ignored.

    Args:
        folder: Folder of the dataset.
        image: Name of the only image to read.

    Raises:
        FormatError: The folder is not such a dataset, no image has this name, or two pictures of an image differ in
            size.
    """
    root = Path(folder).expanduser()
    place = root / "SegmentationObject"
    files = sorted(path for path in place.rglob("*") if path.suffix.lower() == ".png")
    if not files:
        raise FormatError(f"there is no PNG in {str(place)!r}; expected a Pascal VOC dataset")
    names = _names(root / "labelmap.txt")
    pictures = {path_in(path, root / "JPEGImages"): path for path in sorted((root / "JPEGImages").rglob("*"))}
    stems = [path_in(file, place) for file in files]
    called = [f"{stem}{pictures[stem].suffix if stem in pictures else '.png'}" for stem in stems]
    reading = Reading(folder, "this is not a Pascal VOC dataset")
    found = []
    for index in pick(called, image):
        file = files[index]
        objects = _numbers(file)
        kinds = _numbers(root / "SegmentationClass" / file.relative_to(place))
        if objects.shape != kinds.shape:
            raise FormatError(f"{file.name!r} has size {objects.shape} as objects, but {kinds.shape} as classes")
        height, width = objects.shape
        annotations: list[Annotation] = []
        for number, runs in runs_by_number(in_bands(objects), width).items():
            if number != 255:
                kind = int(np.bincount(kinds.reshape(-1)[pixels_of(runs)]).argmax())
                annotations += reading.annotation(names.get(kind, f"class {kind}"), runs, (height, width))
        found.append(AnnotatedImage(tuple(annotations), (width, height), called[index]))
    reading.finish()
    return found


def _numbers(path: Path) -> NDArray[np.uint8]:
    picture = open_png(path)
    if picture.mode not in ("P", "L"):
        raise FormatError(f"{str(path)!r} is a picture of mode {picture.mode}, expected an indexed one")
    return np.asarray(picture, dtype=np.uint8)


def _names(path: Path) -> dict[int, str]:
    if not path.is_file():
        return dict(enumerate(VOC_CLASSES, 1))
    numbers = {tuple(colour): number for number, colour in enumerate(voc_palette().tolist())}
    names = {}
    for line in read_bytes(path).decode("utf-8", "replace").splitlines():
        name, _, rest = line.partition(":")
        try:
            colour = tuple(int(part) for part in rest.split(":")[0].split(","))
        except ValueError:
            continue  # a comment, or a line without a colour
        if colour in numbers:
            names[numbers[colour]] = name
    return names
