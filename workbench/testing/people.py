"""People for a test: a stand-in for JupyterHub's user API, at which somebody's token is `token-of-<name>`."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PREFIX = "token token-of-"


@contextlib.contextmanager
def hub_of_people(people: Mapping[str, Mapping[str, Any]] | None = None) -> Iterator[str]:
    """Serve `/hub/api/user` on loopback and yield the hub's URL.

    `people` are those whom it knows, with what it says of them (`groups`, `admin`, `scopes`); None: everybody.
    """

    class User(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.headers.get("Authorization", "").removeprefix(_PREFIX)
            known = self.path == "/hub/api/user" and (people is None or name in people)
            told = {"kind": "user", "name": name, "groups": [], "admin": False, "scopes": ["access:servers"]}
            body = json.dumps({**told, **(people or {}).get(name, {})}).encode()
            self.send_response(200 if known else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), User)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
