"""Many images, many sessions.

`image_folder` pairs the photos of a folder with their session files, `batch` runs a job over many files and reports
failures, `sessions` segments, exports and replays whole folders, `prompt_files` reads prompts from CSV and JSON.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
