from .catalogue import FINDERS, PublishedFinder, load_published

__all__ = ["FINDERS", "PublishedFinder", "load_published"]
