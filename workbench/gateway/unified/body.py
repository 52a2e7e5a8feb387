"""Request bodies: read within bounds, checked to be sane JSON, nothing understood yet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from starlette.types import Receive

from workbench.errors import InvalidInput, PayloadTooLarge, UnsupportedMedia

MAX_DEPTH = 200
_T = TypeVar("_T")
_FIELD = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_OPENERS = (dict, list)


class ClientLeft(Exception):
    """The client closed the connection before its request was whole."""


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], *, limit: int) -> bytes:
    """Return the body of a JSON request; refuses another content type and too many bytes without reading them all."""
    kind = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if kind != b"application/json" and not kind.endswith(b"+json"):
        raise UnsupportedMedia(
            f"The content type {kind.decode('latin-1')[:100]!r} is not taken here.", hint="Send application/json."
        )
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise too_large(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        if not message.get("more_body", False):
            return chunk if not chunks else b"".join([*chunks, chunk])
        chunks.append(chunk)


def decode(body: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    """Return what a body says, in the shape of `decoder`; raises InvalidInput that names the field and the fault."""
    try:
        if not body.isascii():
            body.decode()  # fields that no decoder reads must be text too
        value = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_field(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"The request body is not JSON: {error}.", hint="Send one JSON object in UTF-8.", code="invalid_json"
        ) from error
    except RecursionError as error:
        raise _too_deep() from error
    # Few brackets can't be deep; only a body with many is looked through.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _deeper_than(MAX_DEPTH, msgspec.json.decode(body)):
        raise _too_deep()
    return value


def _wrong_field(message: str) -> InvalidInput:
    found = _FIELD.search(message) or _MISSING.search(message)
    param = found[1] if found else None
    return InvalidInput(
        f"The request body is wrong: {_FIELD.sub('', message)}{f' at {param!r}' if param else ''}.",
        hint="Compare with OpenAI's API reference.",
        param=param,
    )


def _deeper_than(limit: int, value: Any) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, _OPENERS)
        ]
        if not level:
            return False
    return True


def _too_deep() -> InvalidInput:
    return InvalidInput(
        f"The request body is nested deeper than {MAX_DEPTH} levels.", hint="Flatten it.", code="invalid_json"
    )


def too_large(limit: int) -> PayloadTooLarge:
    """Return the error for a body over the limit."""
    return PayloadTooLarge(
        f"The request body is larger than {limit} bytes.",
        hint="Send less, or have the admin raise [gateway] max_body_bytes.",
    )
