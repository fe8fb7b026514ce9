"""Lessons on the papers, and their panels: small widgets that show what happens inside a model.

A panel is made of ipywidgets and of small canvases that Python draws (`picture.py`), and works alone; the lessons in
`notebooks/` combine panels with prose. Texts of panels are in `texts.py`, in English and Traditional Chinese. Nothing
here computes what the predictor does not: panels draw its predictions and traces.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
