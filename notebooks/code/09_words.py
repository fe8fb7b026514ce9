# %% setup
import numpy as np
from PIL import Image

import sam_widget as sw

LANG = "en"
guesses = sw.teach.Guesses(lang=LANG)
cat, coffee, rocket = sw.sample("cat"), sw.sample("coffee"), sw.sample("rocket")

# %% ask-words
guesses.ask(1, "ABC")

# %% words
s = sw.Session(cat)
found = {word: s.find(word) for word in ("cat", "dog", "animal", "貓")}
for word, result in found.items():
    print(f"{word:<7} {result.message}; presence {result.search.presence[0]:.3f}")

# %% reveal-words
answers = {"cat": "A", "cat animal": "B", "cat dog animal": "C"}
words = " ".join(word for word in ("cat", "dog", "animal") if len(found[word]))
print(guesses.reveal(1, answers.get(words, words)))

# %% finder
finder = sw.teach.WordFinder(coffee, words="cup, spoon", lang=LANG)
finder

# %% ask-threshold
guesses.ask(2)

# %% threshold
import time

c = sw.Session(coffee)
found = c.find("spoon")
print(found.message)
began = time.perf_counter()
lower = found.sift(found.search.instances[0].score)
print(f"{1000 * (time.perf_counter() - began):.1f} ms for another threshold")
print(f"the first that is found has {lower[0].area / coffee[..., 0].size:.0%} of the photo")
print(guesses.reveal(2, lower[0].score))

# %% ladle
for word in ("ladle", "red cup", "blue cup", "largest thing"):
    best = c.find(word).search.instances[:1]
    print(f"{word:<14}", f"{best[0].score:.2f}, {best[0].area} pixels" if best else "no mask could be it")

# %% ask-crop
guesses.ask(3, "ABC")

# %% names
names = sw.teach.MaskNames(coffee, x=580, y=30, word="cup", lang=LANG)
names

# %% reveal-crop
table = names.naming
for way in ("crop", "under", "agreed"):
    print(f"{way:<7}", ", ".join(f"{name} {value:.2f}" for name, value in table.best(way, 3)))
name, value = table.best("crop", 1)[0]
print(guesses.reveal(3, "C" if name == "espresso" and value > 0.5 else "B" if "table" in name else "A"))

# %% ask-silence
guesses.ask(4, "ABC")

# %% silence
r = sw.Session(rocket)
print(r.find("rocket").message)
# A box around the rocket makes a mask of it, which the same classifier names.
r.drag(310, 130, 358, 427)
by_hand = r.chosen.mask
named = sw.teach.name_mask(rocket, by_hand)
print("under the mask:", ", ".join(f"{name} {value:.2f}" for name, value in named.best("under", 2)))
for word in ("rocket", "space shuttle"):
    print(f"{word}: {named.of(word)['agreed']:.2f} if both crops have to agree")
height, width = by_hand.shape
rows, columns = ((np.arange(16) + 0.5) * side // 16 for side in (height, width))
print(f"{by_hand[np.ix_(rows.astype(int), columns.astype(int))].sum()} of the 256 points of the grid are on the rocket")
overlap = [(one.mask & by_hand).sum() / (one.mask | by_hand).sum() for one in r.find("thing").search.instances]
print(f"of the {len(overlap)} masks that the search has, the nearest to it has an IoU of {max(overlap):.2f}")
no_mask, no_name = max(overlap) < 0.5, named.of("rocket")["agreed"] < found.threshold
print(guesses.reveal(4, "C" if no_mask and no_name else "A" if no_mask else "B"))

# %% ask-squashed
guesses.ask(5, "ABC")

# %% squashed
s.click(200, 200)
s.click(30, 60, label=0)
mask, noise = s.chosen.mask, np.random.default_rng(0)
for width, grain in ((451, 0), (113, 0), (113, 60)):
    small = np.asarray(Image.fromarray(cat).resize((width, 300)), float)
    grainy = (small + noise.normal(0, grain, small.shape)).clip(0, 255).astype(np.uint8)
    squashed = sw.teach.name_mask(grainy, np.asarray(Image.fromarray(mask).resize((width, 300))))
    says = {word: round(squashed.of(word)["agreed"], 2) for word in ("cat", "dog")}
    print(f"{width} pixels wide, grain {grain}: {says}, best name {squashed.best('agreed', 1)[0][0]}")
print(guesses.reveal(5, "A" if says["cat"] >= 0.5 else "B" if says["dog"] >= 0.5 else "C"))

# %% ask-like
guesses.ask(6, "ABC")

# %% like
r.clear()
r.drag(24, 0, 93, 293)
r.accept("tower")
alike = r.find(like=0, threshold=0.2)
for one in alike:
    x, y, width, height = one.stored.bounds
    print(f"score {one.score:.2f}, at ({x + width // 2}, {y + height // 2}), {one.area} pixels")
x, _, width, _ = alike[0].stored.bounds
print(guesses.reveal(6, "B" if x > 500 else "A" if x < 120 else "C"))

# %% not-like
before = len(alike)
alike = alike.refuse(len(alike) - 1)
print(f"{before} were found, and {len(alike)} after refusing the last one")
alike.accept()
[(one.label, one.area) for one in r.objects]

# %% yours
sw.teach.WordFinder(rocket, words="crane, ship", lang=LANG)

# %% guesses
guesses
