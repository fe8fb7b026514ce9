"""How it learns: rendered scenes, masked pre-training, promptable training, and evaluation on photos with human masks.

`python -m sam_widget.learn --help` lists one command a stage. This folder trains the embedded models and is teaching
material in itself; nothing in it is needed to use one. Needs the extra `learn`.
"""
