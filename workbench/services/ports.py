"""Ports of this machine: is one free, and is there an answer at a URL."""

from __future__ import annotations

import http.client
import socket
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"


def free_port(preferred: int = 0, *, host: str = LOOPBACK) -> int:
    """Return `preferred` if nothing listens there, else any free port."""
    for port in dict.fromkeys((preferred, 0)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            # As servers do, so that a port whose last connections are still closing counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                probe.listen(1)
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port on {host}")


def answers(url: str, *, timeout: float = 2.0) -> bool:
    """Return whether a GET of an http URL is answered with a 2xx; proxies of the environment are not asked."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or LOOPBACK, parts.port, timeout=timeout)
    try:
        connection.request("GET", f"{parts.path or '/'}?{parts.query}")
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
