"""The images of whatever was given to an export, their names and their classes."""

from __future__ import annotations

import numpy as np
import pytest

from sam_widget.errors import FormatError
from sam_widget.export.sources import class_names, image_of, images_of, named, stems, written_name
from sam_widget.masks.annotations import AnnotatedImage, Annotation
from sam_widget.masks.runs import StoredMask


def image(*labels: str, name: str | None = None) -> AnnotatedImage:
    mask = StoredMask(np.ones((3, 4), np.bool_))
    return AnnotatedImage(tuple(Annotation(label, mask) for label in labels), (4, 3), name)


def test_images_come_from_one_several_or_a_dict_that_names_them() -> None:
    one, other = image("a", name="1.png"), image("b", name="2.png")
    assert [item.labels for item in images_of(one)] == [("a",)]
    assert [(item.name, item.labels) for item in images_of([one, other])] == [("1.png", ("a",)), ("2.png", ("b",))]
    assert [item.name for item in images_of({"x.png": one, "y.png": np.ones((3, 4), np.bool_)})] == ["x.png", "y.png"]
    assert images_of(np.ones((3, 4), np.bool_))[0].size == (4, 3)


def test_no_image_and_several_where_one_is_meant_are_refused() -> None:
    with pytest.raises(FormatError, match="there is no image to export"):
        images_of({})
    with pytest.raises(FormatError, match="svg holds one image, but 2 were given"):
        image_of([image("a"), image("b")], "svg")
    with pytest.raises(FormatError, match="the size of the image is not known"):
        images_of(np.zeros((0, 3, 4), np.bool_))


def test_an_image_without_a_name_is_numbered_and_names_differ() -> None:
    assert [name for name, _ in named([image("a"), image("b", name="cat.png")])] == ["image_1.png", "cat.png"]
    with pytest.raises(FormatError, match=r"two images are called 'cat\.png'"):
        named([image("a", name="cat.png"), image("b", name="cat.png")])


def test_a_name_that_is_not_unicode_is_written_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="is not valid Unicode"):
        assert written_name("caf\udce9.png") == "caf%E9.png"
    assert written_name("café.png") == "café.png"


def test_stems_keep_folders_and_differ() -> None:
    images = [image("a", name="x/1.png"), image("b", name="y/1.png"), image("c")]
    assert [stem for stem, _ in stems(images, suffix=".txt")] == ["x/1", "y/1", "image_3"]
    with pytest.raises(FormatError, match=r"both write 'cat': 'cat\.png' and 'cat\.jpg'"):
        stems([image("a", name="cat.png"), image("b", name="cat.jpg")], suffix=".txt")


def test_classes_are_the_labels_in_their_order_or_those_given() -> None:
    images = [image("dog", "cat"), image("cat", "bird")]
    assert class_names(images, None) == ["dog", "cat", "bird"]
    assert class_names(images, ["bird", "cat", "dog", "fish"]) == ["bird", "cat", "dog", "fish"]
    with pytest.raises(FormatError, match="label 'bird' is not among the classes"):
        class_names(images, ["cat", "dog"])
