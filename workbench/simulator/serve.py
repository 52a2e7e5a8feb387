"""Serve the simulator: as a process with its own line of readiness, or in a thread for a test."""

from __future__ import annotations

import argparse
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from workbench.simulator.app import create_app
from workbench.simulator.certificate import KEY, make_certificate
from workbench.simulator.conversation import TRANSPORT
from workbench.simulator.simulator import Simulator

_LARGEST_MESSAGE = 64 * 1024 * 1024


class _Sockets(WebSocketsSansIOProtocol):
    """uvicorn's WebSockets, with the connection in the reach of faults."""

    async def run_asgi(self) -> None:
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]
        await super().run_asgi()


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with the connection in the reach of faults."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]


def main(arguments: list[str] | None = None) -> None:
    """Run `python -m workbench.simulator`."""
    parser = argparse.ArgumentParser(prog="python -m workbench.simulator", description="Serve simulated providers.")
    parser.add_argument("--port", type=int, default=0, help="port of 127.0.0.1 to listen on, 0 for any free one")
    serve(Simulator(), port=parser.parse_args(arguments).port, ready=_say_ready)


def serve(simulator: Simulator, *, port: int, ready: Callable[[str], None], tls: Path | None = None) -> None:
    """Serve until the process is told to end; `ready` is called with the root URL once connections are taken.

    With `tls` the simulator speaks TLS, by a certificate that is written into that folder.
    """
    listener = _listen(port)
    server = _server(simulator, tls)
    ready(_url(listener, tls))
    server.run(sockets=[listener])


@contextlib.contextmanager
def serving(simulator: Simulator, *, tls: Path | None = None) -> Iterator[str]:
    """Serve a simulator in a thread; give its root URL."""
    listener = _listen(0)
    server = _server(simulator, tls)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="simulator", daemon=True)
    thread.start()
    try:
        yield _url(listener, tls)
    finally:
        server.should_exit = server.force_exit = True
        thread.join(timeout=10)


def _say_ready(url: str) -> None:
    print(f"workbench simulator ready at {url}", flush=True)  # noqa: T201 - the line that others wait for


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(1024)
    return listener


def _url(listener: socket.socket, tls: Path | None) -> str:
    return f"http{'' if tls is None else 's'}://127.0.0.1:{listener.getsockname()[1]}"


def _server(simulator: Simulator, tls: Path | None) -> uvicorn.Server:
    # Faults break connections on purpose; uvicorn would report each as an error of the application.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Server(
        uvicorn.Config(
            create_app(simulator),
            http=_Protocol,
            lifespan="off",
            ws=_Sockets,
            ws_max_size=_LARGEST_MESSAGE,
            ssl_certfile=None if tls is None else make_certificate(tls),
            ssl_keyfile=None if tls is None else tls / KEY,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )
