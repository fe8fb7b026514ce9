"""Addresses: what is one, and what of it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_widget.image.addresses import is_url, split_host, without_secrets
from sam_widget.image.provenance import Reference


@pytest.mark.parametrize("source", ["http://x/y", "HTTPS://x", " data:image/png,x", "data:"])
def test_is_url(source: str) -> None:
    assert is_url(source)


@pytest.mark.parametrize("source", ["x.png", "ftp://x", "httpx", "c:/x", b"http://x", Path("http://x"), None, 3])
def test_is_not_url(source: object) -> None:
    assert not is_url(source)


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://example.org/cat.jpg", "https://example.org/cat.jpg"),
        ("https://example.org/get?id=3&size=large%20one", "https://example.org/get?id=3&size=large%20one"),
        ("https://me:secret@example.org:8443/cat.jpg#token=1", "https://example.org:8443/cat.jpg"),
        (
            "https://bucket.s3.amazonaws.com/cat.jpg?X-Amz-Algorithm=A&X-Amz-Credential=AKIA&X-Amz-Date=1&X-Amz-Signature=S&v=2",
            "https://bucket.s3.amazonaws.com/cat.jpg?v=2",
        ),
        (
            "https://a.blob.core.windows.net/c/cat.jpg?sv=2024&sig=S",
            "https://a.blob.core.windows.net/c/cat.jpg?sv=2024",
        ),
        ("https://example.org/cat.jpg?access_token=T&id=3", "https://example.org/cat.jpg?id=3"),
        ("https://maps.example.org/tile?z=3&key=AIza", "https://maps.example.org/tile?z=3"),
        (
            "https://d1.cloudfront.net/cat.jpg?Expires=1&Signature=S&Key-Pair-Id=K&Policy=P",
            "https://d1.cloudfront.net/cat.jpg?Expires=1",
        ),
    ],
)
def test_a_session_keeps_addresses_without_secrets(address: str, kept: str) -> None:
    assert without_secrets(address) == kept
    assert Reference.of(address).url == kept


@pytest.mark.parametrize(
    ("netloc", "parts"),
    [
        ("example.org", ("", "example.org")),
        ("me:secret@example.org:8443", ("me:secret", "example.org:8443")),
        ("me:s@cret@example.org", ("me:s@cret", "example.org")),
    ],
)
def test_the_host_begins_after_the_last_at_sign(netloc: str, parts: tuple[str, str]) -> None:
    assert split_host(netloc) == parts
