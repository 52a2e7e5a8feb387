"""What stands behind every gateway that is measured: nginx with one small answer, and the paced upstream."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.paced import READY
from tests.benchmarks.processes import free_port, running

MODELS = {"burst": (2000, 0), "paced": (40, 50), "slow": (10, 1000)}
"""Streamed models: how many frames, and how many milliseconds between two."""

_ANSWER = (
    '{"id":"chatcmpl-1","object":"chat.completion","created":1760000000,"model":"chat","choices":[{"index":0,'
    '"message":{"role":"assistant","content":"Hello! How can I help you today?","refusal":null,"annotations":[]},'
    '"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":9,"total_tokens":20,'
    '"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},'
    '"service_tier":"default"}'
)
_NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream answering {{ server 127.0.0.1:{answering}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{answering} backlog=1024;
    default_type application/json;
    location / {{ return 200 '{answer}'; }}
  }}
  server {{
    listen 127.0.0.1:{relaying} backlog=1024;
    location / {{ proxy_pass http://answering; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


@dataclass(frozen=True)
class Upstreams:
    """Running upstreams."""

    chat: str
    """URL of the small answer; any path below it."""
    nginx_relay: str
    """URL of nginx as a relay before it."""
    paced: str
    """URL of the paced upstream."""

    def base(self, model: str) -> str:
        """Return the base URL under which a model is served: what stands before `/chat/completions`."""
        if model == "chat":
            return f"{self.chat}/v1"
        frames, milliseconds = MODELS[model]
        return f"{self.paced}/{frames}/{milliseconds}"


@contextlib.contextmanager
def upstreams(folder: Path) -> Iterator[Upstreams]:
    """Serve all of them while the block runs."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if nginx is None:
        raise SystemExit("nginx is needed: apt-get install nginx-light wrk")
    answering, relaying = free_port(), free_port()
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, answering=answering, relaying=relaying, answer=_ANSWER))
    chat = f"http://127.0.0.1:{answering}"
    with (
        running([nginx, "-c", str(config), "-e", "stderr"], log=folder / "nginx.out", ready_url=chat),
        running([sys.executable, "-m", "tests.benchmarks.paced"], log=folder / "paced.out", ready_line=READY) as (
            _,
            paced,
        ),
    ):
        yield Upstreams(chat, f"http://127.0.0.1:{relaying}", paced)
