# %% setup
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import sam_widget as sw

LANG = "en"
guesses = sw.teach.Guesses(lang=LANG)
photo = sw.sample("cat")


def rings(seed, size=192, count=4):
    """Return a picture of rings, and the mask of each middle disc."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] + 0.5
    picture = rng.uniform(90, 130) + rng.normal(0, 6, (size, size, 3))
    masks, taken = [], np.zeros((size, size), bool)
    for _ in range(200):
        radius = rng.uniform(0.14, 0.2) * size
        cx, cy = rng.uniform(radius, size - radius, 2)
        away = np.hypot(x - cx, y - cy)
        if len(masks) == count or (taken & (away < 1.1 * radius)).any():
            continue
        taken |= away < 1.1 * radius
        for share, colour in ((1.0, (200, 190, 120)), (0.7, (90, 140, 200)), (0.35, (220, 90, 90))):
            picture[away < share * radius] = np.array(colour) + rng.uniform(-15, 15, 3)
        masks.append(away < 0.7 * radius)
    return picture.clip(0, 255).astype(np.uint8), np.array(masks)


folder = Path(tempfile.mkdtemp())
taught = {}
for seed in range(6):
    picture, taught[f"rings-{seed}.png"] = rings(seed)
    Image.fromarray(picture).save(folder / f"rings-{seed}.png")

# %% models
for row in sw.models():
    print(f"{row.name:<22} {row.parameters / 1e6:7.1f} million parameters  {'here' if row.local else '-'}")

# %% tune
tiny = sw.load_model("tiny")
tuned = sw.tune(tiny, taught, images=folder, steps=50)
assert tuned is not None, "it needed no fewer clicks on the pictures that were held out"
print(tuned.name)

# %% wand
from scipy import ndimage


def wand(image, points, labels):
    """Return the pixels of about the same colour as each click that are connected with it: a magic wand."""
    mask = np.zeros(image.shape[:2], bool)
    for (x, y), label in zip(points.astype(int), labels, strict=True):
        alike = np.abs(image.astype(int) - image[y, x]).max(axis=2) < 32
        places, _ = ndimage.label(alike)
        mask[places == places[y, x]] = bool(label)
    return mask


# %% ask-cat
guesses.ask(1, "ABC")

# %% compare
compare = sw.Compare(photo, models=[tiny, tuned])
compare

# %% click
table = compare.click(200, 200)
print(table)
differ = (compare.difference == 1).sum() / (compare.difference > 0).sum()
print(f"{differ:.0%} of the pixels that either of them selects are in one mask only")

# %% reveal-cat
print(guesses.reveal(1, "A" if table[1].iou > 0.95 else "B" if table[1].iou > 0.5 else "C"))

# %% ask-race
guesses.ask(2, "ABC")

# %% race
picture, truth = rings(9)
models = {"tiny": tiny, "tuned": tuned, "magic wand": wand}
race = sw.teach.ModelRace(picture, masks=truth, models=models, lang=LANG)
race

# %% many
sets = {"rings": [rings(seed) for seed in (9, 10, 11)], "scenes": [sw.teach.scene(number) for number in (1, 6, 14)]}
courses = {}
for kind, pictures in sets.items():
    for one in pictures:
        image, masks = one if kind == "rings" else (one.image, one.masks)
        panel = sw.teach.ModelRace(image, masks=masks, models=models, most=3)
        for mask in panel.masks:
            for name in models:
                courses.setdefault((kind, name), []).append(panel.course(name, mask))
        panel.close()
means = {key: np.mean([course.ious for course in each], axis=0) for key, each in courses.items()}
for (kind, name), values in means.items():
    print(f"{kind:<7} {name:<11} {len(courses[kind, name])} objects, mean IoU after 1, 2, 3 clicks:", values.round(2))

# %% reveal-race
second = {name: means["rings", name][1] for name in models}
print(guesses.reveal(2, dict(zip(models, "ABC", strict=True))[max(second, key=second.get)]))

# %% ask-forgotten
guesses.ask(3, low=-0.5, high=0.5)

# %% reveal-forgotten
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
for axis, kind in zip(axes, sets, strict=True):
    for name in models:
        axis.plot([1, 2, 3], means[kind, name], marker="o", label=name)
    axis.set(title=kind, xlabel="clicks", ylim=(0, 1), xticks=[1, 2, 3])
axes[0].set_ylabel("mean IoU")
axes[0].legend()
print(guesses.reveal(3, float(means["scenes", "tuned"][0] - means["scenes", "tiny"][0])))

# %% ask-scores
guesses.ask(4)

# %% scores
for kind in sets:
    ious, scores = (
        np.array([[getattr(course, what)[0] for course in courses[kind, name]] for name in ("tiny", "tuned")])
        for what in ("ious", "scores")
    )
    print(f"{kind}: mean score {scores.mean(axis=1).round(2)}, mean true IoU {ious.mean(axis=1).round(2)}")
    clear = np.abs(ious[0] - ious[1]) > 0.02
    agree = ((scores[0] > scores[1]) == (ious[0] > ious[1]))[clear]
    print(f"   of {clear.sum()} objects with a clear winner, the higher score has it in {agree.mean():.0%}")
print(guesses.reveal(4, float(agree.mean())))

# %% times
for name in models:
    ms = [value for (_, other), each in courses.items() if other == name for course in each for value in course.ms]
    print(f"{name:<11} {np.median(ms):6.1f} ms an answer")

# %% vit-b
if next(row.local for row in sw.models() if row.name == "vit_b"):
    print(sw.Compare(photo, models=[tiny, "vit_b"]).click(200, 200))
else:
    print("The weights of vit_b are not on this computer, so nothing can be said about it here.")
    print("With a connection, sw.load_model('vit_b') downloads them (375 MB); then run this cell again.")

# %% guesses
guesses
