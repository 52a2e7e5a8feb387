"""Read requests that are no calls: headers, small JSON bodies, numbers in the query."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.requests import Request

from workbench.errors import InvalidInput
from workbench.gateway.unified.body import decode, read_body

_LIMIT = 1024 * 1024
_LAST_PLACE = 2**62
_LAST_SEQ = 2**53
_T = TypeVar("_T")


def headers_of(request: Request) -> dict[bytes, bytes]:
    """Return the headers, names in lower case."""
    return dict(request.scope["headers"])


async def read_json(request: Request, decoder: msgspec.json.Decoder[_T], *, hint: str | None = None) -> _T:
    """Return a JSON body in the shape of `decoder`; an empty one counts as `{}`.

    Raises InvalidInput; `hint` tells what fields there are.
    """
    body = await read_body(request.receive, headers_of(request), limit=_LIMIT)
    try:
        return decode(body or b"{}", decoder)
    except InvalidInput as error:
        if error.error_code == InvalidInput.code:
            error.hint = hint
        raise


def whole_number(request: Request, name: str, *, default: int, least: int, most: int) -> int:
    """Return a number of the query; raises InvalidInput outside its bounds."""
    text = request.query_params.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
    if not least <= number <= most:
        raise InvalidInput(f"{name} is {text[:40]!r}; expected {least} to {most}.", param=name)
    return number


def known_seq(request: Request) -> int:
    """Return the number that is asked `after`, 0 for none; raises InvalidInput."""
    return whole_number(request, "after", default=0, least=0, most=_LAST_SEQ)


def cursor_of(request: Request) -> int | None:
    """Return where a page of the ledger begins, None for the first one; raises InvalidInput."""
    if "cursor" not in request.query_params:
        return None
    return whole_number(request, "cursor", default=0, least=1, most=_LAST_PLACE)
