"""URLs of images: recognise them, and strip secrets from them before they are stored or shown."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

# Query parameters of signed addresses (S3, Google, Azure, CloudFront), and others that grant access.
_SECRET = re.compile(
    r"sig$|signature|token|secret|credential|passw|pwd|api.?key|access.?key|accesskeyid|auth|^key$|key.?pair|^policy$"
    r"|session|^code$|jwt",
    re.IGNORECASE,
)


def is_url(source: object) -> bool:
    """Whether `source` is a string that names an http, https or data URL."""
    return isinstance(source, str) and source.lstrip()[:8].lower().startswith(("http://", "https://", "data:"))


def split_host(netloc: str) -> tuple[str, str]:
    """Split the network location of a URL into "user:password", which may be empty, and "host:port"."""
    secret, _, host = netloc.rpartition("@")
    return secret, host


def without_secrets(url: str) -> str:
    """Return a URL that is safe to store: without user name, password, fragment and signed parameters.

    Raises:
        ValueError: The URL is malformed.
    """
    parts = urlsplit(url.strip())
    given = parse_qsl(parts.query, keep_blank_values=True)
    harmless = [(key, value) for key, value in given if not _SECRET.search(key)]
    # The other parameters are kept verbatim.
    query = parts.query if len(harmless) == len(given) else urlencode(harmless)
    if len(harmless) < len(given) and any(key.lower().startswith(("x-amz-", "x-goog-")) for key, _ in given):
        query = urlencode([pair for pair in harmless if not pair[0].lower().startswith(("x-amz-", "x-goog-"))])
    return urlunsplit(parts._replace(netloc=split_host(parts.netloc)[1], query=query, fragment=""))
