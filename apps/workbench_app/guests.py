"""A browser without an account keeps a random word as a cookie: a reconnect, or another tab, is the same rater.

The page's scripts can't read it. Whoever knows it is that rater, so nobody is named after it, but after its hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "workbench_guest"
_WORD = re.compile(r"[0-9a-f]{32}")
_DAYS = 90


class Guests:
    """Gives each browser that loads a page its word."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the cookie to a page for a browser that has none."""
        if scope["type"] != "http" or scope["method"] != "GET" or _known(scope):
            await self._app(scope, receive, send)
            return

        async def with_word(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message):
                line = f"{COOKIE}={secrets.token_hex(16)}; Path=/; HttpOnly; SameSite=Lax; Max-Age={_DAYS * 86400}"
                line += "; Secure" if scope["scheme"] == "https" else ""
                message["headers"] = [*message["headers"], (b"set-cookie", line.encode())]
            await send(message)

        await self._app(scope, receive, with_word)


def guest_name(word: str | None) -> str | None:
    """Return the rater's name that a cookie stands for, or None."""
    if word is None or not _WORD.fullmatch(word):
        return None
    return f"guest-{hashlib.sha256(word.encode()).hexdigest()[:12]}"


def _known(scope: Scope) -> bool:
    return _WORD.fullmatch(HTTPConnection(scope).cookies.get(COOKIE, "")) is not None


def _is_page(message: Message) -> bool:
    return any(name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in message["headers"])
