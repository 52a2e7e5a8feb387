"""The tags that a caller puts on a call, as the ledger keeps them: a JSON object."""

from __future__ import annotations

import json

from workbench.wire.tags import MAX_BYTES, parse_tags, refused_tags


def read_tags(header: bytes) -> str | None:
    """Return the tags of the header as a JSON object, None for an empty one; raises InvalidInput."""
    if len(header) > MAX_BYTES:
        raise refused_tags(f"it has {len(header)} bytes; at most {MAX_BYTES} are taken")
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused_tags("it is not UTF-8") from error
    tags = parse_tags(text)
    return json.dumps(tags, ensure_ascii=False, sort_keys=True) if tags else None


def with_tag(tags: str | None, name: str, value: str) -> str:
    """Return tags of the ledger with one more that the gateway puts there."""
    return json.dumps({**(json.loads(tags) if tags else {}), name: value}, ensure_ascii=False, sort_keys=True)
