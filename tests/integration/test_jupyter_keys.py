"""A plain Jupyter server, real kernels, the embedded gateway: the key is there, works, and dies with its server."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import psutil
import pytest

from workbench.testing.jupyter import kernel_client
from workbench.testing.servers import free_port

TOKEN = "token-of-the-test"
FIRST_CELL = """
import openai
answer = openai.OpenAI().chat.completions.create(
    model="smollm2-135m", max_tokens=16, temperature=0, messages=[{"role": "user", "content": "Say hello."}])
print("answer:", answer.choices[0].message.content)
"""
CHEAP_CALL = """
import json, os, urllib.request
authorization = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/models", headers=authorization)
print(len(json.load(urllib.request.urlopen(request))["data"]), "models")
"""
ASK_ME = """
import os, urllib.request
authorization = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
request = urllib.request.Request(os.environ["WORKBENCH_RELAY_URL"] + "/me", headers=authorization)
print(urllib.request.urlopen(request).read().decode())
"""
SHOW_KEY = "import os; print(os.environ.get('OPENAI_API_KEY'))"


def http(method, url, *, token=None, body=None, timeout=30):
    """Return status and JSON of an answer, whatever the status."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": token} if token else {})
    request = Request(url, method=method, headers=headers, data=None if body is None else json.dumps(body).encode())
    try:
        with urlopen(request, timeout=timeout) as response:
            raw, status = response.read(), response.status
    except HTTPError as error:
        with error:
            raw, status = error.read(), error.code
    try:
        return status, json.loads(raw)
    except ValueError:
        return status, raw.decode("utf-8", "replace")


def eventually(look, *, within=60.0):
    """Return what `look` returns as soon as it is true."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {within} s: {look}"
        time.sleep(0.1)
    return seen


class Jupyter:
    """A Jupyter server process on a home."""

    def __init__(self, home, folder, *, app="server", **environ):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = folder / f"jupyter-{self.url[-5:]}.log"
        own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
        own |= {"IPYTHONDIR": str(folder / "ipython"), "WORKBENCH_HOME": str(home)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyter", app, "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
                 f"--ServerApp.port={self.url.rpartition(':')[2]}", f"--IdentityProvider.token={TOKEN}",
                 f"--ServerApp.root_dir={folder}"],
                env={**os.environ, **own, **environ}, cwd=folder, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        eventually(self._answers)

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.ask("GET", "/api/status")[0] == 200
        except (URLError, OSError):
            return False

    def ask(self, method, path, body=None, *, token=f"token {TOKEN}"):
        return http(method, self.url + path, token=token, body=body)

    def status(self):
        return self.ask("GET", "/workbench/api/status")[1]

    def kernel(self):
        """Start a kernel as a script does: without a session."""
        kernel = Kernel(self)
        kernel.client.start()
        return kernel

    def notebook(self, name="Untitled.ipynb"):
        """Start a kernel as a new notebook does: with a session."""
        body = {"path": name, "name": name, "type": "notebook", "kernel": {"name": "python3"}}
        status, session = self.ask("POST", "/api/sessions", body)
        assert status == 201, session
        return Kernel(self, session["kernel"]["id"])

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0, self.log.read_text()

    def kill(self):
        self.process.kill()
        self.process.wait()


class Kernel:
    def __init__(self, server, kernel_id=None):
        self.server = server
        self.client = kernel_client(server.url, token=TOKEN, kernel_id=kernel_id)
        if kernel_id:
            self.client.start()

    @property
    def id(self):
        return self.client.id

    def run(self, code):
        """Return everything that a cell printed, its errors included."""
        try:
            reply = self.client.execute(code, timeout=120)
        except RuntimeError:
            # Jupyter gives a kernel ports that were free a moment ago. Where another process took one of them first,
            # Jupyter starts the kernel again, and a page connects again: so do we.
            if "Address already in use" not in self.server.log.read_text():
                raise
            self.connect_again()
            reply = self.client.execute(code, timeout=120)
        return "".join(o.get("text") or "\n".join(o.get("traceback") or ()) for o in reply["outputs"])

    def key(self):
        """Return the key of the moment, which stands in the file alone."""
        return json.loads(self.key_file().read_text())["key"]

    def reference(self):
        """Return what stands in the environment in its place."""
        return re.search(r"wbr-\w+", self.run(SHOW_KEY))[0]

    def key_file(self):
        return Path(self.run("import os; print(os.environ['WORKBENCH_KEY_FILE'])").strip())

    def restart(self):
        self.client.restart(timeout=60)
        self.connect_again()  # a connection that saw the old kernel was seen to miss what the new one says first

    def connect_again(self):
        self.client = kernel_client(self.server.url, token=TOKEN, kernel_id=self.id)
        self.client.start()

    def shutdown(self):
        assert self.server.ask("DELETE", f"/api/kernels/{self.id}")[0] == 204


def recorded(home):
    return json.loads((home / "gateway.json").read_text())


def me(home, key):
    return http("GET", recorded(home)["url"] + "/me", token=f"Bearer {key}")


def is_revoked(home, key):
    status, body = me(home, key)
    return status == 401 and body["error"]["code"] == "revoked"


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def stop_gateway(home):
    """End what a failed test may have left."""
    with suppress(OSError, psutil.NoSuchProcess):
        psutil.Process(recorded(home)["pid"]).kill()


@contextmanager
def started(home, folder, **options):
    server = Jupyter(home, folder, **options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def folder(tmp_path):
    """The folder that a user starts Jupyter in."""
    return tmp_path


@pytest.fixture
def start(home, folder):
    """Start Jupyter servers on the test's home; what is left of them is ended."""
    servers = []

    def start_one(**options):
        servers.append(Jupyter(home, folder, **options))
        return servers[-1]

    yield start_one
    for server in servers:
        if server.process.poll() is None:
            server.kill()
    stop_gateway(home)


@pytest.fixture(scope="module")
def lab_home(tmp_path_factory, weights):
    home = tmp_path_factory.mktemp("lab") / "home"
    shutil.copytree(weights, home / "models", copy_function=shutil.copy2)
    home.chmod(0o700)
    yield home
    stop_gateway(home)


@pytest.fixture(scope="module")
def lab(lab_home):
    """One plain `jupyter lab` for the tests that leave it as it was."""
    with started(lab_home, lab_home.parent, app="lab") as server:
        yield server
        server.stop()


@pytest.fixture
def kernel(lab):
    kernel = lab.notebook()
    yield kernel
    lab.ask("DELETE", f"/api/kernels/{kernel.id}")


# -- in a running server ---------------------------------------------------------------------------------------------


def test_the_first_cell_of_a_new_notebook_gets_an_answer_with_nothing_configured(kernel):
    assert re.search(r"answer: \w+", kernel.run(FIRST_CELL))


def test_the_mounted_key_tells_when_it_expires(kernel):
    told = json.loads(kernel.run(ASK_ME))
    left = datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)
    assert 0 < left.total_seconds() <= 12 * 3600


def test_our_own_client_finds_the_mounted_key(kernel):
    assert "exploration" in kernel.run("import workbench as wb; print(wb.Gateway().me())")


def test_a_kernel_without_a_session_gets_a_key_too(lab):
    kernel = lab.kernel()
    assert re.search(r"\d models", kernel.run(CHEAP_CALL))
    kernel.shutdown()


def test_the_key_file_is_for_its_owner_only(kernel):
    path = kernel.key_file()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert json.loads(path.read_text())["key"] == kernel.key()


def test_a_restarted_kernel_has_a_new_key_and_the_old_one_is_dead(lab_home, kernel):
    old = kernel.key()
    kernel.restart()
    assert kernel.key() != old
    assert re.search(r"\d models", kernel.run(CHEAP_CALL))
    eventually(lambda: is_revoked(lab_home, old))


def test_a_kernel_that_crashed_comes_back_with_a_new_key(lab, lab_home, kernel):
    old, path = kernel.key(), kernel.key_file()
    os.kill(int(kernel.run("import os; print(os.getpid())")), signal.SIGKILL)
    eventually(lambda: json.loads(path.read_text())["key"] != old)
    eventually(lambda: is_revoked(lab_home, old))
    assert Kernel(lab, kernel.id).key() == json.loads(path.read_text())["key"]


def test_a_kernel_that_ends_takes_its_key_and_its_file_along(lab, lab_home):
    kernel = lab.notebook("Other.ipynb")
    key, path = kernel.key(), kernel.key_file()
    kernel.shutdown()
    eventually(lambda: is_revoked(lab_home, key))
    assert not path.exists()


def test_the_status_tells_ids_and_expiries_and_no_key(lab, kernel):
    key, reference, status = kernel.key(), kernel.reference(), lab.status()
    [told] = [k for k in status["kernels"] if k["kernel_id"] == kernel.id]
    assert status["gateway"]["state"] == "ready"
    assert told["key_id"]
    assert datetime.fromisoformat(told["expires_at"]) > datetime.now(UTC)
    assert key not in json.dumps(status)
    assert reference not in json.dumps(status)
    assert status["relay"]["problem"] is None


def test_the_status_is_told_to_nobody_without_the_servers_token(lab):
    assert lab.ask("GET", "/workbench/api/status", token=None)[0] == 403
    assert lab.ask("GET", "/workbench/api/status", token="token wrong")[0] == 403


def test_the_status_can_only_be_read(lab):
    for method in ("POST", "PUT", "DELETE"):
        assert lab.ask(method, "/workbench/api/status", {})[0] == 405


def test_no_key_stands_in_the_servers_log_or_a_command_line(lab, kernel):
    key, reference = kernel.key(), kernel.reference()
    assert key not in (log := lab.log.read_text())
    assert reference not in log
    for process in [psutil.Process(lab.process.pid), *psutil.Process(lab.process.pid).children(recursive=True)]:
        assert key not in (command := " ".join(process.cmdline()))
        assert reference not in command


def test_the_environment_of_a_kernel_holds_no_key(kernel):
    assert "wbx-" not in kernel.run("import os; print(dict(os.environ))")


# -- through the lives of servers and gateway ------------------------------------------------------------------------


def test_a_key_dies_with_its_server_and_the_next_server_says_so(home, start):
    first = start()
    old = first.notebook().key()
    assert me(home, old)[0] == 200
    first.stop()
    second = start()
    new = second.notebook().key()
    status, body = me(home, old)
    assert (status, body["error"]["code"]) == (401, "revoked")
    assert me(home, new)[0] == 200
    second.stop()


def test_a_server_that_stops_leaves_no_key_file(home, start):
    server = start()
    server.notebook().key()
    server.stop()
    assert not list(home.rglob("run/jupyter/*/*"))


def test_two_servers_share_a_gateway_that_ends_with_the_last_even_if_that_is_killed(home, start):
    first, second = start(), start()
    first.notebook().key()
    kernel = second.notebook()
    key, gateway = kernel.key(), recorded(home)
    assert first.status()["gateway"]["url"] == second.status()["gateway"]["url"] == gateway["url"]
    first.stop()
    assert re.search(r"\d models", kernel.run(CHEAP_CALL))
    assert recorded(home) == gateway
    second.kill()
    eventually(lambda: is_gone(gateway["pid"]))
    third = start()
    third.notebook().key()
    assert is_revoked(home, key)
    assert len(list((home / "run" / "jupyter").glob("*/"))) == 1  # what the killed one left was swept


def test_a_killed_gateway_comes_back_on_its_port_and_the_kernels_key_works_on(home, start):
    kernel = start().notebook()
    key, before = kernel.key(), recorded(home)
    os.kill(before["pid"], signal.SIGKILL)
    eventually(lambda: (home / "gateway.json").exists() and recorded(home)["pid"] != before["pid"])
    assert recorded(home)["url"] == before["url"]
    assert re.search(r"\d models", kernel.run(CHEAP_CALL))
    assert kernel.key() == key


def test_a_gateway_that_is_down_keeps_no_kernel_from_starting_and_the_notebook_says_how_to_mend_it(start):
    url = f"http://127.0.0.1:{free_port()}"
    server = start(WORKBENCH_GATEWAY_URL=url, WORKBENCH_IDENTITY_TOKEN="not the owner")
    kernel = server.notebook()
    told = kernel.run("print('runs')")
    assert "runs" in told
    assert f"No key is mounted in this kernel. The gateway at {url} does not answer" in told
    assert "Check WORKBENCH_GATEWAY_URL" in told
    assert "No key" not in kernel.run("print('told once')")
    assert server.status()["gateway"]["state"] == "failed"
    assert "does not answer" in kernel.run("import workbench as wb; wb.Gateway().me()")
    assert "not the owner" not in kernel.run("import os; print(dict(os.environ))")


def test_a_configured_gateway_is_used_and_none_is_started_and_a_key_follows_once_it_is_there(home, start):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = start(WORKBENCH_GATEWAY_URL=url)
    kernel = server.notebook()
    assert "No key is mounted in this kernel." in kernel.run("1")
    gateway = subprocess.Popen(
        [sys.executable, "-m", "workbench.gateway", "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert "ready" in gateway.stdout.readline()
        eventually(lambda: "problem" not in kernel.key_file().read_text())
        assert re.search(r"\d models", kernel.run(CHEAP_CALL))
        assert server.status()["gateway"] == {"url": url, "kind": "configured", "state": "ready", "problem": None}
        assert not (home / "gateway.json").exists()
        key = kernel.key()
        server.kill()
        start(WORKBENCH_GATEWAY_URL=url)
        # No lease ended this key: the next server's sweep did.
        eventually(lambda: http("GET", f"{url}/me", token=f"Bearer {key}")[0] == 401)
    finally:
        gateway.terminate()
        gateway.wait()


def test_a_wrong_configuration_is_told_in_the_notebook_and_once_mended_the_key_follows(home, start):
    (home / "workbench.toml").write_text("[gateway]\nprot = 1\n")
    kernel = start().notebook()
    assert "prot" in kernel.run("1")
    (home / "workbench.toml").unlink()
    eventually(lambda: "problem" not in kernel.key_file().read_text())
    assert re.search(r"\d models", kernel.run(CHEAP_CALL))


def test_a_key_of_the_users_own_stays_and_the_notebook_says_what_that_means(start):
    kernel = start(OPENAI_API_KEY="sk-own").notebook()
    told = kernel.run(SHOW_KEY)
    assert "OPENAI_API_KEY was set and stays" in told
    assert "bypass the gateway" in told
    assert told.strip().endswith("sk-own")
    assert "exploration" in kernel.run("import workbench as wb; print(wb.Gateway().me())")


def test_mount_always_replaces_it_and_says_so(home, start):
    (home / "workbench.toml").write_text('[jupyter]\nmount = "always"\n')
    kernel = start(OPENAI_API_KEY="sk-own").notebook()
    told = kernel.run(SHOW_KEY)
    assert "wbr-" in told
    assert "OPENAI_API_KEY was set" in told
