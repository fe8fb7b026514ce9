"""Find words or examples in a folder of images: one search per image, the images sorted by their best instance."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sam_widget.automatic.finding.finder import Example, Instance, clean_words
from sam_widget.errors import PromptError, SessionError
from sam_widget.folders.batch import BatchReport, run
from sam_widget.folders.image_folder import Album
from sam_widget.image.files import Paths, Shard
from sam_widget.predictor.interface import ModelLike

if TYPE_CHECKING:  # They import torch, which would slow down `sam-widget --help`.
    from sam_widget.automatic.finding.finder import Finder
    from sam_widget.image.reading import RGB
    from sam_widget.image.rendering import SourceImage
    from sam_widget.predictor.embeddings import EmbeddingStore
    from sam_widget.session.found import Found
    from sam_widget.session.session import Session
    from sam_widget.session.state import SegmentedObject


@dataclass(frozen=True, eq=False)
class Hit:
    """What was found in one image.

    Attributes:
        name: The image's path relative to the folder.
        instances: Best first.
    """

    name: str
    instances: tuple[Instance, ...]

    def __repr__(self) -> str:
        """Return one line: the image, how many instances, and the best score."""
        return f"Hit({self.name!r}, {len(self.instances)} found, best {self.instances[0].score:.2f})"


class Near(NamedTuple):
    """An image, and the best score in it below the threshold."""

    name: str
    score: float


@dataclass(frozen=True, eq=False)
class Hits(Sequence[Hit]):
    """What was found in a folder: the images in which something was, best first.

    Attributes:
        hits: One per image.
        report: Images that were searched, those that were left out because it was cancelled, and those that could not
            be searched, with the reason.
        nearest: The best of what did not count as found; None if there is none.
    """

    hits: tuple[Hit, ...]
    report: BatchReport
    nearest: Near | None = None

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, index: Any) -> Any:
        return self.hits[index]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __str__(self) -> str:
        """Return a summary line, followed by one line per image, best first."""
        count = sum(len(hit.instances) for hit in self.hits)
        searched = len(self.report.done)
        lines = [f"{count} found in {len(self.hits)} of {searched} image{'' if searched == 1 else 's'}"]
        lines += [f"{hit.instances[0].score:.2f}  {hit.name}: {len(hit.instances)}" for hit in self.hits]
        return "\n  ".join(lines)

    __repr__ = __str__


def find_folder(
    images: Paths,
    words: Sequence[str] = (),
    *,
    like: Sequence[Any] = (),
    not_like: Sequence[Any] = (),
    sessions: str | Path | None = None,
    model: ModelLike = "tiny",
    finder: str | Finder | None = None,
    threshold: float | None = None,
    limit: int | None = None,
    accept: bool = True,
    store: EmbeddingStore | str | Path | None = None,
    recursive: bool = False,
    shard: Shard | None = None,
    progress: bool | None = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> Hits:
    """Find words or examples in every image of a folder, and save what is found in the images' session files.

    Existing session files are continued: what is an object already is not found again. Images are encoded once: what
    the finder computes is kept in the embedding store, so that later words take milliseconds an image.

    Args:
        images: A folder, an image file, or several of either.
        words: Phrases; see `Session.find`.
        like: Examples: "cat.jpg.sam#3" for object 3, counted from 0, of a session file; (image, object) with the name
            of an image of the folder and the index or id of one of its objects; or an `Example` with features.
        not_like: Counter-examples, in the same way.
        sessions: The folder of the session files; by default they are next to the images.
        model: The model that makes the masks: a name or checkpoint path, a loaded model, or a predictor.
        finder: Name of another finder, or a `Finder`; None for the model's own, as SAM 3 has one, or the embedded one.
        threshold: Score from which an instance counts as found; None for the finder's own.
        limit: The most instances per image.
        accept: Add what is found as objects. Otherwise a session shows it, to be accepted or refused.
        store: An embedding store or its folder. Defaults to the store that every widget uses.
        recursive: Include subfolders.
        shard: Process only this part of the images.
        progress: Show a progress bar; None shows one in a terminal only.
        cancelled: Called at every step; once it returns true, the rest is left out.

    Raises:
        ImageError: The folder does not exist or contains no images.
        PromptError: There is nothing to find, words are not in the vocabulary, or an example is malformed.
        SessionError: The session file of an example does not exist, is damaged, or has no such object.
        ModelError: A model cannot be loaded.
    """
    from sam_widget.automatic.finding.loading import finder_for
    from sam_widget.predictor.with_store import predictor_with_store

    album = Album(images, sessions=sessions, recursive=recursive, shard=shard)
    predictor = predictor_with_store(model, store)
    one = finder_for(predictor, finder)
    wanted = {
        "like": [example_of(given, album, one, predictor) for given in like],
        "not_like": [example_of(given, album, one, predictor) for given in not_like],
        "model": one,
        "threshold": threshold,
        "limit": limit,
    }
    return find_in_album(
        album, words, wanted, predictor=predictor, accept=accept, progress=progress, cancelled=cancelled
    )


def find_in_album(
    album: Album,
    words: Sequence[str],
    wanted: Mapping[str, Any],
    *,
    predictor: Any,
    accept: bool,
    progress: bool | None,
    cancelled: Callable[[], bool],
    live: Callable[[int], Session | None] = lambda _index: None,
    told: Callable[[int, int], object] = lambda _done, _total: None,
    heard: Callable[[int, Hit], object] = lambda _index, _hit: None,
    edit: Callable[[Callable[[], Found | None]], Found | None] = lambda change: change(),
) -> Hits:
    """Find words or examples in every image of an album; see `find_folder`.

    Args:
        album: The images and their session files.
        words: Phrases.
        wanted: The other arguments of `Session.find`; examples must have features.
        predictor: Makes the masks.
        accept: Add what is found as objects.
        progress: Show a progress bar.
        cancelled: Called before every image, and at every step of one.
        live: Returns the open session of the image at an index, if there is one; files of others are opened and closed.
        told: Called with the number of images done and in total.
        heard: Called with the index of an image and what was found in it.
        edit: Calls a function that changes a session, and returns its result. The function is fast; everything slow is
            done before, so that it can run in a thread that must not wait.
    """
    from sam_widget.automatic.finding.store import STORE
    from sam_widget.image.rendering import SourceImage
    from sam_widget.session.searching import search_of, weights_of, wish_of
    from sam_widget.session.session import Session

    words = check_wish(words, wanted)
    finder = wanted["model"]
    places = {path: index for index, path in enumerate(album.images)}
    hits: list[Hit] = []
    near: list[Near] = []
    done = itertools.count(1)

    stopped = False

    def read(path: Path) -> SourceImage | None:
        return None if stopped else SourceImage(path)

    def search(path: Path, source: SourceImage | None) -> bool:
        nonlocal stopped
        stopped = stopped or cancelled()
        if stopped or source is None:
            return False
        index = places[path]
        session = live(index) or at_rest(index, source)
        image = session.source.render(session.state.rendering)
        features = STORE.features(finder, image, predictor, cancelled=cancelled)
        if features is None:
            stopped = True
            return False
        wish = wish_of(session, finder, words, **{name: value for name, value in wanted.items() if name != "model"})
        seen = search_of(wish, wish.ask(finder, features), session.state, weights_of(finder, predictor))
        if seen.faint:
            near.append(Near(album.names[index], seen.faint[0].score))
        # Only if something is found is there an edit. The second search of an image costs milliseconds.
        found = edit(lambda: offer(index, source)) if seen.found else None
        if found:
            hit = Hit(album.names[index], tuple(found))
            hits.append(hit)
            heard(index, hit)
        told(next(done), len(places))
        return True

    def at_rest(index: int, source: SourceImage) -> Session:
        """Return the session of an image, whose edits are not saved."""
        file = album.session_path(index)
        exists = file.exists()
        return Session.load(file, image=source, model=predictor) if exists else Session(source, model=predictor)

    def offer(index: int, source: SourceImage) -> Found:
        """Find in the session of an image, and save it."""
        if (shown := live(index)) is not None:
            return finish(shown)
        file = album.session_path(index)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            session = Session(source, model=predictor)
            found = finish(session)
            session.save(file, keep_image=False)
            session.close()
            return found
        session = Session.load(file, image=source, model=predictor, autosave=file)
        try:
            return finish(session)
        finally:
            session.close()

    def finish(session: Session) -> Found:
        found = session.find(*words, **wanted)
        if found and accept:
            found.accept()
            found.close()
        return found

    report = run(album.images, search, doing="Finding", read=read, progress=progress)
    nearest = max(near, key=lambda one: one.score, default=None)
    return Hits(tuple(sorted(hits, key=lambda hit: -hit.instances[0].score)), report, nearest)


def check_wish(words: Sequence[str], wanted: Mapping[str, Any]) -> Sequence[str]:
    """Return the words to find, without blanks.

    Raises:
        PromptError: There is nothing to find, words are not in the vocabulary, or an option is out of range.
    """
    from sam_widget.session.queries import check_limit, check_threshold

    words = clean_words(words)
    if not words and not wanted["like"]:
        raise PromptError("there is nothing to find; give words, or an example")
    check_threshold(wanted["threshold"] or 0)
    check_limit(wanted["limit"])
    wanted["model"].check(words, wanted["like"], wanted["not_like"])
    return words


def examples_of(given: Any, album: Album, finder: Finder, predictor: Any, session: Session) -> list[Example]:
    """Return the examples of `Gallery.find`; those that name no image are objects of `session`.

    Raises:
        PromptError: One is malformed.
        SessionError: One does not exist.
    """
    pair = isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str | Path)
    several = [given] if pair or not isinstance(given, list | tuple) else list(given)
    examples = []
    for one in several:
        if one is None:
            continue
        if isinstance(one, int | str) or hasattr(one, "stored"):
            name = session.source.reference.name
            item = one if hasattr(one, "stored") else object_in(session.objects, one, name)
            examples.append(described(session.image, item, finder, predictor, name=f"{name}: {item.label}"))
        else:
            examples.append(example_of(one, album, finder, predictor))
    return examples


def example_of(given: Any, album: Album, finder: Finder, predictor: Any) -> Example:
    """Return an example with features, from what `find_folder` accepts.

    Raises:
        PromptError: It is malformed.
        SessionError: The session file does not exist, is damaged, or has no such object.
    """
    if isinstance(given, Example) and given.features is not None:
        return given
    if isinstance(given, str):
        path, _, key = given.rpartition("#")
        if not path:
            raise PromptError(f"{given!r} is not an example; expected a session file and an object: cat.jpg.sam#3")
        return _described(Path(path).expanduser(), key, finder, predictor)
    if isinstance(given, tuple | list) and len(given) == 2:
        image, key = given
        return _described(album.session_path(album.find(image)), key, finder, predictor)
    raise PromptError(f"{given!r:.80} is not an example; expected (image, object), or 'cat.jpg.sam#3'")


def _described(path: Path, key: Any, finder: Finder, predictor: Any) -> Example:
    from sam_widget.session.file.reader import Record

    record = Record.read(path)
    item = object_in(record.objects, key, path.name)
    return described(record.image().rgb, item, finder, predictor, name=f"{record.reference.name}: {item.label}")


def described(image: RGB, item: SegmentedObject, finder: Finder, predictor: Any, *, name: str) -> Example:
    """Return an object of an image (H, W, 3) as an example for other images."""
    from sam_widget.automatic.finding.store import STORE

    features = STORE.features(finder, image, predictor)
    return Example(features=finder.describe(features, item.stored), name=name)


def object_in(objects: Sequence[SegmentedObject], key: Any, where: str) -> SegmentedObject:
    """Return an object by its index, counted from 0, its id or its label.

    Raises:
        SessionError: There is none.
    """
    text = str(key)
    if text.isdecimal() and int(text) < len(objects):
        return objects[int(text)]
    for item in objects:
        if text in {item.id, item.label}:
            return item
    raise SessionError(f"there is no object {text!r} among the {len(objects)} of {where}, counted from 0")
