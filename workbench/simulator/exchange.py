"""One request as a simulated provider reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from workbench.simulator.multipart import Part, parts_of
from workbench.simulator.reply import Refused
from workbench.simulator.shelves import Shelves
from workbench.simulator.state import State


@dataclass(kw_only=True)
class Exchange:
    """A request, and what its provider remembers."""

    method: str
    """GET, POST, DELETE; WEBSOCKET for an upgrade."""
    path: str
    """Path as it was sent, still percent-encoded, without `/region/{name}`."""
    sent_path: str
    """Path as it was sent, still percent-encoded."""
    query_string: str
    """Query as it was sent."""
    headers: dict[str, str]
    """Headers, names in lower case."""
    raw: bytes
    """The body."""
    body: Any
    """The body read as JSON; None if it is none."""
    url: str
    """Root URL of the simulator as the caller knows it."""
    state: State
    """What the simulator remembers."""
    region: str | None = None
    """The name in `/region/{name}/...`."""
    provider: str = ""
    """Whose path it is."""
    params: dict[str, str] = field(default_factory=dict)
    """What stood in the placeholders of the path."""

    @cached_property
    def query(self) -> dict[str, str]:
        """Return the query's fields; of a repeated one the last."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    @cached_property
    def parts(self) -> list[Part]:
        """Return the parts of a multipart body; raises Refused where it is none."""
        return parts_of(self.headers.get("content-type", ""), self.raw)

    @property
    def model(self) -> str:
        """Return the model that is asked: of the path, the body, a form, or for a WebSocket the query."""
        named = self.params.get("model") or (self.body.get("model") if isinstance(self.body, dict) else None)
        if named is None and self.method == "WEBSOCKET":
            named = self.query.get("model") or self.query.get("deployment")
        if named is None and self.headers.get("content-type", "").startswith("multipart/"):
            try:
                named = self.form("model")
            except Refused:
                named = None
        return named if isinstance(named, str) else ""

    @property
    def bearer(self) -> str | None:
        """Return the bearer token."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    @cached_property
    def account(self) -> Shelves:
        """Return what the caller's account holds: one for each provider, region and key."""
        keys = sorted(key for key in self.presented if self.state.takes(key)) or ["token"]  # tokens come and go
        return self.state.shelves(f"{self.provider} {self.region} {keys}")

    @cached_property
    def presented(self) -> set[str]:
        """Return every credential that the request carries, wherever a protocol puts it."""
        signed = self.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]
        named = (self.headers.get(name) for name in ("x-api-key", "api-key", "x-goog-api-key"))
        return {key for key in (self.bearer, signed, self.query.get("key"), *named) if key}

    def form(self, name: str, default: str | None = None) -> str | None:
        """Return a text field of a multipart body."""
        found = next((part for part in self.parts if part.name == name and part.filename is None), None)
        return default if found is None else found.data.decode("utf-8", "replace")

    def files(self, *names: str) -> list[Part]:
        """Return the files of a multipart body that carry one of the names."""
        return [part for part in self.parts if part.name in names and part.filename is not None]
