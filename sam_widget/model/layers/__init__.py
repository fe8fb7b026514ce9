"""Building blocks shared by several models: a cache per image, and linear maps of many tokens."""
