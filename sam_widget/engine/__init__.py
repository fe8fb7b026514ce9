"""The paper's data engine (section 4): people and a model annotate a folder together, and the model learns from it.

`tuning` teaches a mask decoder what was accepted, on cached embeddings; `guard` decides whether the result is any
better; `acceptance` learns which masks of everything mode a person would accept; `engine` runs the three stages over a
folder and keeps a journal of them. Nothing here draws: the widget and the command line show it.
"""
