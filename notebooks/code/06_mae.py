# %% setup
import numpy as np
import torch

import sam_widget as sw

LANG = "en"
torch.set_num_threads(1)  # models as small as these are fastest on one core
guesses = sw.teach.Guesses(lang=LANG)
photo = sw.sample("coffee")

# %% ask-pattern
guesses.ask(1, "ABC")

# %% hide
hidden = sw.teach.HiddenPatches(photo, lang=LANG)
hidden

# %% reveal-pattern
errors = {}
for letter, pattern in zip("ABC", ("random", "block", "grid"), strict=True):
    hidden.pattern.value, rows = pattern, []
    for seed in range(5):
        hidden.seed.value = seed
        rows.append((hidden.error, hidden.interpolation_error))
    errors[letter], between = np.mean(rows, axis=0)
    print(f"{pattern:<7} error {errors[letter]:5.1f}   interpolation {between:5.1f}")
print(guesses.reveal(1, max(errors, key=errors.get)))

# %% ask-ratio
guesses.ask(2, low=1, high=8)

# %% reveal-ratio
import time


def shortest(step, times=5):
    """Return the shortest of several runs, in milliseconds."""
    runs = []
    for _ in range(times):
        began = time.perf_counter()
        step()
        runs.append(1000 * (time.perf_counter() - began))
    return min(runs)


model, count = hidden.model, hidden.mask.size
pixels = model.normalise(torch.from_numpy(hidden.original).permute(2, 0, 1)[None])
milliseconds, by_ratio = {}, {}
hidden.pattern.value = "random"
for ratio in (25, 50, 90, 75):
    hidden.ratio.value, rows = ratio, []
    for seed in range(5):
        hidden.seed.value = seed
        rows.append(hidden.error)
    by_ratio[ratio] = np.mean(rows)
for visible in (count, count // 4):
    masking = model.random_masking(torch.rand(1, count), visible=visible)
    milliseconds[visible] = shortest(lambda masking=masking: model.forward_encoder(pixels, masking))
for ratio, error in sorted(by_ratio.items()):
    print(f"{ratio}% hidden: error {error:5.1f}")
for visible, taken in milliseconds.items():
    print(f"encoder on {visible} patches: {taken:.1f} ms")
print(guesses.reveal(2, milliseconds[count] / milliseconds[count // 4]))

# %% ask-visible
guesses.ask(3, "ABC")

# %% reveal-visible
seen = model.reconstruct(photo, seed=0)
squares = ((seen.prediction.astype(float) - seen.original) / 255) ** 2
patches = 1000 * squares.reshape(hidden.side, 8, hidden.side, 8, 3).mean(axis=(1, 3, 4))
print(f"error in hidden patches  {patches[seen.mask].mean():5.1f}")
print(f"error in visible patches {patches[~seen.mask].mean():5.1f}")
print(guesses.reveal(3, "B" if patches[~seen.mask].mean() > 5 else "A"))

# %% prediction
seen.figure(width=10)

# %% ask-training
guesses.ask(4, "AB")

# %% train
training = sw.teach.MaeTraining(photo, seconds=15, lang=LANG)
training.start()
training

# %% reveal-training
training.wait()
print(f"{training.steps} steps, loss {np.mean(training.losses[:10]):.2f} -> {np.mean(training.losses[-10:]):.2f}")
print(f"error {training.error:.1f}, interpolation {training.interpolation_error:.1f}")
print(guesses.reveal(4, "A" if training.error < training.interpolation_error else "B"))

# %% targets
target = model.patchify(pixels)[0]  # (patches, numbers)
within = target.var(dim=1).mean()
print(f"{within / target.var():.0%} of the variance of this photo is inside patches, the rest is between them")

# %% ask-tuning
guesses.ask(5, "ABC")

# %% race
race = sw.teach.TrainingRace(["mae", "scratch"], starts={"mae": training}, seconds=15, lang=LANG)
race.start()
race

# %% reveal-tuning
race.wait()
print(race.table())
mae, scratch = race.results
gain = mae.oracle - scratch.oracle
print(guesses.reveal(5, "A" if gain > 0.03 else "B" if gain < -0.03 else "C"))

# %% guesses
guesses
