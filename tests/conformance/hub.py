"""A real JupyterHub and its proxy, as processes of their own: users, their servers, and kernels reached through it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import psutil

from workbench.testing.jupyter import kernel_client
from workbench.testing.servers import free_port

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "conformance" / "jupyterhub"
_PROXY = "configurable-http-proxy@5.3.0"
# What JupyterHub needs beside what the workbench brings. It stands in a folder of its own: where aiodns is installed,
# aiohttp resolves names by it, and the gateway under test is to be the one that people get.
_HUB = ("jupyterhub==6.1.1", "aiodns==4.0.4", "certipy==0.2.3", "oauthlib==4.0.1", "pamela==1.2.0", "pycares==5.2.1")
_T = TypeVar("_T")


def installed(network: dict[str, str]) -> Path:
    """Return the folder with the Hub's packages and, below `node_modules`, its proxy; got once for a clone."""
    if not (CACHE / "ready").exists():
        shutil.rmtree(CACHE, ignore_errors=True)
        CACHE.mkdir(parents=True)
        (CACHE / "package.json").write_text('{"private": true}', "utf-8")
        npm = shutil.which("npm")
        assert npm, "`npm` is missing: `apt-get install npm`, or run .ci/run, which does."
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(CACHE / "python"), *_HUB]
        subprocess.run(pip, check=True, env=network)
        node = [npm, "install", "--no-audit", "--no-fund", "--silent", _PROXY]
        subprocess.run(node, check=True, cwd=CACHE, env=network)
        (CACHE / "ready").touch()
    return CACHE


def eventually(look: Callable[[], _T], *, within: float = 120.0, of: str = "it") -> _T:
    """Return what `look` returns as soon as it is true."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{of}: not within {within} s"
        time.sleep(0.1)
    return seen


def ask(method: str, url: str, token: str | None, body: Any = None) -> tuple[int, Any]:
    """Return status and JSON of an answer, whatever the status."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, method=method, data=data, headers={"Content-Type": "application/json", **headers})
    try:
        with urlopen(request, timeout=60) as response:
            status, raw = response.status, response.read()
    except HTTPError as error:
        with error:
            status, raw = error.code, error.read()
    try:
        return status, json.loads(raw)
    except ValueError:
        return status, raw.decode("utf-8", "replace")


class Hub:
    """A Hub in a folder, with the lines of an admin's jupyterhub_config.py; its token may do what an admin may."""

    token = "token-of-the-hubs-admin"

    def __init__(self, folder: Path, installed_in: Path, config: str) -> None:
        self.folder = folder
        self.homes = folder / "homes"
        self.homes.mkdir(parents=True)
        self._port, self._proxy_port, self._api_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self._proxy_port}"
        self.own_url = f"http://127.0.0.1:{self._port}"
        """Where it answers without its proxy."""
        self._installed = installed_in
        self._family: list[psutil.Process] = []
        found = os.environ.get("PYTHONPATH")
        self._search_path = os.pathsep.join(filter(None, (str(installed_in / "python"), found)))
        (folder / "jupyterhub_config.py").write_text(self._config() + config, "utf-8")
        self.start()

    def _config(self) -> str:
        proxy = self._installed / "node_modules" / ".bin" / "configurable-http-proxy"
        # Without the pages of JupyterLab a server starts in half the time; what is asked here is below them.
        without = {"jupyterlab": False, "notebook": False, "jupyter_lsp": False, "jupyter_server_terminals": False}
        extensions = f"--ServerApp.jpserver_extensions={without}"
        server = [sys.executable, "-m", "jupyterhub.singleuser", "--allow-root", extensions]
        # A real Hub hands its servers a search path of its own image; here the image is this environment.
        handed = {"PATH": os.environ["PATH"], "PYTHONPATH": self._search_path}
        handed |= {name: os.environ[name] for name in ("http_proxy", "https_proxy", "no_proxy", "NO_PROXY")}
        return f"""
c.JupyterHub.bind_url = {self.url!r}
c.JupyterHub.hub_bind_url = {self.own_url!r}
c.ConfigurableHTTPProxy.command = {[str(proxy)]!r}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{self._api_port}"
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.allow_named_servers = True
c.SimpleLocalProcessSpawner.home_dir_template = {str(self.homes)!r} + "/{{username}}"
c.Spawner.cmd = {server!r}
c.Spawner.poll_interval = 1
c.Spawner.start_timeout = c.Spawner.http_timeout = 120
c.Spawner.environment = {handed!r}
c.JupyterHub.services = [{{"name": "tests", "api_token": {self.token!r}, "admin": True}}]
"""

    def start(self) -> None:
        """Start it and its proxy; returns when both answer."""
        with (self.folder / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", "jupyterhub_config.py"],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": self._search_path, "JUPYTERHUB_CRYPT_KEY": secrets.token_hex(32)},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        eventually(self._answers, of="the Hub's answer")

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return self.ask("GET", "/info")[0] == 200
        except (URLError, OSError):
            return False

    def log(self) -> str:
        """Return what the Hub and the servers of its users wrote."""
        return (self.folder / "hub.log").read_text("utf-8", "replace")

    def kill(self) -> None:
        """Kill it; its proxy and the servers of its users go on, as they do while a Hub is updated."""
        self._family += psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it, its proxy and the servers of its users."""
        if self.process.poll() is None:
            self.kill()
        for process in self._family:
            if process.is_running():
                process.kill()

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """Ask the Hub's API, as its admin or with another token."""
        return ask(method, f"{self.url}/hub/api{path}", token or self.token, body)

    def user(self, name: str, *, admin: bool = False) -> User:
        """Add somebody."""
        status, told = self.ask("POST", "/users", {"usernames": [name], "admin": admin})
        assert status == 201, told
        return User(self, name)


class User:
    """Somebody who has an account at the Hub."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub, self.name = hub, name
        self.home = hub.homes / name

    def make_token(self, **wish: Any) -> str:
        """Return a token as the Hub's /hub/token page makes it; `scopes` makes it a narrower one."""
        status, told = self.hub.ask("POST", f"/users/{self.name}/tokens", {"note": "test", **wish})
        assert status == 201, told
        return str(told["token"])

    def spawn(self, name: str = "") -> Server:
        """Start their server, or a named one; returns when it answers."""
        path = f"/users/{self.name}/servers/{name}" if name else f"/users/{self.name}/server"
        status, told = self.hub.ask("POST", path)
        assert status in (201, 202), told
        server = Server(self, name, path)
        eventually(server.is_ready, of=f"the server of {self.name}")
        return server


class Server:
    """A single-user server, asked through the Hub's proxy."""

    def __init__(self, user: User, name: str, path: str) -> None:
        self.user, self._path, self._name = user, path, name
        self.url = f"{user.hub.url}/user/{user.name}" + (f"/{name}" if name else "")

    def is_ready(self) -> bool:
        """Tell whether the Hub says that it is ready."""
        told = self.user.hub.ask("GET", f"/users/{self.user.name}")[1]
        return bool(told["servers"].get(self._name, {}).get("ready"))

    def is_known(self) -> bool:
        """Tell whether the Hub counts it among the running ones."""
        return self._name in self.user.hub.ask("GET", f"/users/{self.user.name}")[1]["servers"]

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the server itself."""
        return ask(method, self.url + path, self.user.hub.token, body)

    def status(self) -> Any:
        """Return what our extension tells."""
        return self.ask("GET", "/workbench/api/status")[1]

    def kernel(self) -> Kernel:
        """Start a kernel; returns when it has its key, which a busy gateway may give late."""
        kernel = Kernel(self)
        eventually(lambda: all(one["key_id"] for one in self.status()["kernels"]), of="the keys of the kernels")
        return kernel

    def pid(self) -> int:
        """Return its process."""
        state = self.user.hub.ask("GET", f"/users/{self.user.name}?include_stopped_servers")[1]
        return int(state["servers"][self._name]["state"]["pid"])

    def stop(self) -> None:
        """Have the Hub stop it, as its admin page does; returns when it has begun."""
        status, told = self.user.hub.ask("DELETE", self._path)
        assert status in (202, 204), told


class Kernel:
    """A kernel of a single-user server."""

    def __init__(self, server: Server) -> None:
        # In the headers: the Hub's servers take no token from the URL of a WebSocket.
        signed_in = {"Authorization": f"Bearer {server.user.hub.token}"}
        self.client = kernel_client(server.url, token=None, headers=signed_in)
        self.client.start()

    def run(self, code: str) -> str:
        """Return everything that a cell printed, its errors included."""
        reply = self.client.execute(code, timeout=60)
        return "".join(one.get("text") or "\n".join(one.get("traceback") or ()) for one in reply["outputs"])

    def end(self) -> None:
        """Shut it down."""
        self.client.stop(shutdown_kernel=True)
