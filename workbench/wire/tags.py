"""The header `x-workbench-tags`: `key=value,key=value`; of a value, what is not plain is percent-encoded.

So a value may hold anything: a notebook's name has blanks, commas and letters of any alphabet. A `%` that begins no
code stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from workbench.errors import InvalidInput
from workbench.wire import headers

MAX_TAGS = 16
MAX_BYTES = 2048
LONGEST_VALUE = 256
_PLAIN = "/ !#$&'()*+:;=?@[]~"  # what stands for itself beside letters, digits, '_', '.' and '-'
_KEY = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def encode_tag(value: str) -> str:
    """Return a value as it stands in the header: printable ASCII without commas, and without blanks at its ends."""
    return quote(value, safe=_PLAIN if value == value.strip(" ") else _PLAIN.replace(" ", ""))


def decode_tag(text: str) -> str:
    """Return the value that stands for; a control character stays encoded."""
    return _CONTROL.sub(lambda found: f"%{ord(found[0]):02X}", unquote(text)) if "%" in text else text


def write_tags(tags: Mapping[str, str]) -> str:
    """Return tags as the header; raises InvalidInput for a name or a length that the gateway would not take."""
    for key, value in tags.items():
        if not _KEY.fullmatch(key):
            raise InvalidInput(
                f"{key!r} can't name a tag.", hint="Use letters, digits, '.', '_' and '-', 64 at most.", param="tags"
            )
        if len(str(value)) > LONGEST_VALUE:
            raise InvalidInput(
                f"The value of tag {key} is over {LONGEST_VALUE} characters.", hint="Shorten it.", param="tags"
            )
    return ",".join(f"{key}={encode_tag(str(value))}" for key, value in tags.items())


def parse_tags(text: str) -> dict[str, str]:
    """Return the tags of a header; raises InvalidInput."""
    tags: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        key, equals, value = part.partition("=")
        value = decode_tag(value)
        if not equals or not _KEY.fullmatch(key) or len(value) > LONGEST_VALUE or _CONTROL.search(value):
            raise refused_tags(f"{part[:80]!r} is no key=value")
        tags[key] = value
    if len(tags) > MAX_TAGS:
        raise refused_tags(f"it has {len(tags)} tags; at most {MAX_TAGS} are taken")
    return tags


def refused_tags(why: str) -> InvalidInput:
    """Return the error for a header that can't be used."""
    return InvalidInput(
        f"The header {headers.TAGS} can't be used: {why}.",
        hint="Send `key=value,key=value`; keys are letters, digits, '_', '.' and '-', values are percent-encoded.",
        code="invalid_tags",
        param=headers.TAGS,
    )
