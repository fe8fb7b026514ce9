"""Building blocks of more than one model: a cache per image, and linear maps of many tokens."""
