"""Layers that several models share: attention with relative positions, token maps, per-image caches."""
