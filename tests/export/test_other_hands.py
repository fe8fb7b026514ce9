"""Files from other tools: what can be read is read, and the rest is named in one warning."""

from __future__ import annotations

import json
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import sam_widget as sw
from sam_widget.masks.codecs import mask_from_polygons
from sam_widget.masks.runs import StoredMask
from tests.export.masks import disc

GOOD = [[5, 5, 20, 5, 20, 20, 5, 20]]


def read(source: Any, **options: Any) -> tuple[sw.AnnotatedImage, str]:
    """The masks of a file, and the one warning that came with them; "" where there was none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = sw.load_masks(source, **options)
    assert len(caught) <= 1
    return found, str(caught[0].message) if caught else ""


def coco(*segmentations: Any, **more: Any) -> dict[str, Any]:
    entries = [
        {"image_id": 1, "category_id": 0, "segmentation": segmentation, **more} for segmentation in segmentations
    ]
    images = [{"id": 1, "file_name": "a.jpg", "width": 60, "height": 40}]
    return {"images": images, "annotations": entries, "categories": [{"id": 0, "name": "cat"}]}


class TestCoco:
    @pytest.mark.parametrize(
        ("segmentation", "said"),
        [
            ([[5, 5, 9, 5]], "fewer than three corners"),
            ([], "1 box without a mask"),
            (None, "1 box without a mask"),
            ({"size": [60, 40], "counts": [100, 200, 2100]}, "RLE has size"),
            ([[100, 100, 120, 100, 120, 120]], "1 mask without a pixel"),
            ([[float("nan"), 1, 9, 1, 9, 9]], "not finite"),
            ([[None, 1, 9, 1, 9, 9]], "not finite"),
            ("x", "expected a list"),
        ],
    )
    def test_one_bad_region_is_named_and_the_others_are_read(self, segmentation: Any, said: str) -> None:
        found, warned = read(coco(GOOD, segmentation, GOOD))
        assert len(found) == 2
        assert "1 of 3 regions" in warned
        assert said in warned
        assert "NoneType" not in warned

    @pytest.mark.parametrize("far", [1e6, 1e8, 1e12, 1e300])
    def test_a_corner_far_off_is_clipped(self, far: float) -> None:
        (item,) = sw.load_masks(coco([[far, 1, 9, 1, 9, 9]]))
        expected = mask_from_polygons([[(far, 1), (9, 1), (9, 9)]], 40, 60)
        assert (item.mask ^ expected).sum() <= 60 + 40  # pycocotools draws outlines, too

    @pytest.mark.parametrize("score", [float("nan"), float("inf"), "good", [1]])
    def test_a_score_that_is_no_number_is_refused(self, score: Any) -> None:
        with pytest.raises(sw.FormatError, match="the score is"):
            sw.load_masks(coco(GOOD, score=score))

    def test_paths_are_found_whole_by_their_end_and_in_any_form_of_unicode(self, tmp_path: Path) -> None:
        names = {"day1/1.jpg": disc(20, 20, 9), "day2/1.jpg": disc(40, 30, 5), "day2/Cafe\u0301.jpg": disc(9, 9, 4)}
        sw.export.to_coco(names, tmp_path / "c.json")
        for wanted, mask in names.items():
            np.testing.assert_array_equal(next(iter(sw.load_masks(tmp_path / "c.json", image=wanted))).mask, mask)
        assert sw.load_masks(tmp_path / "c.json", image="Caf\u00e9.jpg").name is not None
        with pytest.raises(sw.FormatError, match=r"several of them are called '1.jpg'"):
            sw.load_masks(tmp_path / "c.json", image="1.jpg")


class TestLabelStudio:
    @staticmethod
    def result(kind: str, **value: Any) -> dict[str, Any]:
        return {"original_width": 200, "original_height": 100, "type": kind, "value": {**value, kind: ["car"]}}

    def task(self, *results: Any, **answer: Any) -> list[Any]:
        return [{"data": {"image": "a.jpg"}, "annotations": [{"result": list(results), **answer}]}]

    def test_a_rectangle_turns_about_its_corner(self) -> None:
        turned = self.result("rectanglelabels", x=50, y=20, width=30, height=20, rotation=90)
        (item,) = sw.load_masks(self.task(turned))
        assert item.box == sw.Box(80, 20, 100, 80)
        assert item.area == 20 * 60

    def test_ellipses_and_regions_of_labels(self) -> None:
        ellipse = self.result("ellipselabels", x=50, y=50, radiusX=10, radiusY=20, rotation=0)
        region = self.result("labels", x=10, y=20, width=30, height=20, rotation=0)
        first, second = sw.load_masks(self.task(ellipse, region))
        assert (first.box, second.box) == (sw.Box(80, 30, 120, 70), sw.Box(20, 20, 80, 40))

    def test_a_cancelled_answer_is_not_read(self) -> None:
        rectangle = self.result("rectanglelabels", x=10, y=20, width=30, height=20)
        task = self.task(rectangle)
        task[0]["annotations"].insert(0, {"was_cancelled": True, "result": []})
        assert len(sw.load_masks(task)) == 1

    @pytest.mark.parametrize("name", ["my cat.jpg", "a+b.jpg", "50%41.jpg", "a&b.jpg", "a#1.jpg", "\u00e9t\u00e9.jpg"])
    def test_addresses_are_quoted_and_unquoted(self, name: str) -> None:
        (task,) = sw.export.to_label_studio({name: disc(20, 20, 9)}, prefix="/data/local-files/?d=photos/")
        assert not set("+&# ") & set(task["data"]["image"].partition("?d=")[2])
        assert sw.load_masks([task]).name == name


class TestLabelme:
    def test_shapes_of_x_anylabeling(self) -> None:
        def shape(kind: str, points: Any) -> dict[str, Any]:
            return {"label": "car", "points": points, "shape_type": kind}

        four, tilted = [[30, 5], [50, 5], [50, 25], [30, 25]], [[40, 10], [50, 20], [40, 30], [30, 20]]
        shapes = [shape("rectangle", four), shape("rotation", tilted), shape("quadrilateral", tilted)]
        shapes += [shape("point", [[3, 3]]), shape("polygon", None)]
        found, warned = read({"shapes": shapes, "imageWidth": 60, "imageHeight": 40})
        assert [item.area for item in found] == [400, 200, 200]
        assert "1 point shape" in warned
        assert "null" in warned


def test_geojson_with_what_has_no_area() -> None:
    polygon = {"type": "Polygon", "coordinates": [[[5, 5, 0], [20, 5, 0], [20, 20, 0], [5, 5, 0]]]}
    features = [
        {"type": "Feature", "geometry": geometry, "properties": None}
        for geometry in (polygon, None, {"type": "GeometryCollection", "geometries": [polygon]}, {"type": "Point"})
    ]
    for data in (features, {"type": "FeatureCollection", "features": features}):
        found, warned = read(data, size=(60, 40))
        assert len(found) == 2
        assert "1 feature without a geometry, 1 Point feature" in warned


class TestNames:
    @pytest.mark.parametrize("name", ["_MG_0001.JPG", "IMG (2).jpg", "a+b.png", ".hidden.jpg", "n" * 250 + ".jpg"])
    def test_yolo_and_voc_keep_the_stem(self, name: str, tmp_path: Path) -> None:
        for kind, folder, suffix in (("yolo", "labels", ".txt"), ("voc", "Annotations", ".xml")):
            sw.export.export({name: disc(20, 20, 9)}, tmp_path / kind, format=kind)
            assert [path.name for path in (tmp_path / kind / folder).iterdir()] == [Path(name).stem + suffix]

    def test_a_name_that_the_file_system_cannot_hold_is_warned_of(self, tmp_path: Path) -> None:
        with pytest.warns(UserWarning, match="cannot hold the name"):
            sw.export.to_yolo({"x" * 300 + ".jpg": disc(20, 20, 9)}, tmp_path)

    def test_folders_stay(self, tmp_path: Path) -> None:
        sw.export.to_yolo({"day1/1.jpg": disc(20, 20, 9), "day2/1.jpg": disc(20, 20, 5)}, tmp_path)
        assert [item.name for item in sw.load_dataset(tmp_path, size=(80, 60))] == ["day1/1.png", "day2/1.png"]

    def test_a_name_that_is_not_utf_8(self, tmp_path: Path) -> None:
        image = sw.AnnotatedImage(
            sw.export.annotations_of(disc(20, 20, 9), labels="cat \ud83d"), (80, 60), "caf\udce9.jpg"
        )
        for number, (kind, item) in enumerate(sw.export.FORMATS.items()):
            if kind not in ("datasets", "supervision", "cutouts", "npy"):
                target = tmp_path / f"{number}{item.suffix.rstrip('/')}"
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    sw.export.export(image, target, format=kind)
                    assert len(sw.load_masks(target, format=kind, size=(80, 60))) == 1


class TestYolo:
    @pytest.mark.parametrize(
        ("images", "labels", "classes"),
        [
            ("images/train", "labels/train", None),
            ("train/images", "train/labels", None),
            ("images", "labels", "classes.txt"),
            ("images", "labels", "labels/classes.txt"),
        ],
    )
    def test_layouts(self, images: str, labels: str, classes: str | None, tmp_path: Path) -> None:
        (tmp_path / images).mkdir(parents=True)
        (tmp_path / labels).mkdir(parents=True)
        Image.new("RGB", (60, 40)).save(tmp_path / images / "a.jpg")
        (tmp_path / labels / "a.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
        if classes:
            (tmp_path / classes).write_text("cat\n")
        else:
            (tmp_path / "data.yaml").write_text(f"train: {images}\nnames: ['cat']\n")
        assert sw.load_masks(tmp_path).labels == ("cat",)

    def test_an_emoji_is_itself(self, tmp_path: Path) -> None:
        sw.export.to_yolo(sw.export.annotations_of(disc(20, 20, 9), labels="\U0001f431 cat"), tmp_path)
        text = (tmp_path / "data.yaml").read_text(encoding="utf-8")
        assert yaml.safe_load(text)["names"] == {0: "\U0001f431 cat"}
        assert "\U0001f431 cat" in text

    def test_references_in_yaml_are_not_followed_without_end(self, tmp_path: Path) -> None:
        (tmp_path / "labels").mkdir()
        (tmp_path / "labels/a.txt").write_text("0 0 0 1 0 1 1\n")
        lines = [f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 9)]
        (tmp_path / "data.yaml").write_text("\n".join(["a0: &a0 [x]", *lines, "names: {0: *a8}"]))
        with pytest.raises(sw.FormatError, match="references"):
            sw.load_masks(tmp_path, size=(9, 9))


class TestPng:
    def test_a_soft_mask_asks_for_a_threshold(self, tmp_path: Path) -> None:
        soft = Image.fromarray(disc(20, 20, 9).astype(np.uint8) * np.uint8(255)).resize(
            (160, 120), Image.Resampling.BICUBIC
        )
        soft.save(tmp_path / "SOFT.PNG")
        for path in (tmp_path, tmp_path / "SOFT.PNG"):
            with pytest.raises(sw.FormatError, match="threshold"):
                sw.load_masks(path)
            for threshold in (0.5, 127.5):
                (item,) = sw.load_masks(path, threshold=threshold)
                np.testing.assert_array_equal(item.mask, np.asarray(soft) > 127)

    def test_thin_objects_in_grey_are_objects(self, tmp_path: Path) -> None:
        numbers = np.zeros((40, 400), np.uint8)
        for i in range(255):
            numbers[(i // 20) * 2, (i % 20) * 18 : (i % 20) * 18 + 9] = i + 1
        Image.fromarray(numbers).save(tmp_path / "grey.png")
        assert len(sw.load_masks(tmp_path / "grey.png")) == 255


class TestCost:
    def test_a_huge_claim_is_kept_as_runs(self) -> None:
        side = 2**15
        found = sw.load_masks(
            {
                "images": [{"id": 1, "width": side, "height": side, "file_name": "a"}],
                "categories": [{"id": 1, "name": "x"}],
                "annotations": [
                    {
                        "image_id": 1,
                        "category_id": 1,
                        "segmentation": {"size": [side] * 2, "counts": [5, side * side - 5]},
                    }
                ],
            }
        )
        assert next(iter(found)).area == side * side - 5

    def test_a_polygon_without_end_is_refused(self) -> None:
        side = 2**15
        zigzag = [[(k * 7) % side, 0 if k % 2 else side] for k in range(20_000)]
        shape = {"label": "a", "points": zigzag, "shape_type": "polygon"}
        with pytest.raises(sw.FormatError, match="simplify"):
            sw.load_masks({"imageWidth": side, "imageHeight": side, "shapes": [shape]})

    @pytest.mark.parametrize("levels", [1, 8])
    def test_a_drawing_that_multiplies_itself_is_refused(self, levels: int, tmp_path: Path) -> None:
        space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9"'
        group = "".join(f'<g id="a{k}">' + f'<use xlink:href="#a{k - 1}"/>' * 10 + "</g>" for k in range(1, levels + 1))
        body = f'<defs><g id="a0"><rect width="3" height="3"/></g>{group}</defs><use xlink:href="#a{levels}"/>'
        (tmp_path / "use.svg").write_text(f"<svg {space}>{body}</svg>")
        if levels == 1:
            assert len(sw.load_masks(tmp_path / "use.svg")) >= 1
        else:
            with pytest.raises(sw.FormatError, match=r"100,0\d\d,\d\d\d elements|elements once every"):
                sw.load_masks(tmp_path / "use.svg")

    def test_a_picture_is_refused_by_its_header(self, tmp_path: Path) -> None:
        """It has nothing but a header, so reading on would fail in another way."""
        mask = np.zeros((20, 30), bool)
        mask[5:9, 5:9] = True
        sw.export.to_binary_pngs(mask, tmp_path / "masks")
        (good,) = (tmp_path / "masks").iterdir()
        data = good.read_bytes()
        header = struct.pack(">II", 13_300, 13_400) + data[24:29]
        bomb = data[:16] + header + zlib.crc32(b"IHDR" + header).to_bytes(4, "big") + data[33:]
        (tmp_path / "bomb.png").write_bytes(bomb)
        with pytest.raises(sw.FormatError, match=r"13300 x 13400 pixels, which unpack to 178 MB; expected 134 MB"):
            sw.load_masks(tmp_path / "bomb.png")
        with pytest.raises(sw.FormatError, match="cannot read"):
            sw.load_masks(tmp_path / "bomb.png", max_bytes=2**28)
        with pytest.raises(sw.FormatError, match=r"max_bytes=600\)"):
            sw.load_masks(good, max_bytes=599)
        assert len(sw.load_masks(good, max_bytes=600)) == 1

    def test_an_archive_is_unpacked_some_rows_at_a_time(self, tmp_path: Path) -> None:
        numbers = np.zeros((2000, 4000), np.int64)
        numbers[100:1900, 300:3000] = 7
        np.savez_compressed(tmp_path / "map.npz", label_map=numbers)
        with pytest.raises(sw.FormatError, match=r"unpacks to 64 MB, expected 1 MB at most"):
            sw.load_masks(tmp_path / "map.npz", max_bytes=10**6)
        tracemalloc.start()
        (item,) = sw.load_masks(tmp_path / "map.npz")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert item.area == 1800 * 2700
        assert peak < 24e6, f"{peak / 1e6:.0f} MB"

    def test_what_an_array_is_comes_before_its_numbers(self, tmp_path: Path) -> None:
        """The archive is cut short, so reading on would fail in another way."""
        for name, array, said in (
            ("soft", np.zeros((1, 50, 60)), "threshold=0.5"),
            ("text", np.full((1, 50, 60), "x"), "of type <U1, expected bool or whole numbers"),
            ("many", np.zeros((2**14 + 1, 1, 1), bool), "holds 16,385 masks, expected 16,384 at most"),
        ):
            path = tmp_path / f"{name}.npz"
            np.savez(path, masks=array)
            with zipfile.ZipFile(path) as archive:
                whole = archive.read("masks.npy")
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("masks.npy", whole)
            data = bytearray(path.read_bytes())
            start = data.index(whole) + len(whole) - 64
            data[start : start + 64] = b"\xff" * 64  # The checksum is wrong, which is found at the end.
            path.write_bytes(data)
            with pytest.raises(sw.FormatError, match=said):
                sw.load_masks(path)

    def test_a_label_map_of_many_numbers(self) -> None:
        numbers = np.random.default_rng(0).integers(0, 20_000, (300, 300))
        found = sw.export.annotations_of(numbers)
        assert len(found) == len(np.unique(numbers[numbers > 0]))
        assert sum(item.area for item in found) == np.count_nonzero(numbers)


def test_counts_that_are_cut_short_are_refused() -> None:
    rle = sw.export.to_coco({"a": disc(40, 30, 20)})["annotations"][0]["segmentation"]
    for stop in range(1, len(rle["counts"])):
        with pytest.raises(sw.MaskError, match="not a COCO RLE"):
            sw.masks.mask_from_rle({**rle, "counts": rle["counts"][:stop]})


def test_a_score_that_is_not_finite_is_refused_at_the_door() -> None:
    with pytest.raises(sw.MaskError, match="expected a finite number"):
        sw.Annotation("x", StoredMask(disc(20, 20, 9)), float("nan"))


def test_json_is_valid_utf_8_whatever_the_label(tmp_path: Path) -> None:
    sw.export.to_coco(sw.export.annotations_of(disc(20, 20, 9), labels="cat \ud83d"), tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))["categories"][0]["name"] == "cat \ufffd"
