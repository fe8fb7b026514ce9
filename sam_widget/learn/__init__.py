"""Training: rendered scenes, masked pre-training, promptable training, and evaluation on photos with human masks.

`python -m sam_widget.learn --help` lists one command per stage. This folder trains the embedded models and is teaching
material in itself; it is not needed to use a model. Requires the extra `learn`.
"""
