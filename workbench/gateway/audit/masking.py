"""Credentials are never kept: what looks like one is blotted out of a body before it is written or hashed."""

from __future__ import annotations

import re

from workbench.wire.key_format import SEEN

BLOT = b"***"
_NAMED = re.compile(
    rb'("(?:authorization|proxy-authorization|x-api-key|x-goog-api-key|api[-_]?key|access[-_]?token|refresh[-_]?token|'
    rb'client[-_]?secret|secret[-_]?access[-_]?key|session[-_]?token|password|passwd|cookie|set-cookie)"\s*:\s*")'
    rb'(?:[^"\\]|\\.)*(?=")',
    re.IGNORECASE,
)
"""A JSON field whose name says that it holds a credential."""
_SHAPED = re.compile(
    rb"\b(?:" + SEEN.encode() + rb"|sk-[0-9A-Za-z_-]{16,}|gh[pousr]_[0-9A-Za-z]{20,}|xox[abprs]-[0-9A-Za-z-]{10,}|"
    rb"A(?:KIA|SIA)[A-Z0-9]{12,}|AIza[0-9A-Za-z_-]{20,}|hf_[0-9A-Za-z]{20,}|gsk_[0-9A-Za-z]{20,}|"
    rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})"
    rb"|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{16,}"
)
"""What has the shape of a key or a token, wherever it stands."""
_NAME_ENDS = ('key"', 'token"', 'secret"', 'authorization"', 'password"', 'passwd"', 'cookie"')
"""One of them stands in every body with such a field, in small letters; looking for them costs a third."""
_STARTS = {
    "-": ("wb", "sk-", "xox"),
    "_": ("gh", "hf_", "gsk_"),
    "A": ("AKIA", "ASIA", "AIza"),
    "J": ("eyJ",),
    " ": ("earer ",),
}
"""One of them stands in every body with something of such a shape, by a letter that they all need."""


def mask_credentials(body: bytes) -> bytes:
    """Return a body without what looks like a credential; JSON stays JSON."""
    if _may_name(body):
        body = _NAMED.sub(rb"\1" + BLOT, body)
    if _may_hold(body):
        body = _SHAPED.sub(BLOT, body)
    return body


def _may_name(body: bytes) -> bool:
    text = body.lower().decode("latin-1")  # text is searched much faster than bytes, and with one letter for a byte
    for end in _NAME_ENDS:  # noqa: SIM110 - a generator would cost more than the search
        if end in text:
            return True
    return False


def _may_hold(body: bytes) -> bool:
    text = body.decode("latin-1")
    for letter, starts in _STARTS.items():
        if letter in text:
            for start in starts:
                if start in text:
                    return True
    return False
