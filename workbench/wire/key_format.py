"""What a gateway key looks like: a prefix, 256 random bits in base 62, and a checksum.

The checksum lets a scanner tell a leaked key from a look-alike, and lets the gateway refuse a mistyped one without
looking anything up. Whoever makes, takes or hides a key asks here.
"""

from __future__ import annotations

import re
import secrets
import zlib
from typing import Literal

KeyKind = Literal["exploration", "production"]

PREFIXES: dict[KeyKind, str] = {"exploration": "wbx-", "production": "wbp-"}
OWNER_PREFIX = "wbo-"
KEY_PREFIXES = tuple(PREFIXES.values())
"""How keys begin that make calls; the owner's token makes none."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_CHARS = 43  # 62 ** 43 is just over 2 ** 256
_CHECKSUM_CHARS = 6
_CHARS = _SECRET_CHARS + _CHECKSUM_CHARS
WHOLE = rf"wb[xpo]-[0-9A-Za-z]{{{_CHARS}}}"
"""Pattern of a whole key or token; `well_formed` knows whether it is one."""
SEEN = rf"wb(?:[xpo]-[0-9A-Za-z]{{{_CHARS}}}|[xpor]-[0-9A-Za-z]{{16,{_CHARS - 1}}})"
"""Pattern of what is to be hidden: a key, a token, a kernel's reference (`wbr-`), or one of them that was cut off."""
_SHAPE = re.compile(WHOLE)


def _base62(number: int, width: int) -> str:
    digits = []
    while number:
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits)).rjust(width, "0")


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode("ascii")), _CHECKSUM_CHARS)


def new_secret(prefix: str) -> str:
    """Return a fresh key or token that starts with `prefix`."""
    text = prefix + _base62(secrets.randbits(256), _SECRET_CHARS)
    return text + _checksum(text)


def well_formed(text: str) -> bool:
    """Tell whether a text has the shape of a key or token of ours, checksum included."""
    return _SHAPE.fullmatch(text) is not None and _checksum(text[:-_CHECKSUM_CHARS]) == text[-_CHECKSUM_CHARS:]
