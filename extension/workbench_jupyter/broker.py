"""Where the server's keys come from: the embedded gateway of the home, or the one that the environment names.

Reaching it begins when the extension is loaded and goes on in a thread; whoever needs a key waits, with a deadline.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlsplit

from workbench.errors import AuthenticationFailed, GatewayUnreachable, InvalidInput, Unavailable, WorkbenchError
from workbench.wire.embedded import read_owner_token
from workbench_jupyter.key_desk import IssuedKey, KeyDesk, is_loopback

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.services.embedded import EmbeddedGateway, GatewayAddress

STARTING = "gateway_starting"
"""Code of the error that ends by itself."""
Mount = Literal["respect", "always"]
State = Literal["starting", "ready", "failed"]
REQUEST_TIMEOUT = 3.0  # seconds; within them the notebook tells that a gateway does not answer
_FOLLOWS = "Check WORKBENCH_GATEWAY_URL, or ask whoever runs that gateway; once it answers, the key follows by itself."
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Connection:
    """A gateway that can be asked for keys."""

    desk: KeyDesk
    """Issues and revokes."""
    lease: str | None
    """Keys end with it; None at a gateway that is not ours."""
    expires_in: int
    """Life of a key, in seconds."""


class Broker:
    """Issues and revokes the keys of one server."""

    def __init__(self) -> None:
        self.configured_url: str | None = None
        """Root URL of a gateway that others run; None for the embedded one."""
        self.mount: Mount = "respect"
        """`[jupyter] mount`, once it has been read."""
        self.on_move: Callable[[str], object] = lambda url: None
        """Called, from a thread, with the root URL of the embedded gateway after it was started again."""
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="workbench-keys")
        self._connecting: Future[Connection] | None = None
        self._embedded: EmbeddedGateway | None = None
        self._refusal: WorkbenchError | None = None
        self._closed = False

    @property
    def state(self) -> State:
        """How far it has come, as the last attempt told."""
        if self._connecting is None or not self._connecting.done():
            return "starting"
        return "failed" if self.error else "ready"

    @property
    def url(self) -> str | None:
        """Root URL of the gateway, once it is known."""
        connection = self._connection()
        return connection.desk.url if connection else self.configured_url

    @property
    def error(self) -> WorkbenchError | None:
        """Why there is no gateway, or why it gave no key, or could not be started again."""
        if self._connecting is None or not self._connecting.done():
            return None
        if (failure := self._connecting.exception()) is not None:
            return _as_ours(failure)
        return (self._embedded.last_error if self._embedded is not None else None) or self._refusal

    def start(self) -> None:
        """Begin to reach the gateway, unless that is under way or done; returns at once."""
        if self._closed:
            return
        if self._connecting is None or (self._connecting.done() and self._connecting.exception()):
            self._connecting = self._threads.submit(self._connect)

    async def reach(self, *, patience: float) -> None:
        """Begin to reach the gateway where that has failed before, and wait for the outcome."""
        self.start()
        await self._settled(patience)

    async def issue(self, note: str, *, patience: float) -> tuple[IssuedKey, str]:
        """Return a new key and the gateway's root URL; wait at most `patience` seconds for a gateway that starts.

        Raises GatewayUnreachable, with code `gateway_starting` where trying later will do, or what the gateway told.
        """
        await self.reach(patience=patience)
        connection = self._connection()
        if connection is None:
            raise self.error or _starting()
        try:
            key = await self._in_thread(
                lambda: connection.desk.issue(
                    note=note, expires_in=connection.expires_in, lease=connection.lease, timeout=REQUEST_TIMEOUT
                )
            )
        except GatewayUnreachable as error:
            if self.configured_url is None:
                # Whoever watches the embedded gateway starts it again, or knows why it can't.
                raise self.error or _starting() from error
            self._refusal = GatewayUnreachable(error.message, hint=_FOLLOWS)
            raise self._refusal from error
        except WorkbenchError as error:
            self._refusal = error
            raise
        self._refusal = None
        return key, connection.desk.url

    async def revoke(self, key_id: str) -> None:
        """Revoke a key; where that fails it is logged, and the key ends with its lease or by its age."""
        connection = self._connection()
        if connection is None:
            return
        try:
            await self._in_thread(lambda: connection.desk.revoke(key_id, timeout=REQUEST_TIMEOUT))
        except WorkbenchError as error:
            _log.warning("The key %s was not revoked: %s", key_id, error)

    async def close(self) -> None:
        """Give up the gateway; the embedded one ends when nobody else uses it."""
        self._closed = True
        if self._embedded is not None:
            await asyncio.to_thread(self._embedded.close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _connection(self) -> Connection | None:
        if self._connecting is None or not self._connecting.done() or self._connecting.exception():
            return None
        connection = self._connecting.result()
        address = self._embedded.address if self._embedded is not None else None
        if address is None or address.url == connection.desk.url:
            return connection
        return replace(connection, desk=KeyDesk(address.url, address.owner_token))  # it had to move to another port

    async def _settled(self, patience: float) -> None:
        """Wait until the gateway is reached or known to be out of reach, or patience is at its end."""
        if self._connecting is not None and not self._connecting.done():
            waiting = asyncio.wrap_future(self._connecting)
            waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # it is told by `error`
            await asyncio.wait({waiting}, timeout=patience)  # unlike wait_for, this does not cancel what it waits for

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        if self._closed:
            raise Unavailable("The Jupyter server is stopping.")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    # -- in a thread -------------------------------------------------------------------------------------------------

    def _connect(self) -> Connection:
        # Pydantic and psutil come with these; the start of the server does not wait for them.
        from workbench.services.embedded import EmbeddedGateway, running_gateway  # noqa: PLC0415
        from workbench.settings import identity_token, load_settings, mounted_environment  # noqa: PLC0415

        surroundings = mounted_environment()
        url = surroundings.gateway_url
        self.configured_url = url.rstrip("/") if url else None
        settings = load_settings(credentials=url is None)  # a gateway elsewhere has its own
        self.mount = settings.jupyter.mount
        expires_in = min(settings.jupyter.key_expires_in, settings.policy.exploration.expires_in)
        own = running_gateway(settings.home) if self.configured_url else None
        if own is not None and own.url == self.configured_url:
            # The environment comes from a kernel, or from `workbench up`: that gateway is ours to hold.
            self.configured_url = None
        if self.configured_url is not None:
            desk = _configured(self.configured_url, identity_token(), surroundings.home)
            return Connection(desk, lease=None, expires_in=expires_in)
        if self._embedded is None:
            self._embedded = EmbeddedGateway(settings.home, settings.file, on_change=self._moved)
        address = self._embedded.attach()
        return Connection(KeyDesk(address.url, address.owner_token), self._embedded.lease_id, expires_in)

    def _moved(self, address: GatewayAddress) -> None:
        self.on_move(address.url)


def _configured(url: str, identity: str | None, home: Path) -> KeyDesk:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(
            f"WORKBENCH_GATEWAY_URL is {url!r}, which is no root URL of a gateway.",
            hint="Set it to a URL such as https://gateway.example.com and restart Jupyter.",
        )
    if identity is None and is_loopback(url):
        # The owner's token is a secret of this machine: it is never sent to another one.
        identity = read_owner_token(home)
    if identity is None:
        raise AuthenticationFailed(
            f"The gateway at {url} has to know who asks for a key, and this server has no identity.",
            hint="Set WORKBENCH_IDENTITY_TOKEN in the Jupyter server's environment and restart it.",
            code="missing_key",
        )
    return KeyDesk(url, identity)


def _starting() -> GatewayUnreachable:
    return GatewayUnreachable(
        "The gateway is still starting.",
        hint="The key is mounted by itself when it is ready; run the cell again in a moment.",
        code=STARTING,
    )


def _as_ours(error: BaseException | None) -> WorkbenchError | None:
    if error is None or isinstance(error, WorkbenchError):
        return error
    return Unavailable(f"The gateway can't be reached: {type(error).__name__}: {error}.")
