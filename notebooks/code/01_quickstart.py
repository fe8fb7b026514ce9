# %% view
import sam_widget as sw

photo = sw.sample("cat")
w = sw.SamWidget(photo)
w

# %% objects
for thing in w.objects:
    print(f"{thing.label}: {thing.area} pixels, box {thing.box.corners}, score {thing.score:.2f}")

# %% ask-which
LANG = "en"
guesses = sw.teach.Guesses(lang=LANG)
guesses.ask(1, "ABC")

# %% session
s = sw.Session(photo)
s.click(200, 200)

for candidate in s.candidates:
    print(candidate.mask.shape, candidate.mask.dtype, f"score {candidate.score:.2f}", f"{candidate.mask.sum()} pixels")

# %% three
import matplotlib.pyplot as plt
import numpy as np

figure, axes = plt.subplots(1, 3, figsize=(12, 3), layout="constrained")
for number, (axis, candidate) in enumerate(zip(axes, s.candidates, strict=True), start=1):
    shown = np.where(candidate.mask[..., None], photo, photo // 4)
    axis.imshow(shown)
    axis.plot(200, 200, "*", color="white", markersize=14, markeredgecolor="black")
    axis.set_title(f"mask {number}: score {candidate.score:.2f}" + (" (chosen)" if candidate is s.chosen else ""))
    axis.axis("off")

# %% reveal-which
by_size = sorted(s.candidates, key=lambda candidate: candidate.mask.sum())
print(guesses.reveal(1, "ABC"[by_size.index(s.chosen)]))

# %% accept
s.click(30, 60, label=0)  # "not the wall"
cat = s.accept("cat")

s.drag(125, 85, 220, 160)  # a box around an eye
eye = s.accept("eye")

labels = np.zeros(photo.shape[:2], dtype=np.uint8)
for number, thing in enumerate(s.objects, start=1):
    labels[thing.mask] = number

plt.figure(figsize=(5, 3.4), layout="constrained")
plt.imshow(photo)
plt.imshow(np.ma.masked_equal(labels, 0), alpha=0.55, cmap="Set1", vmin=1, vmax=9, interpolation="nearest")
plt.title(", ".join(thing.label for thing in s.objects))
_ = plt.axis("off")

# %% ask-words
guesses.ask(2, "ABCD")

# %% find
t = sw.Session(sw.sample("coffee"))
found = t.find("cup", "spoon")

print(found.message)
for one in found.search.instances[:4]:  # those below the threshold too
    print(one)

names = {one.word for one in found}
print(guesses.reveal(2, {2: "A", 0: "D"}.get(len(names), "B" if "cup" in names else "C")))

# %% embed
import timeit

predictor = sw.Predictor("tiny")
embedding = predictor.embed(sw.sample("coffee"))
seconds = timeit.timeit(lambda: predictor.predict(embedding, points=[(300, 150)]), number=5) / 5
print(f"{1000 * seconds:.0f} ms per prompt")

# %% predict
result = predictor.predict(embedding, points=[(300, 150), (560, 350)], labels=[1, 0])
result.masks.shape, result.scores, result.best

# %% guesses
guesses

# %% lessons
sw.lessons()
