# %% rings
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import sam_widget as sw

LANG = "en"
guesses = sw.teach.Guesses(lang=LANG)


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
    return picture.clip(0, 255).astype(np.uint8), masks


photos = Path(tempfile.mkdtemp()) / "rings"
photos.mkdir()
truth = {}
for seed in range(12):
    picture, truth[f"rings-{seed:02d}.png"] = rings(seed)
    Image.fromarray(picture).save(photos / f"rings-{seed:02d}.png")

figure, axes = plt.subplots(1, 4, figsize=(10, 2.5), layout="constrained")
for axis, name in zip(axes, truth, strict=False):
    shown = np.array(Image.open(photos / name))
    axis.imshow(np.where(np.any(truth[name], axis=0)[..., None], shown, shown // 3))
    axis.axis("off")

# %% ask-clicks
guesses.ask(1, low=1, high=10)

# %% before
tests = {name: truth[name] for name in list(truth)[9:]}
before = sw.evaluate_clicks("tiny", tests, images=photos)
before

# %% reveal-clicks
print(guesses.reveal(1, before.noc85))

# %% annotate
from sam_widget.engine.simulated import SimulatedAnnotator

annotator = SimulatedAnnotator(truth)
store = photos.parent / "embeddings"
e = sw.DataEngine(photos, clock=annotator.clock, store=store, who="simulated", points_per_side=12)
e.look_ahead()
print(e.advice)

for _ in range(6):
    photo = e.next_photo()
    added = annotator.annotate(e, photo)
    print(f"{e.album.names[photo]}: {added} masks in {annotator.time:.0f} seconds so far")

# %% ask-tuned
guesses.ask(2)

# %% round
result = e.round(steps=50)
print(e.report().rounds[-1].reason)
e.advice

# %% after
after = sw.evaluate_clicks(e.predictor, tests, images=photos)
print(f"clicks to IoU 0.85: {before.noc85:.2f} with tiny, {after.noc85:.2f} now")
print(f"mean IoU after one click: {before.miou[1]:.2f} with tiny, {after.miou[1]:.2f} now")
print(guesses.reveal(2, float(after.miou[1])))

# %% stage-2
learned = e.acceptance()
print(f"of the masks it would fill in, about {learned.expected:.0%} are right; they are {learned.recall:.0%} of all")

e.stage = 2
for _ in range(2):
    photo = e.next_photo()
    filled = e.prefill(photo)
    print(f"{e.album.names[photo]}: {filled} filled in, {annotator.annotate(e, photo)} added by hand")

# %% ask-automatic
guesses.ask(3)

# %% stage-3
print(e.automatic(crops=0))
print(e.start_check(10), "masks are drawn")
annotator.check(e)
print(e.agreement)

# %% reveal-automatic
share, low, high = e.agreement.above(0.9)
print(guesses.reveal(3, share))
print(f"above IoU 0.75: {e.agreement.above(0.75)[0]:.0%}")

# %% report
e.report()

# %% chart
figure = e.report().figure()
figure

# %% record
for entry in e.report().entries[:3] + e.report().entries[-3:]:
    who = entry.who or "automatic"
    print(entry.photo, f"stage {entry.stage}", entry.model[:24], f"{entry.clicks} clicks, {entry.seconds} s", who)
e.close()

# %% guesses
guesses
