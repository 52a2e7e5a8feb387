"""The door to the openai SDK: its clients, signed with our keys; its errors, turned into ours.

It is loaded when the first client is made, because the SDK takes half a second.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any

import httpx
import openai
from anyio import to_thread
from openai.resources.chat import Completions
from openai.resources.images import Images

from workbench.client.desk import is_loopback, with_way_out
from workbench.client.find import find_identity
from workbench.client.keys import Access, KeySource
from workbench.errors import AuthenticationFailed, GatewayUnreachable, LimitExceeded, StreamCut, WorkbenchError
from workbench.wire import headers
from workbench.wire.cell import with_tags
from workbench.wire.envelope import error_from_body

_HELD_BACK = "held-by-the-workbench"
_BY_IDENTITY = f"Identity {_HELD_BACK}"
"""Stands where an identity token goes until the request is sent."""
_CONNECT_TIMEOUT = 5.0  # seconds
CHAT_PARAMETERS = frozenset(inspect.signature(Completions.create).parameters) - {"self", "model", "messages"}
"""The names that the SDK's chat call takes."""
_PICTURES_OWN = {"self", "model", "prompt", "image", "mask", "stream", "partial_images"}
GENERATE_PARAMETERS = frozenset(inspect.signature(Images.generate).parameters) - _PICTURES_OWN
"""The names that the SDK's call for pictures takes, beside what the client asks for itself."""
EDIT_PARAMETERS = frozenset(inspect.signature(Images.edit).parameters) - _PICTURES_OWN
"""The names that the SDK's call to edit a picture takes, beside what the client asks for itself."""


class KeyAuth(httpx.Auth):
    """Sign each request with the key of the moment; once more with another key when it is refused.

    A request is signed while it is on its way, and at no other time: errors and tracebacks hold requests.
    """

    def __init__(self, source: KeySource) -> None:
        self._source = source

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign, send, and sign again after a 401."""
        if _has_own_credential(request):
            yield request
            return
        before = request.headers["Authorization"]
        try:
            if _is_by_identity(request):
                yield _signed_by_identity(request)
                return
            _tag(request, self._source)
            access = self._source.current()
            response = yield _signed(request, access)
            if response.status_code == 401 and (other := self._source.renewed(access)) is not None:
                yield _signed(request, other)
        finally:
            request.headers["Authorization"] = before

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do the same; a source may have to ask the gateway for a key, which is no work for the event loop."""
        if _has_own_credential(request):
            yield request
            return
        before = request.headers["Authorization"]
        try:
            if _is_by_identity(request):
                yield _signed_by_identity(request)
                return
            _tag(request, self._source)
            access = await to_thread.run_sync(self._source.current)
            response = yield _signed(request, access)
            if response.status_code == 401:
                other = await to_thread.run_sync(self._source.renewed, access)
                if other is not None:
                    yield _signed(request, other)
        finally:
            request.headers["Authorization"] = before


def _has_own_credential(request: httpx.Request) -> bool:
    return request.headers.get("Authorization") not in (f"Bearer {_HELD_BACK}", _BY_IDENTITY)


def _is_by_identity(request: httpx.Request) -> bool:
    return bool(request.headers.get("Authorization") == _BY_IDENTITY)


def _signed_by_identity(request: httpx.Request) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {find_identity(str(request.url))}"
    return request


def _tag(request: httpx.Request, source: KeySource) -> None:
    """Say which cell of which notebook makes the call, where one does."""
    if tags := source.tags:
        request.headers[headers.TAGS] = with_tags(request.headers.get(headers.TAGS, ""), tags)


def _signed(request: httpx.Request, access: Access) -> httpx.Request:
    """Put the key in, and follow the gateway to another port."""
    request.headers["Authorization"] = f"Bearer {access.key}"
    root = httpx.URL(access.url)
    if (root.scheme, root.host, root.port) != (request.url.scheme, request.url.host, request.url.port):
        request.url = request.url.copy_with(scheme=root.scheme, host=root.host, port=root.port)
        request.headers["Host"] = root.netloc.decode("ascii")
    return request


def make_client(source: KeySource, *, url: str, timeout: float, max_retries: int) -> openai.OpenAI:
    """Return the SDK's client, signed by `source`."""
    http = openai.DefaultHttpxClient(
        auth=KeyAuth(source), timeout=_timeout(timeout), trust_env=not is_loopback(url), follow_redirects=False
    )
    return openai.OpenAI(
        api_key=_HELD_BACK, base_url=f"{url}/v1", timeout=_timeout(timeout), max_retries=max_retries, http_client=http
    )


def make_async_client(source: KeySource, *, url: str, timeout: float, max_retries: int) -> openai.AsyncOpenAI:
    """Return the SDK's async client, signed by `source`."""
    http = openai.DefaultAsyncHttpxClient(
        auth=KeyAuth(source), timeout=_timeout(timeout), trust_env=not is_loopback(url), follow_redirects=False
    )
    return openai.AsyncOpenAI(
        api_key=_HELD_BACK, base_url=f"{url}/v1", timeout=_timeout(timeout), max_retries=max_retries, http_client=http
    )


def _timeout(total: float) -> httpx.Timeout:
    return httpx.Timeout(total, connect=min(total, _CONNECT_TIMEOUT))


@contextlib.contextmanager
def translated(source: KeySource) -> Iterator[None]:
    """Raise what the gateway meant, instead of what the SDK made of it."""
    try:
        yield
    except openai.APIStatusError as error:
        raise _from_status(error) from error
    except openai.APITimeoutError as error:
        raise GatewayUnreachable(
            f"The gateway at {_url(source)} did not answer in time.", hint="Pass a longer timeout= to the client."
        ) from error
    except openai.APIConnectionError as error:
        if isinstance(error.__cause__, WorkbenchError):  # a key source said what is wrong
            raise error.__cause__ from None
        raise GatewayUnreachable(
            f"The gateway at {_url(source)} does not answer: {error.__cause__ or error}.",
            hint="`workbench status` tells whether one runs; `workbench up` starts one.",
        ) from error
    except openai.APIError as error:  # an error event within a stream
        raise error_from_body(None, error.body or error.message) from error
    except httpx.TransportError as error:
        raise StreamCut(
            f"The connection to {_url(source)} broke within an answer: {error}.", hint="Ask again."
        ) from error


def _from_status(error: openai.APIStatusError) -> WorkbenchError:
    meant = error_from_body(error.status_code, error.body if error.body is not None else error.response.text)
    if isinstance(meant, LimitExceeded):
        with contextlib.suppress(KeyError, ValueError):
            meant.retry_after = float(error.response.headers["retry-after"])
    if request_id := error.response.headers.get(headers.REQUEST_ID):
        meant.add_note(f"request id: {request_id}")
    # A key that was refused is nobody's identity: nothing is added there.
    if _is_by_identity(error.request):
        with contextlib.suppress(AuthenticationFailed):  # it was there when the request was signed
            return with_way_out(meant, find_identity(str(error.request.url)))
    return meant


def _url(source: KeySource) -> str:
    try:
        return source.url
    except WorkbenchError as error:
        return f"an unknown place ({error.message})"


def patience(*, query: Any, within: float, retries: int) -> Any:
    """Return the SDK's options for a request that may take so many seconds and be repeated so often."""
    return {"params": dict(query), "timeout": _timeout(within), "max_retries": retries}


def request_options(*, query: Any, as_identity: bool, once: bool) -> dict[str, Any]:
    """Return the SDK's options for a path of the gateway's own."""
    options: dict[str, Any] = {"params": dict(query)}
    if as_identity:
        options["headers"] = {"Authorization": _BY_IDENTITY}
    if once:
        options["max_retries"] = 0
    return options
