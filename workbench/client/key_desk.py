"""Ask a gateway for exploration keys, and give them back.

With the standard library only: the Jupyter server's process is not to load an SDK for two small requests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from workbench.errors import GatewayUnreachable, WorkbenchError
from workbench.wire.envelope import error_from_body

_LARGEST_ANSWER = 32 << 20  # bytes; a list of many thousand keys


@dataclass(frozen=True)
class IssuedKey:
    """A key fresh from the gateway."""

    id: str
    """Names it in lists and logs."""
    key: str = field(repr=False)
    """The key itself; it is told this once."""
    expires_at: str | None
    """UTC time in ISO 8601."""


@dataclass(frozen=True)
class KeyDesk:
    """`/keys` of one gateway, for one identity."""

    url: str
    """Root URL of the gateway, without `/v1`."""
    token: str = field(repr=False)
    """Bearer token of the identity."""

    def issue(self, *, note: str, expires_in: int, lease: str | None, timeout: float) -> IssuedKey:
        """Return a new exploration key; raises GatewayUnreachable, or the error that the gateway tells."""
        body: dict[str, Any] = {"note": note, "expires_in": expires_in}
        if lease is not None:
            body["lease"] = lease
        return self._issued(self._ask("POST", "/keys/exploration", body, timeout=timeout))

    def issue_scoped(self, scopes: Mapping[str, Sequence[str]], *, expires_in: int, timeout: float) -> IssuedKey:
        """Return a new exploration key that may do no more than its scopes say; an admin's right."""
        body = {"kind": "exploration", "expires_in": expires_in, "scopes": dict(scopes)}
        return self._issued(self._ask("POST", "/admin/v1/keys", body, timeout=timeout))

    def _issued(self, answer: Any) -> IssuedKey:
        try:
            return IssuedKey(id=str(answer["id"]), key=str(answer["key"]), expires_at=answer["expires_at"])
        except (KeyError, TypeError) as error:
            raise self._no_gateway() from error

    def revoke(self, key_id: str, *, timeout: float) -> None:
        """Revoke a key at once."""
        self._ask("DELETE", f"/keys/{quote(key_id, safe='')}", None, timeout=timeout)

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
            raise self._no_gateway() from error

    def list(self, *, timeout: float) -> list[dict[str, Any]]:
        """Return the identity's keys, newest first; no secrets are among them."""
        answer = self._ask("GET", "/keys", None, timeout=timeout)
        try:
            return list(answer["data"])
        except (KeyError, TypeError) as error:
            raise self._no_gateway() from error

    def _no_gateway(self) -> GatewayUnreachable:
        return GatewayUnreachable(
            f"What answers at {self.url} is not a workbench gateway.", hint="Check WORKBENCH_GATEWAY_URL."
        )

    def _ask(self, method: str, path: str, body: object, *, timeout: float) -> Any:
        request = Request(  # noqa: S310 - the scheme is checked where the URL comes from
            self.url.rstrip("/") + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with _opener(self.url).open(request, timeout=timeout) as response:
                raw = response.read(_LARGEST_ANSWER + 1)
        except HTTPError as error:
            with error:
                raise _told(error.code, error.read(_LARGEST_ANSWER)) from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise GatewayUnreachable(f"The gateway at {self.url} does not answer: {reason}.") from error
        if len(raw) > _LARGEST_ANSWER:
            raise GatewayUnreachable(
                f"The gateway at {self.url} answered more than {_LARGEST_ANSWER >> 20} MiB to {method} {path}."
            )
        return _json(raw)


class _NoRedirect(HTTPRedirectHandler):
    """An identity token goes where it was meant to go, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _opener(url: str) -> OpenerDirector:
    handlers: list[Any] = [_NoRedirect()]
    if is_loopback(url):
        handlers.append(ProxyHandler({}))
    return build_opener(*handlers)


def is_loopback(url: str) -> bool:
    """Return whether a URL leads to this machine, over http."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def _told(status: int, raw: bytes) -> WorkbenchError:
    body = _json(raw)
    return error_from_body(status, body if isinstance(body, dict) else f"The gateway answered {status}.")


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None
