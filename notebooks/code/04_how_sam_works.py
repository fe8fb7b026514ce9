# %% setup
import numpy as np

import sam_widget as sw

LANG = "en"
guesses = sw.teach.Guesses(lang=LANG)
photo = sw.sample("cat")

# %% view
traced = sw.teach.TracedImage(photo, lang=LANG)
traced

# %% click
traced.click(162, 117)  # as if you had clicked on the eye
print(traced.note.text)

# %% ask-similar
guesses.ask(1, "ABC")

# %% embedding
explorer = sw.teach.EmbeddingExplorer(traced, lang=LANG)
explorer

# %% reveal-similar
places = {"A": (235, 90), "B": (335, 135), "C": (430, 60)}
explorer.look_at(162, 117)
similar = {letter: explorer.similarity[traced.subject.cell_at(x, y)] for letter, (x, y) in places.items()}
print({letter: round(float(value), 2) for letter, value in similar.items()})
print(guesses.reveal(1, max(similar, key=similar.get)))

# %% ask-tokens
guesses.ask(2, "ABC")

# %% tokens
tokens = sw.teach.PromptTokens(traced, lang=LANG)
tokens

# %% reveal-tokens
traced.click(162, 117)
print(tuple(traced.trace.prompt_tokens.shape), tokens.names)
print(guesses.reveal(2, "B"))

# %% ask-inside
guesses.ask(3)

# %% attention
attention = sw.teach.AttentionExplorer(traced, lang=LANG)
attention

# %% reveal-inside
predictor = traced.subject.predictor
answer = predictor.predict(traced.embedding, points=[(162, 117)])
mask = answer.masks[answer.best]
# The share of each patch that is inside the mask.
rows, columns = traced.subject.grid
cells = np.zeros((rows, columns, 2))
for y, x in np.ndindex(mask.shape):
    cells[traced.subject.cell_at(x + 0.5, y + 0.5)] += (mask[y, x], 1)
inside = cells[..., 0] / cells[..., 1]
trace = traced.trace
token = 2 + answer.best  # after the IoU token and the token for unambiguous prompts
layers = [*(layer.token_to_image for layer in trace.layers), trace.final_token_to_image]
shares = []
for name, weights in zip(("layer 1", "layer 2", "final"), layers, strict=True):
    reads = traced.cells(weights[0].mean(dim=0)[token].numpy())
    shares.append(float((reads * inside).sum() / reads.sum()))
    print(f"{name}: {shares[-1]:.0%} of the attention is inside the mask, which covers {mask.mean():.0%} of the photo")
print(guesses.reveal(3, shares[-1]))

# %% ask-weights
guesses.ask(4, "ABC")

# %% maker
maker = sw.teach.MaskMaker(traced, lang=LANG)
maker

# %% reveal-weights
print("pixels", tuple(trace.upscaled.shape), "classifiers", tuple(trace.hypernetworks.shape))
count = trace.hypernetworks.shape[-1]
print(f"{mask.size:,} pixels in the photo, {count} weights for a mask")
print(guesses.reveal(4, "A"))

# %% ask-time
guesses.ask(5, low=0, high=50)

# %% time
import time


def milliseconds(step, times=5):
    """Return the shortest of several runs."""
    runs = []
    for _ in range(times):
        began = time.perf_counter()
        step()
        runs.append(1000 * (time.perf_counter() - began))
    return min(runs)


fresh = sw.Predictor(predictor.model, cache=sw.EmbeddingCache())
embed = milliseconds(lambda: fresh.embed(photo, keep=False), times=3)
decode = milliseconds(lambda: predictor.predict(traced.embedding, points=[(162, 117)]).masks)
print(f"image encoder {embed:.0f} ms, prompt to masks {decode:.1f} ms")
print(guesses.reveal(5, embed / decode))

# %% shapes
everything = predictor.trace(traced.embedding, image=photo, points=[(162, 117)])
for name, tensor in everything.tensors().items():
    if not name.startswith("blocks") or name.endswith((".0", "4")):
        print(f"{name:<26} {tuple(tensor.shape)}")

# %% config
config = predictor.config
print(f"{predictor.model.name}: {config.image_size} px, grid {config.grid_size}, {config.prompt_dim} channels,")
print(f"{config.decoder_depth} decoder layers with {config.decoder_heads} heads")

# %% guesses
guesses
