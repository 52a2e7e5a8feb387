"""The tags that a caller puts on a call: `x-workbench-tags: key=value,key=value`."""

from __future__ import annotations

import json
import re

from workbench.errors import InvalidInput

MAX_TAGS = 16
MAX_BYTES = 2048
_TAG = re.compile(r"([A-Za-z0-9_.\-]{1,64})=([^,\x00-\x1f\x7f]{0,256})")


def read_tags(header: bytes) -> str | None:
    """Return the tags as a JSON object for the ledger, None for an empty header; raises InvalidInput."""
    if len(header) > MAX_BYTES:
        raise _refused(f"it has {len(header)} bytes; at most {MAX_BYTES} are taken")
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused("it is not UTF-8") from error
    tags: dict[str, str] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        match = _TAG.fullmatch(part.strip())
        if match is None:
            raise _refused(f"{part.strip()[:80]!r} is no key=value")
        tags[match[1]] = match[2]
    if len(tags) > MAX_TAGS:
        raise _refused(f"it has {len(tags)} tags; at most {MAX_TAGS} are taken")
    return json.dumps(tags, ensure_ascii=False, sort_keys=True) if tags else None


def with_tag(tags: str | None, name: str, value: str) -> str:
    """Return tags of the ledger with one more that the gateway puts there."""
    return json.dumps({**(json.loads(tags) if tags else {}), name: value}, ensure_ascii=False, sort_keys=True)


def _refused(why: str) -> InvalidInput:
    return InvalidInput(
        f"The header x-workbench-tags can't be used: {why}.",
        hint="Send `key=value,key=value`; keys are letters, digits, '_', '.' and '-'.",
        code="invalid_tags",
        param="x-workbench-tags",
    )
