# %% setup
import tempfile
from pathlib import Path

import numpy as np

import sam_widget as sw

LANG = "en"
guesses = sw.teach.Guesses(lang=LANG)
car = sw.teach.scene(6)

# %% ask-small
guesses.ask(1, "ABC")

# %% losses
small = sw.teach.scene(16)
losses = sw.teach.LossTerms(small.image, masks=small.masks, target=5, lang=LANG)
losses

# %% reveal-small
sizes = {}
for number, mask in enumerate(losses.masks):
    losses.choice.value = number
    losses.set_mask(np.zeros_like(mask))
    sizes[float(mask.mean())] = 20 * losses.focal, losses.dice
for share, (focal, dice) in sorted(sizes.items()):
    print(f"object of {share:5.1%}: an empty mask costs 20 x focal {focal:.2f}, dice {dice:.2f}")
focal, dice = sizes[min(sizes)]
print(guesses.reveal(1, "A" if focal > 1.5 * dice else "B" if dice > 1.5 * focal else "C"))

# %% ask-training
guesses.ask(2, low=0, high=1)

# %% train
training = sw.teach.PromptTraining(seconds=20, lang=LANG)
training.start()
training

# %% reveal-training
training.wait()
before, after = training.before, training.after
print(f"{training.steps} steps: one click {before.one:.2f} -> {after.one:.2f}, three clicks {after.three:.2f}")
print(f"best of the three masks {after.oracle:.2f}, score off by {after.off:.2f}")
print(guesses.reveal(2, after.one))

# %% ask-rounds
guesses.ask(3, "ABC")

# %% rounds
rounds = sw.teach.CorrectionRounds(car.image, masks=car.masks, target=7, lang=LANG)
rounds

# %% reveal-rounds
ious = {True: [], False: []}
for number in range(len(rounds.masks)):
    rounds.choice.value = number
    for masked, found in rounds.rounds.items():
        ious[masked].append([one.iou for one in found])
for masked, table in ious.items():
    means = np.mean(table, axis=0)
    print("with the mask" if masked else "clicks alone ", *(f"{mean:.2f}" for mean in means))
first, last = means[0], means[-1]
gains = np.diff(means)
print(guesses.reveal(3, "ABC"[0 if gains[0] > 0.5 * (last - first) else 2 if gains[-1] > gains[0] else 1]))

# %% ask-broken
guesses.ask(4, "ABC")

# %% race
start = training.export(Path(tempfile.mkdtemp()) / "mine.safetensors")
runs = ["everything", "no_minimum", "no_score", "no_focal", "no_dice", "no_corrections"]
race = sw.teach.TrainingRace(runs, chosen=runs[:3], starts=start, seconds=15, lang=LANG)
race.start()
race

# %% reveal-broken
race.wait()
print(race.table())
results = {one.name: one for one in race.results}
closer = results["no_minimum"].agreement - results["everything"].agreement
print(guesses.reveal(4, "A" if closer > 0.05 else "B" if closer < -0.05 else "C"))

# %% guesses
guesses
