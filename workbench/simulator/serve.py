"""Serve the simulator: as a process with its own line of readiness, or in a thread for a test."""

from __future__ import annotations

import argparse
import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from workbench.simulator.app import create_app
from workbench.simulator.simulator import TRANSPORT, Simulator


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with the connection in the reach of faults."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]


def main(arguments: list[str] | None = None) -> None:
    """Run `python -m workbench.simulator`."""
    parser = argparse.ArgumentParser(prog="python -m workbench.simulator", description="Serve simulated providers.")
    parser.add_argument("--port", type=int, default=0, help="port of 127.0.0.1 to listen on, 0 for any free one")
    listener = _listen(parser.parse_args(arguments).port)
    server = _server(Simulator())
    print(f"workbench simulator ready at {_url(listener)}", flush=True)  # noqa: T201 - the line that others wait for
    server.run(sockets=[listener])


@contextlib.contextmanager
def serving(simulator: Simulator) -> Iterator[str]:
    """Serve a simulator in a thread; give its root URL."""
    listener = _listen(0)
    server = _server(simulator)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="simulator", daemon=True)
    thread.start()
    try:
        yield _url(listener)
    finally:
        server.should_exit = server.force_exit = True
        thread.join(timeout=10)


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(1024)
    return listener


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _server(simulator: Simulator) -> uvicorn.Server:
    # Faults break connections on purpose; uvicorn would report each as an error of the application.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Server(
        uvicorn.Config(
            create_app(simulator),
            http=_Protocol,
            lifespan="off",
            ws="websockets-sansio",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )
