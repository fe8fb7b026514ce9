"""Who may ask a server, and whose images are whose."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from sam_widget.errors import SessionError

# Images that are remembered of each person; a client sends a forgotten one again.
REMEMBERED = 10_000
SHORTEST_TOKEN = 16


class People:
    """Tokens of people, and which images each has sent.

    The hash of an image yields its embedding only to those who have sent the image themselves.

    Attributes:
        is_remote: Whether `whose` may have to ask another machine.
    """

    is_remote = False

    def __init__(self, tokens: Mapping[str, str], *, share: bool = False) -> None:
        """Take everyone's token.

        Args:
            tokens: Token by name.
            share: Let everyone ask for everyone's images by their hashes.
        """
        self._tokens = dict(tokens)
        self._share = share
        self._sent: dict[str, OrderedDict[str, None]] = {}

    @classmethod
    def read(cls, path: str | Path, *, share: bool = False) -> People:
        """Read a file with a name and a token in each line; "#" begins a comment.

        Raises:
            SessionError: The file cannot be read, or a line is not a name and a token.
        """
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SessionError(f"the file of tokens {str(path)!r} cannot be read: {error}") from error
        tokens: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if len(words) != 2 or len(words[1]) < SHORTEST_TOKEN:
                raise SessionError(
                    f"line {number} of {str(path)!r} is not a name and a token of at least {SHORTEST_TOKEN} characters "
                    "with a space between; `sam-widget serve --new-token NAME` prints such a line"
                )
            name, token = words
            if name in tokens or token in tokens.values():
                raise SessionError(f"line {number} of {str(path)!r} repeats a name or a token; each needs its own")
            tokens[name] = token
        if not tokens:
            raise SessionError(f"the file of tokens {str(path)!r} is empty; expected a name and a token in each line")
        return cls(tokens, share=share)

    @property
    def names(self) -> tuple[str, ...]:
        """Everyone's name."""
        return tuple(self._tokens)

    def whose(self, token: str) -> str | None:
        """Return whose token this is, in the same time for every token."""
        given = token.encode()
        found = [name for name, own in self._tokens.items() if hmac.compare_digest(own.encode(), given)]
        return found[0] if found else None

    def sent(self, who: str, digest: str) -> None:
        """Remember that a person has sent an image."""
        known = self._sent.setdefault(who, OrderedDict())
        known[digest] = None
        known.move_to_end(digest)
        while len(known) > REMEMBERED:
            known.popitem(last=False)

    def may_ask(self, who: str, digest: str) -> bool:
        """Whether a person may have the embedding of an image by its hash."""
        return self._share or digest in self._sent.get(who, ())


def new_token() -> str:
    """Return a random token."""
    return secrets.token_urlsafe(24)
