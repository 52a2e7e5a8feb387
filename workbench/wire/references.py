"""What a prompt names without holding it: pictures by their address, files by their id."""

from __future__ import annotations

_TOKENS = 4000
"""Input tokens of one of them, at most."""


def named_only(prompt: bytes) -> int:
    """Return the most tokens that the pictures and files named in a prompt's JSON may add to its own."""
    return _TOKENS * (prompt.count(b"image_url") + prompt.count(b"file_"))
