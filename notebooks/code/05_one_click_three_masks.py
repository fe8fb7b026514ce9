# %% setup
import numpy as np

import sam_widget as sw

LANG = "en"
guesses = sw.teach.Guesses(lang=LANG)
photo = sw.sample("cat")

# %% draw
expected = sw.teach.ExpectedMask(photo, clicks=[(200, 200), (162, 117), (240, 215)], lang=LANG)
expected

# %% drawn
for one in expected.kept:
    print(f"click {one.click}: scores {one.scores.round(2)}, IoU with yours {one.ious.round(2)}")

# %% sizes
predictor = sw.Predictor("tiny")
embedding = predictor.embed(photo)
for x, y in expected.clicks:
    answer = predictor.predict(embedding, points=[(x, y)])
    areas = answer.masks.mean(axis=(1, 2))
    print(
        f"({x:.0f}, {y:.0f})", *(f"{score:.2f} ({area:.0%})" for score, area in zip(answer.scores, areas, strict=True))
    )

# %% ask-where
guesses.ask(1, "ABC")

# %% landscape
landscape = sw.teach.ClickLandscape(photo, lang=LANG)
landscape

# %% landscape-run
landscape.run()
print(f"{landscape.score.size} clicks in {landscape.seconds:.1f} s")

# %% reveal-where
places = {"A": (180, 60, 240, 90), "B": (135, 95, 190, 140), "C": (400, 20, 445, 120)}
x, y = landscape.points.T
agreement = {}
for letter, (x0, y0, x1, y1) in places.items():
    inside = (x > x0) & (x < x1) & (y > y0) & (y < y1)
    agreement[letter] = landscape.agreement.ravel()[inside].mean()
    print(letter, f"{inside.sum()} clicks, mean agreement {agreement[letter]:.2f}")
print(guesses.reveal(1, min(agreement, key=agreement.get)))

# %% ask-off
guesses.ask(2, low=0, high=0.5)

# %% check
car = sw.teach.scene(6)
check = sw.teach.ScoreCheck(car.image, masks=car.masks, target=7, lang=LANG)
check

# %% many
from sam_widget.masks.distance import next_click

scores, stabilities, truths, singles = [], [], [], []
for number in (1, 6, 14, 18):
    scene = sw.teach.scene(number)
    features = predictor.embed(scene.image)
    for mask in scene.masks:
        middle, _ = next_click(np.zeros_like(mask), mask)
        three = predictor.predict_many(features, points=[[middle]])[0]
        one = predictor.predict(features, points=[middle], multimask=False)
        scores.append(three.scores)
        stabilities.append(three.stability)
        truths.append([(found & mask).sum() / (found | mask).sum() for found in three.masks])
        singles.append((one.masks[0] & mask).sum() / (one.masks[0] | mask).sum())
scores, stabilities, truths = np.array(scores), np.array(stabilities), np.array(truths)
print(f"{len(truths)} objects, {truths.size} masks")

# %% many-chart
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained", sharey=True)
for axis, values, name in zip(axes, (scores, stabilities), ("score", "stability"), strict=True):
    axis.scatter(values, truths, s=14)
    axis.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axis.set(xlabel=name, ylabel="true IoU", xlim=(0, 1), ylim=(0, 1))
    print(f"{name}: correlation with the true IoU {np.corrcoef(values.ravel(), truths.ravel())[0, 1]:.2f}")

# %% reveal-off
chosen = scores.argmax(axis=1)[:, None]
predicted, true = (np.take_along_axis(values, chosen, axis=1) for values in (scores, truths))
print(guesses.reveal(2, float(np.abs(predicted - true).mean())))

# %% ask-mask
guesses.ask(3, "ABC")

# %% ladder
flower = sw.teach.scene(14)
ladder = sw.teach.PromptLadder(flower.image, masks=flower.masks, target=6, lang=LANG)
ladder

# %% reveal-mask
rungs = {rung.kind: rung for rung in ladder.rungs}
for rung in rungs.values():
    print(f"{rung.kind:<7} agreement {rung.agreement:.2f}, true IoU of the chosen mask {rung.ious[rung.best]:.2f}")
change = rungs["mask"].ious[rungs["mask"].best] - rungs["click"].ious[rungs["click"].best]
print(guesses.reveal(3, "A" if change > 0.1 else "C" if change < -0.1 else "B"))

# %% why
print(f"one mask                               {np.mean(singles):.2f}")
print(f"three masks, the one with the score    {true.mean():.2f}")
print(f"three masks, the one that was meant    {truths.max(axis=1).mean():.2f}")

# %% guesses
guesses
