"""The `sam-widget` command: `cli` defines its subcommands, `terminal` prints progress and tables."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
