"""The gateway process: arguments, socket, signals, the line that says it is ready, and a clean end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from workbench.errors import Conflict, SettingsError, Unavailable, WorkbenchError
from workbench.gateway import workers
from workbench.gateway.admission.cells import WORKERS as MOST_WORKERS
from workbench.gateway.admission.shared import SharedCounters, limits_file
from workbench.gateway.app import create_app
from workbench.gateway.embedded import Embedding
from workbench.gateway.parts import Parts
from workbench.gateway.protocol import GatewayProtocol
from workbench.gateway.telemetry.metrics import forget, metrics_folder
from workbench.gateway.upgrade import websocket_protocol
from workbench.settings import Settings, load_settings

_log = logging.getLogger("workbench.gateway.serve")

STOP_SECONDS = 30.0
"""How long streams may take to end after SIGTERM."""
_BACKLOG = 1024
_OBJECTS_BEFORE_COLLECTION = 10_000


class _Server(uvicorn.Server):
    """A uvicorn that says when it is ready and ends with exit code 0 on SIGTERM."""

    def __init__(
        self, config: uvicorn.Config, gateway: Parts, *, url: str, embedding: Embedding | None, is_worker: bool
    ) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._url = url
        self._embedding = embedding
        self._is_worker = is_worker
        self._watch: asyncio.Task[None] | None = None
        self._reloading: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        # What is there now stays: no collection need look at it. Calls leave few cycles, and are not held up for them.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_OBJECTS_BEFORE_COLLECTION, 20, 20)
        if self._embedding is not None:
            self._embedding.announce(self._url)
            self._watch = asyncio.create_task(self._embedding.watch(self._gateway, leave=self._stop))
        if self._is_worker:
            asyncio.get_running_loop().add_reader(0, self._parent_is_gone)
        print(workers.READY if self._is_worker else _ready(self._url), flush=True)  # noqa: T201 - others wait for it

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own handlers raise the signal once more at the end, and the process would die of it.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        if hasattr(signal, "SIGHUP"):
            loop.add_signal_handler(signal.SIGHUP, self._reload)
        yield

    def _parent_is_gone(self) -> None:
        asyncio.get_running_loop().remove_reader(0)
        if not self.should_exit:
            self._stop()

    def _reload(self) -> None:
        self._reloading = asyncio.create_task(self._gateway.reloader.reload_and_log())

    def _stop(self) -> None:
        self._gateway.changes.close()
        if self.should_exit:  # asked twice: do not wait for streams
            self._gateway.in_flight.end_all()
        else:
            asyncio.get_running_loop().call_later(STOP_SECONDS, self._gateway.in_flight.end_all)
        self.should_exit = True


def serve(
    settings: Settings,
    *,
    host: str | None = None,
    port: int | None = None,
    embedded: bool = False,
    worker: int | None = None,
    workers: int = 1,
) -> None:
    """Serve until SIGTERM, or, embedded, until nobody uses it; raises WorkbenchError if it can't start.

    `worker` is the number of this process among several, `workers`, that share the port.
    """
    os.umask(0o077)  # state, ledger and logs are their owner's
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}

    def placed(told: Settings) -> Settings:
        return told.model_copy(update={"gateway": told.gateway.model_copy(update=given)})

    def read() -> Settings:
        return placed(load_settings(settings.file, home=settings.home))

    gateway = Parts(placed(settings), read=read, worker=worker, workers=workers)
    place = gateway.settings.gateway
    embedding = Embedding(settings.home) if embedded else None
    if embedding is not None:
        embedding.claim()
    try:
        listener = _listen(place.host, place.port, any_other=embedded, shared=worker is not None)
        _run(gateway, listener, embedding, is_worker=worker is not None)
    finally:
        if embedding is not None:
            embedding.release()


def serve_with_workers(settings: Settings, count: int, *, host: str | None = None, port: int | None = None) -> None:
    """Serve with several processes until SIGTERM; raises WorkbenchError or SystemExit if they can't start."""
    host, port = host or settings.gateway.host, settings.gateway.port if port is None else port
    try:
        held = workers.reserve(host, port)
    except OSError as error:
        raise _can_not_listen(host, port, error) from error
    place = ["--host", host, "--port", str(held.getsockname()[1])]
    config = ["--config", str(settings.file)] if settings.file is not None else []

    def command(worker: int) -> list[str]:
        one_of = ["--workers", str(count), "--worker", str(worker)]
        return [sys.executable, "-m", "workbench.gateway", *config, *place, *one_of]

    limits = limits_file(settings.home, held.getsockname()[1])
    SharedCounters.create(limits)
    metrics = metrics_folder(settings.home, held.getsockname()[1])
    forget(metrics)
    counters = SharedCounters(limits, worker=0)

    def gone(worker: int) -> None:
        if calls := counters.settle_dead(worker):
            _log.error(
                "worker %d had %d calls of limited keys on its way: what they held counts as spent", worker, calls
            )

    os.environ["WORKBENCH_HOME"] = str(settings.home)
    _log_to_stderr()
    with held:
        run = workers.Workers(count, command, gone=gone)
        code = asyncio.run(run.run(ready=lambda: print(_ready(_url(held)), flush=True)))  # noqa: T201
    limits.unlink(missing_ok=True)
    forget(metrics)
    if code:
        sys.exit(code)


def main(arguments: list[str] | None = None) -> None:
    """Run `python -m workbench.gateway`."""
    parser = argparse.ArgumentParser(prog="python -m workbench.gateway", description="Serve the workbench's gateway.")
    parser.add_argument("--config", type=Path, help="configuration file")
    parser.add_argument("--host", help="address to listen on; default: [gateway] host")
    parser.add_argument("--port", type=int, help="port to listen on, 0 for any free one; default: [gateway] port")
    parser.add_argument("--embedded", action="store_true", help="serve this home while somebody holds a lease on it")
    parser.add_argument("--workers", type=int, default=1, choices=range(1, MOST_WORKERS + 1), metavar="N",
                        help=f"processes, 1 to {MOST_WORKERS}")  # fmt: skip
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    try:
        settings = load_settings(given.config)
        if given.workers > 1 and given.embedded:
            parser.error("an embedded gateway is one process: leave --workers away")
        elif given.workers > 1 and given.worker is None:
            serve_with_workers(settings, given.workers, host=given.host, port=given.port)
        else:
            serve(settings, host=given.host, port=given.port, embedded=given.embedded, worker=given.worker,
                  workers=given.workers)  # fmt: skip
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a program's last word
        sys.exit(2)
    except WorkbenchError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


def _log_to_stderr() -> None:
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def _run(gateway: Parts, listener: socket.socket, embedding: Embedding | None, *, is_worker: bool) -> None:
    _log_to_stderr()
    config = uvicorn.Config(
        create_app(gateway.settings, parts=gateway),
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=GatewayProtocol,
        proxy_headers=False,  # who calls is told by the key, never by a header
        ws=websocket_protocol,  # type: ignore[arg-type]  # it is called like the class that it loads
        lifespan="on",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=int(STOP_SECONDS) + 5,
    )
    server = _Server(config, gateway, url=_url(listener), embedding=embedding, is_worker=is_worker)
    # A start that fails is told once, by the error, and not by a traceback before it.
    logging.getLogger("uvicorn.error").addFilter(lambda _: gateway.failure is None)
    try:
        server.run(sockets=[listener])
    except SystemExit as error:  # so uvicorn ends where the lifespan failed
        raise gateway.failure or Unavailable("The gateway did not start.") from error


def _listen(host: str, port: int, *, any_other: bool, shared: bool) -> socket.socket:
    """Return a listening socket; with `any_other`, on another port where this one is taken, else perhaps `shared`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what waits to be forgotten keeps no port
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        try:
            listener.bind((host, port))
        except OSError as error:
            if not (any_other and error.errno == errno.EADDRINUSE):
                raise
            listener.bind((host, 0))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _can_not_listen(host, port, error) from error
    listener.setblocking(False)
    return listener


def _can_not_listen(host: str, port: int, error: OSError) -> WorkbenchError:
    if error.errno == errno.EADDRINUSE:
        return Conflict(
            f"Port {port} of {host} is taken.", hint="Stop what listens there, or choose another with --port."
        )
    return Unavailable(
        f"The gateway can't listen on {host}:{port}: {error.strerror}.", hint="Check [gateway] host and port."
    )


def _ready(url: str) -> str:
    return f"workbench gateway ready at {url}"


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
