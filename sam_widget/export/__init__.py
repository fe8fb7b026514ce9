"""Export and import masks: one pair of functions per format.

`export` and `load_masks` choose the format by its name or by a file's suffix; `to_coco`, `from_coco` and so on are
specific. Each accepts a Session, a SamWidget, objects, masks, or a dict from file names to these, and documents how it
treats overlaps and what it loses. Nothing here displays anything, and no code in a file is ever executed.
"""

from sam_widget.export.coco import from_coco, to_coco
from sam_widget.export.geojson import from_geojson, to_geojson
from sam_widget.export.huggingface import from_datasets, to_datasets
from sam_widget.export.label_maps import label_map
from sam_widget.export.label_studio import from_label_studio, to_label_studio
from sam_widget.export.labelme import from_labelme, to_labelme
from sam_widget.export.numpy_files import from_npz, to_npy, to_npz
from sam_widget.export.pngs import from_png, to_binary_pngs, to_cutouts, to_indexed_png
from sam_widget.export.registry import FORMATS, Format, export, load_dataset, load_masks
from sam_widget.export.sources import images_of
from sam_widget.export.svg import from_svg, to_svg
from sam_widget.export.tables import from_pandas, from_supervision, to_pandas, to_supervision
from sam_widget.export.voc import from_voc, to_voc
from sam_widget.export.yolo import to_yolo
from sam_widget.export.yolo_read import from_yolo
from sam_widget.masks.annotations import AnnotatedImage, Annotation, annotations_of

__all__ = [
    "FORMATS",
    "AnnotatedImage",
    "Annotation",
    "Format",
    "annotations_of",
    "export",
    "from_coco",
    "from_datasets",
    "from_geojson",
    "from_label_studio",
    "from_labelme",
    "from_npz",
    "from_pandas",
    "from_png",
    "from_supervision",
    "from_svg",
    "from_voc",
    "from_yolo",
    "images_of",
    "label_map",
    "load_dataset",
    "load_masks",
    "to_binary_pngs",
    "to_coco",
    "to_cutouts",
    "to_datasets",
    "to_geojson",
    "to_indexed_png",
    "to_label_studio",
    "to_labelme",
    "to_npy",
    "to_npz",
    "to_pandas",
    "to_supervision",
    "to_svg",
    "to_voc",
    "to_yolo",
]
