"""An identity token that ends, in a file that somebody renews: it is told, and the next is taken without a restart."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import rsa

from workbench.cli import main
from workbench.testing.gateway import running_gateway
from workbench_jupyter.broker import Broker
from workbench_jupyter.ipython import KernelKey
from workbench_jupyter.mounts import Mounts

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CONFIG = """
[providers.local]
kind = "local"
trust = "in_house"
[identity.oidc]
issuer = "{issuer}"
audience = "workbench"
leeway = 0
"""


class _Issuer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        own = f"http://127.0.0.1:{self.server.server_port}"
        public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
        keys = {"keys": [{**public, "kid": "one", "use": "sig"}]}
        told = keys if self.path == "/keys" else {"issuer": own, "jwks_uri": f"{own}/keys"}
        raw = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def issuer() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Issuer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def token(issuer: str, *, seconds: float) -> str:
    claims = {"iss": issuer, "aud": "workbench", "sub": "ana", "exp": time.time() + seconds}
    return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "one"})


def test_server_and_command_line_say_who_must_renew_it_and_take_the_next_one_by_themselves(
    issuer: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "identity"
    file.write_text(token(issuer, seconds=-5))
    with running_gateway(tmp_path / "gateway", config=CONFIG.format(issuer=issuer)) as gateway:
        monkeypatch.setenv("WORKBENCH_GATEWAY_URL", gateway.url)
        monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN_FILE", str(file))

        def command() -> Any:
            return CliRunner().invoke(main, ["keys", "list", "--json"])

        refused = command()
        assert refused.exit_code != 0
        assert f"Whoever writes {file}" in refused.output

        async def trip() -> tuple[str, set[str]]:
            broker = Broker()
            broker.start()
            mounts = Mounts(broker)
            environ = await mounts.mount("k", {"WORKBENCH_IDENTITY_TOKEN_FILE": str(file)})
            kernel, told = KernelKey(environ), ""
            async with asyncio.timeout(60):
                while "The token expired" not in told:  # a busy machine may tell first that it is still starting
                    told += "".join(kernel.refresh())
                    await asyncio.sleep(0.05)
            file.write_text(token(issuer, seconds=600))
            async with asyncio.timeout(60):
                while mounts.all[0].key_id is None:  # noqa: ASYNC110 - it is polled as a reader would
                    await asyncio.sleep(0.05)
            assert kernel.refresh() == []
            live = json.loads(command().output)
            file.write_text(token(issuer, seconds=-5))
            await mounts.unmount("k")
            file.write_text(token(issuer, seconds=600))
            async with asyncio.timeout(60):
                while not all(key["revoked_at"] for key in json.loads(command().output)):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.2)
            await mounts.close()
            return told, {key["owner"] for key in live if key["revoked_at"] is None}

        told, owners = asyncio.run(trip())
        assert f"Whoever writes {file}" in told
        assert owners == {"ana"}
