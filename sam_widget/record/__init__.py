"""Work that lasts: the session file, and what can be done with one later.

`file` is the file itself: one SQLite database, whose tables its docstring describes; it knows nothing of images and
models. `documents` turns the states of a session into what the file holds, and back. `recorder` keeps a session and
its file in step. `replay` runs a record again on another model or image, and `code` writes it down as Python.
Nothing here imports torch before a model is run.
"""
