"""Ask a gateway for keys, and give them back.

With the standard library only: the Jupyter server's process is not to load an SDK for two small requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from workbench.client.desk import Desk


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key fresh from the gateway."""

    id: str
    """Names it in lists and logs."""
    key: str = field(repr=False)
    """The key itself; it is told this once."""
    expires_at: str | None
    """UTC time in ISO 8601."""


@dataclass(frozen=True)
class KeyDesk(Desk):
    """`/keys` of one gateway, for one identity; `/admin/v1/keys` where that is an admin."""

    def issue(self, *, note: str, expires_in: int, lease: str | None, timeout: float) -> IssuedKey:
        """Return a new exploration key; raises GatewayUnreachable, or the error that the gateway tells."""
        body: dict[str, Any] = {"note": note, "expires_in": expires_in}
        if lease is not None:
            body["lease"] = lease
        return self._issued(self.ask("POST", "/keys/exploration", body, timeout=timeout))

    def issue_scoped(self, scopes: Mapping[str, Sequence[str]], *, expires_in: int, timeout: float) -> IssuedKey:
        """Return a new exploration key that may do no more than its scopes say; an admin's right."""
        body = {"kind": "exploration", "expires_in": expires_in, "scopes": dict(scopes)}
        return self.issue_any(body, timeout=timeout)

    def issue_any(self, wish: Mapping[str, Any], *, timeout: float) -> IssuedKey:
        """Return a new key as an admin wishes it: kind, owner, use_case, note, expires_in, scopes, limits, budget."""
        return self._issued(self.ask("POST", "/admin/v1/keys", dict(wish), timeout=timeout))

    def _issued(self, answer: Any) -> IssuedKey:
        try:
            return IssuedKey(id=str(answer["id"]), key=str(answer["key"]), expires_at=answer["expires_at"])
        except (KeyError, TypeError) as error:
            raise self.no_gateway() from error

    def show(self, key_id: str, *, timeout: float) -> dict[str, Any]:
        """Return what may be told of one of the identity's keys; raises NotFound for any other."""
        return self._told(self.ask("GET", f"/keys/{quote(key_id, safe='')}", None, timeout=timeout))

    def show_any(self, key_id: str, *, timeout: float) -> dict[str, Any]:
        """Return what may be told of a key of any owner; an admin's right."""
        return self._told(self.ask("GET", f"/admin/v1/keys/{quote(key_id, safe='')}", None, timeout=timeout))

    def _told(self, answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise self.no_gateway()
        return answer

    def rotate(self, key_id: str, *, overlap_seconds: int, timeout: float) -> IssuedKey:
        """Return a new key in the place of one of the identity's, which ends after the overlap."""
        return self._rotated("/keys", key_id, overlap_seconds, timeout)

    def rotate_any(self, key_id: str, *, overlap_seconds: int, timeout: float) -> IssuedKey:
        """Return a new key in the place of one of any owner; an admin's right."""
        return self._rotated("/admin/v1/keys", key_id, overlap_seconds, timeout)

    def _rotated(self, root: str, key_id: str, overlap_seconds: int, timeout: float) -> IssuedKey:
        path = f"{root}/{quote(key_id, safe='')}/rotate"
        return self._issued(self.ask("POST", path, {"overlap_seconds": overlap_seconds}, timeout=timeout))

    def revoke(self, key_id: str, *, timeout: float) -> None:
        """Revoke a key at once."""
        self.ask("DELETE", f"/keys/{quote(key_id, safe='')}", None, timeout=timeout)

    def revoke_any(self, key_id: str, *, timeout: float) -> None:
        """Revoke a key of any owner at once; an admin's right."""
        self.ask("DELETE", f"/admin/v1/keys/{quote(key_id, safe='')}", None, timeout=timeout)

    def live_keys(self, *, timeout: float) -> list[dict[str, Any]]:
        """Return what may be told of the identity's keys that are neither revoked nor expired, newest first."""
        now = datetime.now(UTC)
        try:
            return [
                key
                for key in self.list(timeout=timeout)
                if key["revoked_at"] is None
                and (key["expires_at"] is None or datetime.fromisoformat(key["expires_at"]) > now)
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise self.no_gateway() from error

    def list_all(self, *, timeout: float) -> list[dict[str, Any]]:
        """Return the keys of every owner, newest first; an admin's right."""
        keys: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            path = "/admin/v1/keys?limit=1000" + (f"&cursor={quote(cursor)}" if cursor else "")
            answer = self.ask("GET", path, None, timeout=timeout)
            try:
                keys += answer["data"]
                cursor = answer["next"]
            except (KeyError, TypeError) as error:
                raise self.no_gateway() from error
        return keys

    def list(self, *, timeout: float) -> list[dict[str, Any]]:
        """Return the identity's keys, newest first; no secrets are among them."""
        answer = self.ask("GET", "/keys", None, timeout=timeout)
        try:
            return list(answer["data"])
        except (KeyError, TypeError) as error:
            raise self.no_gateway() from error
