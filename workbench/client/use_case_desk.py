"""What somebody may do with use cases of a running gateway: draft, submit, decide, and get keys for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from workbench.client.desk import Desk
from workbench.client.key_desk import IssuedKey

_TIMEOUT = 30.0


@dataclass(frozen=True)
class UseCaseDesk(Desk):
    """`/use-cases`, `/admin/v1/use-cases` and `/me/acknowledgements` of one gateway, for one identity."""

    def draft(self, rfc: Mapping[str, Any]) -> dict[str, Any]:
        """Begin a use case; return it as the gateway keeps it."""
        return self._told("POST", "/use-cases", rfc)

    def edit(self, name: str, change: Mapping[str, Any]) -> dict[str, Any]:
        """Change the RFC of a use case while it is its owner's turn."""
        return self._told("PATCH", f"/use-cases/{_in_path(name)}", change)

    def show(self, name: str) -> dict[str, Any]:
        """Return the whole of a use case: its checklist, keys and events too."""
        return self._told("GET", f"/use-cases/{_in_path(name)}", None)

    def list(self, *, state: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Return the use cases that one may see, those that were changed last first."""
        query = {"limit": limit, **({"state": state} if state else {})}
        answer = self._told("GET", f"/use-cases?{urlencode(query)}", None)
        try:
            return [dict(row) for row in answer["data"]]
        except (KeyError, TypeError, ValueError) as error:
            raise self.no_gateway() from error

    def submit(
        self, name: str, *, why: str, acknowledge: str | None, projection: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Hand the RFC to the reviewers."""
        body = {"why": why, "acknowledge": acknowledge, "projection": projection}
        return self._told("POST", f"/use-cases/{_in_path(name)}/submit", body)

    def comment(self, name: str, text: str) -> dict[str, Any]:
        """Say something about a use case."""
        return self._told("POST", f"/use-cases/{_in_path(name)}/comments", {"text": text})

    def decide(self, name: str, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Approve, reject, request-changes, escalate or retire."""
        return self._told("POST", f"/admin/v1/use-cases/{_in_path(name)}/{verb}", body)

    def key(self, name: str, wish: Mapping[str, Any]) -> IssuedKey:
        """Return a new production key of an approved use case."""
        answer = self._told("POST", f"/use-cases/{_in_path(name)}/keys", wish)
        try:
            return IssuedKey(id=str(answer["id"]), key=str(answer["key"]), expires_at=answer["expires_at"])
        except (KeyError, TypeError) as error:
            raise self.no_gateway() from error

    def risks(self) -> dict[str, Any]:
        """Return the text on risks that is in force, and when one has acknowledged it."""
        return self._told("GET", "/me/acknowledgements", None)

    def acknowledge(self, version: str) -> dict[str, Any]:
        """Acknowledge a version of the text on risks."""
        return self._told("POST", "/me/acknowledgements", {"version": version})

    def _told(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        answer = self.ask(method, path, None if body is None else dict(body), timeout=_TIMEOUT)
        if not isinstance(answer, dict):
            raise self.no_gateway()
        return answer


def _in_path(name: str) -> str:
    return quote(name, safe="")
