"""Ask a gateway's own paths as an identity: for keys, and for what an admin may do.

With the standard library only: the Jupyter server's process is not to load an SDK for two small requests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from workbench.errors import AuthenticationFailed, GatewayUnreachable, WorkbenchError
from workbench.wire.envelope import error_from_body

_LARGEST_ANSWER = 32 << 20  # bytes; a list of many thousand keys


@dataclass(frozen=True)
class Desk:
    """One gateway, for one identity."""

    url: str
    """Root URL of the gateway, without `/v1`."""
    token: str = field(repr=False)
    """Bearer token of the identity."""

    def no_gateway(self) -> GatewayUnreachable:
        """Return the error for an answer that no gateway gives."""
        return GatewayUnreachable(
            f"What answers at {self.url} is not a workbench gateway.", hint="Check WORKBENCH_GATEWAY_URL."
        )

    def ask(self, method: str, path: str, body: object, *, timeout: float) -> Any:
        """Return the JSON of an answer; raises GatewayUnreachable, or the error that the gateway tells."""
        request = self._request(path, method=method, data=None if body is None else json.dumps(body).encode())
        try:
            with _opener(self.url).open(request, timeout=timeout) as response:
                raw = response.read(_LARGEST_ANSWER + 1)
        except HTTPError as error:
            with error:
                raise self._refusal(error) from _alone(error)
        except (OSError, HTTPException) as error:
            raise self._silent(error) from _alone(error)
        if len(raw) > _LARGEST_ANSWER:
            raise GatewayUnreachable(
                f"The gateway at {self.url} answered more than {_LARGEST_ANSWER >> 20} MiB to {method} {path}."
            )
        return _json(raw)

    def lines(self, path: str, *, timeout: float) -> Iterator[bytes]:
        """Yield the lines of an answer as they come; raises as `ask` does, and where the answer breaks off."""
        request = self._request(path)
        try:
            with _opener(self.url).open(request, timeout=timeout) as response:
                for line in response:
                    if line.strip():
                        yield line
        except HTTPError as error:
            with error:
                raise self._refusal(error) from _alone(error)
        except (OSError, HTTPException) as error:
            raise self._silent(error) from _alone(error)

    # The token is named in frames that have returned before an error is raised: a verbose traceback shows the others.

    def _request(self, path: str, **options: Any) -> Request:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        # The scheme is checked where the URL comes from.
        return Request(self.url.rstrip("/") + path, headers=headers, **options)  # noqa: S310

    def _refusal(self, error: HTTPError) -> WorkbenchError:
        return with_way_out(_told(error.code, error.read(_LARGEST_ANSWER)), self.token)

    def _silent(self, error: Exception) -> GatewayUnreachable:
        reason = getattr(error, "reason", None) or error
        return GatewayUnreachable(f"The gateway at {self.url} does not answer: {reason}.")


def _alone(error: Exception) -> Exception:
    """Return an error without its traceback: the frames hold headers, the token in them, for a notebook to show."""
    error.__context__ = None
    return error.with_traceback(None)


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


def with_way_out(error: WorkbenchError, token: str) -> WorkbenchError:
    """Add to the refusal of an identity what can be done about it, where the environment told the token."""
    if isinstance(error, AuthenticationFailed):
        from workbench.settings import found_identity  # noqa: PLC0415 - loads pydantic; a start does not wait for it

        with suppress(AuthenticationFailed):  # a file that can't be read any more is told when it is asked for
            identity = found_identity()
            if identity is not None and identity.text == token:
                error.hint = " ".join(filter(None, (error.hint, identity.way_out)))
    return error


def _told(status: int, raw: bytes) -> WorkbenchError:
    body = _json(raw)
    return error_from_body(status, body if isinstance(body, dict) else f"The gateway answered {status}.")


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None
