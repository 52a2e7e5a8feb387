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
_NAME = re.compile(rb"a(?:uth|pi|ccess)|refresh|se(?:ssion|cret)|passw|cookie")
"""Stands in every such name, in small letters."""
_START = re.compile(rb"wb[xpor]-|sk-|gh[pousr]_|xox|A(?:KIA|SIA|Iza)|hf_|gsk_|eyJ|earer ")
"""Stands in every body that has something of such a shape; looking for it costs a hundredth."""


def mask_credentials(body: bytes) -> bytes:
    """Return a body without what looks like a credential; JSON stays JSON."""
    if _NAME.search(body.lower()) is not None:
        body = _NAMED.sub(rb"\1" + BLOT, body)
    if _START.search(body) is not None:
        body = _SHAPED.sub(BLOT, body)
    return body
