# %% folder
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import sam_widget as sw

LANG = "en"
guesses = sw.teach.Guesses(lang=LANG)
photos = Path(tempfile.mkdtemp()) / "photos"
photos.mkdir()
for name in ("astronaut", "cat", "coffee", "rocket"):
    Image.fromarray(sw.sample(name)).save(photos / f"{name}.png")
sorted(path.name for path in photos.iterdir())

# %% ask-again
guesses.ask(1, "ABC")

# %% embed
import time

seconds = []
for _ in range(2):
    began = time.perf_counter()
    print(sw.embed_folder(photos, store=photos.parent / "embeddings"))
    seconds.append(time.perf_counter() - began)
print(f"first {seconds[0]:.2f} s, again {seconds[1]:.2f} s")

# %% reveal-again
share = seconds[1] / seconds[0]
print(guesses.reveal(1, "A" if share > 0.75 else "B" if share > 0.25 else "C"))

# %% gallery
gallery = sw.Gallery(photos, store=photos.parent / "embeddings")
gallery

# %% label
gallery.go("cat.png")
gallery.drag(90, 65, 285, 235)
gallery.accept("face")
gallery.mark()

gallery.go("coffee.png")
gallery.click(320, 200)
gallery.accept("cup")
gallery.drag(430, 60, 560, 330)
gallery.accept("spoon")
gallery.mark()

gallery.go("rocket.png")
gallery.drag(310, 130, 358, 427)
gallery.accept("rocket")

# %% overview
for row in gallery.overview:
    print(f"{row.name:<14} {row.objects} objects  {'done' if row.done else ''}")

# %% files
sorted(path.name for path in photos.iterdir())

# %% ask-undo
guesses.ask(2, "ABC")

# %% tomorrow
gallery.close()
tomorrow = sw.Gallery(photos, store=photos.parent / "embeddings")
print("opens at the first photo that is not done:", tomorrow.name)
tomorrow.go("coffee.png")
before = [thing.label for thing in tomorrow.objects]
tomorrow.undo()
undone = [thing.label for thing in tomorrow.objects]
tomorrow.redo()
print(before, undone, [thing.label for thing in tomorrow.objects])
print(guesses.reveal(2, "A" if not before else "B" if undone == before else "C"))

# %% ask-size
guesses.ask(3, low=0, high=110)

# %% coco
from pycocotools.coco import COCO

tomorrow.export(photos.parent / "annotations.json")
kilobytes = (photos.parent / "annotations.json").stat().st_size / 1000
coco = COCO(photos.parent / "annotations.json")

figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
for axis, image in zip(axes, coco.imgs.values(), strict=False):
    shown = np.array(Image.open(photos / image["file_name"]))
    for annotation in coco.loadAnns(coco.getAnnIds(image["id"])):
        mask = coco.annToMask(annotation).astype(bool)
        shown[mask] = shown[mask] // 2 + np.array([0, 90, 125], dtype=np.uint8)
    axis.imshow(shown)
    axis.set_title(image["file_name"])
    axis.axis("off")

# %% reveal-size
print(guesses.reveal(3, kilobytes))

# %% help
import subprocess
import sys


def sam_widget(*arguments):
    """Run the command as in a terminal, and print what it says."""
    command = [sys.executable, "-m", "sam_widget", *map(str, arguments)]
    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


sam_widget("--help")

# %% command
sam_widget("export", photos, "-o", photos.parent / "masks", "--format", "indexed_png")
sorted(path.name for path in (photos.parent / "masks").iterdir())

# %% guesses
tomorrow.close()
guesses
