"""The lines of a batch file: each is a call of its own, whose model is checked and renamed as the file comes in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from workbench.errors import InvalidInput, NotFound, PermissionDenied
from workbench.gateway.routing.models import Deployment
from workbench.gateway.unified.objects.references import FIELDS, may_name

LONGEST_LINE = 8 * 1024 * 1024
OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "chat",
    "/v1/responses": "chat",
    "/v1/embeddings": "embedding",
    "/v1/moderations": "moderation",
}
"""What a line may ask for, and the task of its model."""

Naming = Callable[[str, str], Deployment]
"""Model as the caller calls it, task -> where it is served; raises PermissionDenied, NotFound or InvalidInput."""
Measure = Callable[[str, bytes, Deployment], None]
"""Hears of each line: the path that it asks for, its body, where its model is served."""


class _Line(msgspec.Struct):
    custom_id: str
    method: str
    url: str
    body: dict[str, msgspec.Raw]


_line = msgspec.json.Decoder(_Line)
_name = msgspec.json.Decoder(str)


async def checked_lines(
    lines: AsyncIterator[bytes], naming: Naming, rename: Callable[[Any], Any], measure: Measure
) -> AsyncIterator[bytes]:
    """Yield the lines as the provider is to see them; raises InvalidInput that tells the number of a wrong one."""
    count = 0
    seen: set[str] = set()
    async for raw in lines:
        count += 1
        if not raw.strip():
            continue
        try:
            yield _checked(raw, naming, rename, measure, seen) + b"\n"
        except (InvalidInput, NotFound, PermissionDenied) as error:
            raise InvalidInput(
                f"Line {count} of the batch file: {error.message}", hint=error.hint, code="invalid_batch", param="file"
            ) from error
    if not seen:
        raise InvalidInput(
            "The batch file has no lines.", hint="Send a request a line.", code="invalid_batch", param="file"
        )


def _checked(raw: bytes, naming: Naming, rename: Callable[[Any], Any], measure: Measure, seen: set[str]) -> bytes:
    try:
        raw.decode()  # fields that no decoder reads must be text too
        line = _line.decode(raw)
        model = _name.decode(line.body.get("model", b"null"))
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        body: dict[str, Any] = dict(line.body)
        for name in FIELDS:
            if name in body and may_name(body[name]):
                body[name] = rename(msgspec.json.decode(body[name]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"{error}.", hint="A line is custom_id, method, url and body with a model.") from error
    task = OPERATIONS.get(line.url)
    if task is None or line.method.upper() != "POST":
        raise InvalidInput(
            f"{line.method} {line.url[:80]} is no operation of a batch.", hint=f"Known: {', '.join(OPERATIONS)}."
        )
    if line.custom_id in seen:
        raise InvalidInput(f"custom_id {line.custom_id[:80]!r} stands twice.", hint="Give each line its own.")
    seen.add(line.custom_id)
    if bytes(body.get("previous_response_id", b"null")) != b"null":
        raise InvalidInput("previous_response_id can't stand in a batch.", hint="Send the whole conversation.")
    deployment = naming(model, task)
    body["model"] = deployment.model
    told = msgspec.json.encode(body)
    measure(line.url, told, deployment)
    return msgspec.json.encode({**fields, "body": msgspec.Raw(told)})


async def lines_of(pieces: AsyncIterator[bytes], *, longest: float = LONGEST_LINE) -> AsyncIterator[bytes]:
    """Yield the lines of a text that comes in pieces; raises InvalidInput for one that is longer than it may be."""
    rest: list[bytes] = []
    size = 0
    async for piece in pieces:
        first, *others = piece.split(b"\n")
        rest.append(first)
        size += len(first)
        if others:
            yield b"".join(rest)
            for line in others[:-1]:
                yield line
            rest, size = [others[-1]], len(others[-1])
        if size > longest:
            raise InvalidInput(
                f"A line of the batch file is over {longest:.0f} bytes.", code="invalid_batch", param="file"
            )
    if size:
        yield b"".join(rest)
