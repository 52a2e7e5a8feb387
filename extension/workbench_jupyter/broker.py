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

from workbench.errors import AuthenticationFailed, GatewayUnreachable, NotFound, Unavailable, WorkbenchError
from workbench.wire.variables import Sdk, rows_for
from workbench_jupyter.variables import HUB_TOKENS, SERVER_ONLY, STARTING

if TYPE_CHECKING:
    from workbench.client.key_desk import IssuedKey
    from workbench.services.embedded import EmbeddedGateway, GatewayAddress
    from workbench.wire.key_file import MountedKey
    from workbench_jupyter.connection import Connection

Mount = Literal["respect", "always"]
State = Literal["starting", "ready", "restarting", "failed"]
REQUEST_TIMEOUT = 3.0  # seconds; within them the notebook tells that a gateway does not answer
_LOOK_TIMEOUT = 2.0  # seconds
_FOLLOWS = "Check WORKBENCH_GATEWAY_URL, or ask whoever runs that gateway; once it answers, the key follows by itself."
_log = logging.getLogger(__name__)
_LIFE = 12 * 3600
_T = TypeVar("_T")


@dataclass(frozen=True)
class Seen:
    """How the gateway is."""

    state: State
    """How far it has come."""
    error: WorkbenchError | None = None
    """What is wrong with it, with a hint."""


class Broker:
    """Issues and revokes the keys of one server."""

    def __init__(self, *, mount: Mount | None = None) -> None:
        self.configured_url: str | None = None
        """Root URL of a gateway that others run; None for the embedded one."""
        self.mount: Mount = mount or "respect"
        """What was asked for when the server was started, else `[jupyter] mount`, once it has been read."""
        self.credentials: frozenset[str] = frozenset()
        """Variables that hold the gateway's credentials of its providers, once they are known."""
        self.withheld: tuple[str, ...] = SERVER_ONLY
        """Variables that no kernel gets, as `[jupyter] keep_hub_token` says, once it has been read."""
        self._mount_is_given = mount is not None
        self.on_move: Callable[[str], object] = lambda url: None
        """Called, from a thread, with the root URL of the embedded gateway after it was started again."""
        self.on_key: Callable[[str], object] = lambda key: None
        """Called with each key that was issued."""
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="workbench-keys")
        self._connecting: Future[Connection] | None = None
        self._embedded: EmbeddedGateway | None = None
        self._refusal: WorkbenchError | None = None
        self._closed = False
        self._providers: tuple[tuple[str, str], ...] = ()

    @property
    def state(self) -> State:
        """How far it has come, as the last attempt told."""
        if self._connecting is None or not self._connecting.done():
            return "starting"
        return "failed" if self.error else "ready"

    @property
    def life(self) -> float:
        """Life of a key, in seconds; that of the gateway's default until it is known."""
        connection = self._connection()
        return connection.expires_in if connection else _LIFE

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

    async def look(self) -> Seen:
        """Return how the gateway is now; one that was there is asked, and has two seconds to answer."""
        connection = self._connection()
        if connection is None or (self._embedded is not None and self._embedded.last_error is not None):
            return Seen(self.state, self.error)
        try:
            await self._in_thread(lambda: connection.desk.ask("GET", "/healthz", None, timeout=_LOOK_TIMEOUT))
        except GatewayUnreachable as error:
            if self._embedded is None:
                return Seen("failed", GatewayUnreachable(error.message, hint=_FOLLOWS))
            if self._embedded.is_alive:
                pid = self._embedded.address.pid if self._embedded.address else 0
                hint = f"It hangs, or has much to do. Where it does not come back: kill -9 {pid}; it is started again."
                return Seen("failed", GatewayUnreachable(error.message, hint=hint))
            return Seen("restarting", _ended())
        # It answers: that it once did not is over. That it gave no key is not.
        refused = self._refusal is not None and not isinstance(self._refusal, GatewayUnreachable)
        return Seen("failed", self._refusal) if refused else Seen("ready")

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

    async def issue(self, note: str) -> tuple[IssuedKey, str]:
        """Return a new key and the gateway's root URL.

        Raises GatewayUnreachable, with code `gateway_starting` where trying later will do, or what the gateway told.
        """
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
        self.on_key(key.key)
        return key, connection.desk.url

    async def rotate(self, key_id: str, *, overlap_seconds: int) -> tuple[IssuedKey, str]:
        """Return a key in the place of another, which goes on for the overlap, and the gateway's root URL.

        Raises what the gateway told, and GatewayUnreachable.
        """
        connection = self._connection()
        if connection is None:
            raise self.error or _starting()
        key = await self._in_thread(
            lambda: connection.desk.rotate(key_id, overlap_seconds=overlap_seconds, timeout=REQUEST_TIMEOUT)
        )
        self.on_key(key.key)
        return key, connection.desk.url

    async def sdks(self, key: MountedKey | None) -> tuple[Sdk, ...]:
        """Return the rows that may be mounted for a key; without one, those of the configuration as far as known."""
        from workbench.client.usable_sdks import usable_sdks  # noqa: PLC0415 - not at the server's start

        if key is not None:
            try:
                return await self._in_thread(lambda: usable_sdks(key.gateway_url, key.key, timeout=REQUEST_TIMEOUT))
            except WorkbenchError as error:
                _log.warning("The gateway does not tell its providers: %s", error)
        return rows_for(self._providers)

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key; return False where trying again will do."""
        connection = self._connection()
        if connection is None:
            return False
        try:
            await self._in_thread(lambda: connection.desk.revoke(key_id, timeout=REQUEST_TIMEOUT))
        except NotFound:
            return True  # it was another gateway's
        except WorkbenchError as error:
            _log.warning("The key %s was not revoked: %s", key_id, error)
            may_renew = connection.renewed_in_place and isinstance(error, AuthenticationFailed)
            return not (error.retryable or may_renew)
        return True

    async def close(self) -> None:
        """Give up the gateway; the embedded one ends when nobody else uses it."""
        self._closed = True
        if self._embedded is not None:
            await asyncio.to_thread(self._embedded.close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _connection(self) -> Connection | None:
        if self._connecting is None or not self._connecting.done() or self._connecting.exception():
            return None
        connection = self._connecting.result().current()
        address = self._embedded.address if self._embedded is not None else None
        if address is None or address.url == connection.desk.url:
            return connection
        return replace(connection, desk=replace(connection.desk, url=address.url))  # it had to take another port

    async def _settled(self, patience: float) -> None:
        """Wait until the gateway is reached or known to be out of reach, or patience is at its end."""
        if self._connecting is not None and not self._connecting.done():
            waiting = asyncio.wrap_future(self._connecting)
            waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # it is told by `error`
            await asyncio.wait({waiting}, timeout=patience)  # unlike wait_for, this does not cancel what it waits for

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("The Jupyter server is stopping.")

    # -- in a thread -------------------------------------------------------------------------------------------------

    def _connect(self) -> Connection:
        from workbench.services.embedded import EmbeddedGateway  # noqa: PLC0415 - not in the server's main thread
        from workbench.settings import load_settings  # noqa: PLC0415
        from workbench_jupyter import connection  # noqa: PLC0415

        self.configured_url = connection.configured_url()
        # A gateway elsewhere has its own credentials of providers.
        settings = load_settings(credentials=self.configured_url is None)
        if not self._mount_is_given:
            self.mount = settings.jupyter.mount
        if settings.jupyter.keep_hub_token:
            self.withheld = tuple(name for name in SERVER_ONLY if name not in HUB_TOKENS)
        if self.configured_url is None:
            self._providers = tuple((name, provider.kind) for name, provider in settings.providers.items())
        references = [provider.credential for provider in settings.providers.values() if provider.credential]
        self.credentials = frozenset(reference.env for reference in references if reference.env)
        if self.configured_url is not None:
            return connection.connect_configured(self.configured_url, settings)
        if self._embedded is None:
            self._embedded = EmbeddedGateway(settings.home, settings.file, on_change=self._moved)
        # `close` says that it has begun before it looks for what there is to close: one of the two sees the other.
        self._check_open()
        connected = connection.connect_embedded(self._embedded, settings)
        try:
            self._check_open()
        except Unavailable:
            self._embedded.close()  # it may have been closed just before it was attached
            raise
        return connected

    def _moved(self, address: GatewayAddress) -> None:
        self.on_move(address.url)


def _ended() -> GatewayUnreachable:
    return GatewayUnreachable(
        "The gateway has ended and is being started again.",
        hint="Calls work again in some seconds; neither the kernel nor Jupyter has to be restarted.",
        code="gateway_restarting",
    )


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
