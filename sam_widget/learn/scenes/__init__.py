"""Rendered training scenes: pictures whose every region is known exactly.

`scenes` composes one; `canvas` draws on it; `shapes`, `textures` and `materials` make its surfaces; `backdrops`,
`things`, `plants` and `creatures` fill it; `artefacts` and `camera` degrade it as photography does.
"""
