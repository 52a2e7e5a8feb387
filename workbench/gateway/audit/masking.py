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


_NAMES = (
    b"authorization", b"api-key", b"api_key", b"apikey", b"access_token", b"access-token", b"accesstoken",
    b"refresh_token", b"refresh-token", b"refreshtoken", b"session_token", b"session-token", b"sessiontoken",
    b"secret", b"passw", b"cookie",
)  # fmt: skip
_WITHIN = (b"auth", b"api", b"access", b"refresh", b"session", b"secret", b"passw", b"cookie")
"""One of these is in every such name."""
_STARTS = (
    b"wbx-", b"wbp-", b"wbo-", b"wbr-", b"sk-", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"xox", b"AKIA", b"ASIA",
    b"AIza", b"hf_", b"gsk_", b"eyJ", b"earer ",
)  # fmt: skip
"""One of these is in every body that the patterns find something in: looking for them costs a hundredth."""


def mask_credentials(body: bytes) -> bytes:
    """Return a body without what looks like a credential; JSON stays JSON."""
    lowered = body.lower()
    if any(part in lowered for part in _WITHIN) and any(name in lowered for name in _NAMES):
        body = _NAMED.sub(rb"\1" + BLOT, body)
    if any(start in body for start in _STARTS):
        body = _SHAPED.sub(BLOT, body)
    return body
