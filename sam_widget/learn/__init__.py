"""How it learns: rendered scenes, promptable training, and evaluation on photos with human masks.

`python -m sam_widget.learn --help` lists one command a stage. This folder trains the embedded model and is teaching
material in itself; nothing in it is needed to use a model. Needs the extra `learn`.
"""
