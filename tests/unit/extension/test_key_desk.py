"""Asking a gateway for keys: what comes back when it is not there, or is something else."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from workbench.errors import AuthenticationFailed, GatewayUnreachable, InvalidInput, WorkbenchError
from workbench.services.ports import free_port
from workbench.wire.envelope import error_body
from workbench_jupyter.key_desk import KeyDesk


@pytest.fixture
def answering():
    """Start a server that gives every request one answer; return its URL and the requests it saw."""
    servers = []

    def start(status, body, headers=()):
        seen = []

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self):
                size = int(self.headers.get("content-length") or 0)
                seen.append((self.command, self.path, self.headers.get("authorization"), self.rfile.read(size)))
                self.send_response(status)
                for name, value in (*headers, ("content-length", str(len(body)))):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_DELETE = do_GET = handle_any  # noqa: N815 - http.server's names

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}", seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def issue(url, **changes):
    return KeyDesk(url, "identity").issue(**{"note": "n", "expires_in": 60, "lease": None, "timeout": 3.0} | changes)


def test_a_key_is_asked_for_with_the_identity_and_the_lease(answering):
    url, seen = answering(201, b'{"id": "k1", "key": "wbx-1", "expires_at": "2030-01-01T00:00:00Z"}')
    key = issue(url, lease="abc")
    assert (key.id, key.key) == ("k1", "wbx-1")
    [(method, path, token, body)] = seen
    assert (method, path, token) == ("POST", "/keys/exploration", "Bearer identity")
    assert json.loads(body) == {"note": "n", "expires_in": 60, "lease": "abc"}


def test_a_gateway_without_our_lease_is_asked_for_none(answering):
    url, seen = answering(201, b'{"id": "k1", "key": "wbx-1", "expires_at": null}')
    issue(url)
    assert "lease" not in json.loads(seen[0][3])


def test_a_key_is_given_back(answering):
    url, seen = answering(204, b"")
    KeyDesk(url, "identity").revoke("k/1", timeout=3.0)
    assert seen[0][:2] == ("DELETE", "/keys/k%2F1")


def test_the_gateways_error_comes_back_as_what_it_was(answering):
    url, _ = answering(401, json.dumps(error_body(AuthenticationFailed("No such identity."))).encode())
    with pytest.raises(AuthenticationFailed, match="No such identity"):
        issue(url)
    url, _ = answering(400, json.dumps(error_body(InvalidInput("Too long."))).encode())
    with pytest.raises(InvalidInput, match="Too long"):
        issue(url)


@pytest.mark.parametrize(("status", "body"), [(502, b"<html>bad gateway</html>"), (404, b"[]"), (500, b"")])
def test_an_error_page_of_something_else_is_an_error_of_ours(answering, status, body):
    url, _ = answering(status, body)
    with pytest.raises(WorkbenchError, match=str(status)):
        issue(url)


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"{}", b"[1]", b'"text"', b""])
def test_an_answer_that_is_no_key_is_an_error_of_ours(answering, body):
    url, _ = answering(200, body)
    with pytest.raises(GatewayUnreachable, match="not a workbench gateway"):
        issue(url)


def test_the_identity_is_not_carried_to_where_a_redirect_leads(answering):
    elsewhere, seen = answering(201, b'{"id": "k1", "key": "wbx-1", "expires_at": null}')
    for status in (301, 302, 307, 308):
        url, _ = answering(status, b"", [("location", elsewhere)])
        with pytest.raises(WorkbenchError):
            issue(url)
    assert seen == []


def test_nobody_there_is_told_with_the_url():
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(GatewayUnreachable, match=url):
        issue(url)


def test_neither_identity_nor_key_is_shown(answering):
    url, _ = answering(201, b'{"id": "k1", "key": "wbx-secret", "expires_at": null}')
    assert "wbx-secret" not in repr(issue(url))
    assert "identity" not in repr(KeyDesk(url, "identity"))
