"""A protocol family as the simulator needs it, and a row of its table of paths."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import unquote

from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.quota import Left
from workbench.simulator.reply import Refused, Reply, Whole


class Session(Protocol):
    """A WebSocket connection, in the protocol's words."""

    model: str
    """The model that speaks."""
    used: list[Used]
    """What is charged so far."""

    def opening(self) -> Iterator[str] | Iterator[bytes]:
        """Yield what the provider says first."""

    def answer(self, message: dict[str, Any]) -> Iterator[str] | Iterator[bytes]:
        """Yield what the provider says to a message; raises Refused where it ends the conversation."""


def no_headers(_left: Left) -> dict[str, str]:
    """Return nothing: the protocol tells nothing of what is left of a limit."""
    return {}


@dataclass(frozen=True)
class Family:
    """What the paths of one protocol have in common."""

    name: str
    """openai, azure, anthropic, gemini, vertex, bedrock, ollama, or `tokens` for the clouds' token servers."""
    admit: Callable[[Exchange], None]
    """Look at the credential; raises Refused."""
    error: Callable[[Exchange, Refused], Whole]
    """A refusal in the protocol's shape."""
    error_frame: Callable[[Exchange, Refused], bytes]
    """The frame by which a stream tells of a failure; for a WebSocket the message."""
    corrupt_frame: Callable[[Exchange], bytes]
    """A frame that can't be read."""
    request_id: str
    """The header that carries the provider's id of a request."""
    limits: Callable[[Left], Mapping[str, str]] = no_headers
    """Headers that tell what is left of a quota."""


@dataclass(frozen=True)
class Path:
    """One path of one protocol."""

    method: str
    """HTTP method, or WEBSOCKET."""
    pattern: str
    """Path with placeholders such as `{model}`; `{rest*}` takes slashes too."""
    family: Family
    """Whose it is."""
    handler: Callable[[Exchange], Reply] | Callable[[Exchange], Session]
    """What answers."""
    needs: tuple[str, ...] = ()
    """Fields that a JSON body must have, not empty."""
    header: str | None = None
    """A header that tells this path from another protocol's of the same name."""

    @cached_property
    def expression(self) -> re.Pattern[str]:
        """Return the pattern as a regular expression."""
        pieces = re.split(r"(\{\w+\*?\})", self.pattern)
        return re.compile("".join(_expression(piece) for piece in pieces))

    def match(self, path: str) -> dict[str, str] | None:
        """Return what stands in the placeholders, unquoted; None where the path is another."""
        found = self.expression.fullmatch(path)
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}


def _expression(piece: str) -> str:
    if not piece.startswith("{"):
        return re.escape(piece)
    name = piece.strip("{}")
    return f"(?P<{name[:-1]}>.+)" if name.endswith("*") else f"(?P<{name}>[^/]+?)"
