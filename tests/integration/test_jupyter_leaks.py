"""A user does her worst with a key in a notebook; then the whole home folder is searched for it, to the last byte."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import psutil
import pytest

from workbench.testing.jupyter import kernel_client
from workbench.testing.servers import free_port
from workbench.wire.key_format import WHOLE, well_formed
from workbench_jupyter.app import URLS

TOKEN = "token-of-the-test-0123456789"
NOTEBOOK = "worst.ipynb"
SHOWN = [
    "import os; print(dict(os.environ))",
    "%env",
    "!env",
    "import json; key = json.load(open(os.environ['WORKBENCH_KEY_FILE']))['key']; print(key)",
    "key",
    "{'key': key, key: [key] * 3}",
    "print(key[4:], key[:30], sep='\\n'); print(key[:20] + '\\n' + key[20:])",
    "print(f'\\x1b[31m{key[:9]}\\x1b[0m{key[9:]}')",
    "import base64; print(base64.b64encode(f'user:{key}'.encode()).decode(), key.encode().hex())",
    "from IPython.display import HTML, JSON, Markdown, display; display(HTML(f'<b>{key}</b>'), JSON({'deep': [key]}))",
    "import logging; logging.basicConfig(); logging.warning('the key is %s', key)",
    "raise ValueError(key)",
    "import openai; print(len(openai.OpenAI().models.list().data), 'models')",
    "import workbench as wb; gateway = wb.Gateway(); print(gateway, vars(gateway), vars(gateway._keys))",
    "gateway.me()['kind']",
    "gateway.chat('hello', model='nobody')",
    "import ipywidgets; ipywidgets.Text(value=key, description='key')",
    "owner = [p.read_text() for p in __import__('pathlib').Path.home().rglob('owner.token')]; print(owner)",
    "%xmode Verbose\ndef ask(secret):\n    return {}[secret]\nask(key)",
]
WIDGET_STATE = "import json; print(json.dumps(ipywidgets.Widget.get_manager_state()))"
WIDGETS = "application/vnd.jupyter.widget-state+json"


def eventually(look, *, within=60.0):
    """Return what `look` returns as soon as it is true."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {within} s: {look}"
        time.sleep(0.1)
    return seen


@dataclass
class Worst:
    """A Jupyter server on a home folder of its own, and what was done there."""

    home: Path
    url: str = field(default_factory=lambda: f"http://127.0.0.1:{free_port()}")
    shown: str = ""
    """All that the notebook's outputs held before they were saved."""
    keys: set[str] = field(default_factory=set)
    owner: str = ""

    def start(self):
        """Start a plain server; everything that it and its kernels write is below the home."""
        theirs = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("XDG_", "JUPYTER", "IPYTHON", "WORKBENCH"))
        }
        (self.home / "tmp").mkdir()
        (self.home / "work").mkdir()
        with (self.home / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", "--debug",
                 "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.url.rpartition(':')[2]}",
                 f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={self.home / 'work'}"],
                env=theirs | {"HOME": str(self.home), "TMPDIR": str(self.home / "tmp")},
                cwd=self.home / "work", stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        eventually(self._answers)

    def _answers(self):
        assert self.process.poll() is None, (self.home / "server.log").read_text()
        with suppress(URLError, OSError):
            return self.ask("GET", "/api/status")
        return False

    def request(self, method, path, body=None):
        headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return Request(self.url + path, method=method, headers=headers, data=data)

    def ask(self, method, path, body=None):
        """Return the JSON of an answer that is a good one."""
        with urlopen(self.request(method, path, body), timeout=60) as response:
            return json.loads(response.read() or "null")

    def told(self, method, path, body=None):
        """Return head and body of an answer, whatever it is."""
        try:
            response = urlopen(self.request(method, path, body), timeout=60)
        except HTTPError as error:
            response = error
        with response:
            return f"{response.status}\n{response.headers}\n{response.read().decode()}"

    def run(self):
        """Run every cell, save the notebook in every way, and export it."""
        body = {"path": NOTEBOOK, "name": NOTEBOOK, "type": "notebook", "kernel": {"name": "python3"}}
        session = self.ask("POST", "/api/sessions", body)
        client = kernel_client(self.url, token=TOKEN, kernel_id=session["kernel"]["id"])
        client.start()
        cells = [self._ran(client, code) for code in SHOWN]
        [key] = self.keys = self.mounted()
        cells.append(self._ran(client, f"typed = '{key}'\nprint(len(typed))"))
        self.shown = json.dumps(cells)
        widgets = json.loads("".join(output["text"] for output in client.execute(WIDGET_STATE)["outputs"]))
        self.save(cells, {WIDGETS: widgets})
        [owner] = self.home.rglob("owner.token")
        self.owner = owner.read_text().strip()
        self.client = client

    def _ran(self, client, code):
        outputs = client.execute(code, timeout=120)["outputs"]
        return {"cell_type": "code", "source": code, "metadata": {}, "execution_count": 1, "outputs": outputs}

    def save(self, cells, widgets):
        metadata = {"widgets": widgets, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
        content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4}
        model = {"type": "notebook", "format": "json", "content": content}
        contents = f"/api/contents/{NOTEBOOK}"
        self.ask("PUT", contents, model)
        self.ask("POST", f"{contents}/checkpoints")
        self.ask("PUT", contents, model)  # as autosave does
        self.ask("PUT", "/api/contents/saved-as.ipynb", model)
        self.ask(
            "PUT", "/api/contents/upload.ipynb", {"type": "file", "format": "text", "content": json.dumps(content)}
        )
        self.ask("POST", "/api/contents/", {"copy_from": NOTEBOOK})
        self.ask("PATCH", "/api/contents/saved-as.ipynb", {"path": "renamed.ipynb"})
        self.ask("POST", f"{contents}/checkpoints/checkpoint")  # restore
        environ = os.environ | {"HOME": str(self.home), "TMPDIR": str(self.home / "tmp")}
        export = [sys.executable, "-m", "nbconvert", "--to", "html", NOTEBOOK]
        subprocess.run(export, cwd=self.home / "work", env=environ, check=True, capture_output=True, timeout=120)

    def key_files(self):
        return [file for file in self.home.rglob("run/jupyter/*/*.json") if "key" in json.loads(file.read_text())]

    def mounted(self):
        """Return the keys that are mounted now."""
        return {json.loads(file.read_text())["key"] for file in self.key_files()}

    def files(self):
        return [file for file in self.home.rglob("*") if file.is_file() and not file.is_symlink()]

    def holders(self, secret):
        """Return the files that hold a secret, as it is or in base64 or hex."""
        inner = base64.b64encode(f"user:{secret}".encode())[8:-4]
        forms = (secret.encode(), secret[4:].encode(), secret.encode().hex().encode(), inner)
        return [file for file in self.files() if any(form in _bytes(file) for form in forms)]

    def end(self):
        self.process.terminate()
        assert self.process.wait(60) == 0, (self.home / "server.log").read_text()[-2000:]
        eventually(lambda: not list(self.home.rglob("gateway.json")))

    def clear(self):
        """End what a failed test may have left."""
        for record in self.home.rglob("gateway.json"):
            with suppress(OSError, ValueError, psutil.NoSuchProcess):
                psutil.Process(json.loads(record.read_text())["pid"]).send_signal(signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def _bytes(file):
    with suppress(FileNotFoundError):  # the server and the gateway go on meanwhile
        return file.read_bytes()
    return b""


@pytest.fixture(scope="module")
def worst(tmp_path_factory):
    """What is on the disk while the server still runs."""
    worst = Worst(tmp_path_factory.mktemp("worst"))
    try:
        worst.start()
        worst.run()
        yield worst
    finally:
        worst.clear()


def test_the_user_did_see_the_key_in_every_way(worst):
    [key] = worst.keys
    assert well_formed(key)
    for form in (key, key[4:], key.encode().hex(), json.dumps(key[9:])[1:-1], worst.owner):
        assert form in worst.shown
    assert "Traceback" in worst.shown
    assert re.search(r"\d models", worst.shown)


def test_a_key_stands_in_its_key_file_and_nowhere_else_in_the_home(worst):
    for key in worst.keys:
        assert worst.holders(key) == worst.key_files()
    for file in worst.key_files():
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700


def test_the_owners_token_stands_in_its_own_file_only(worst):
    [file] = worst.holders(worst.owner)
    assert (file.name, file.stat().st_mode & 0o777) == ("owner.token", 0o600)


def test_no_notebook_checkpoint_or_export_holds_anything_like_a_key(worst):
    saved = [file for file in (worst.home / "work").rglob("*") if file.suffix in (".ipynb", ".html")]
    assert len(saved) >= 7
    for text in (file.read_text() for file in saved):
        assert not re.search(WHOLE, text)
        assert not re.search(r"wbr-[0-9A-Za-z]{16}", text)
        assert "wbx-[removed]" in text


def test_the_notebook_is_what_it_was_but_for_the_keys(worst):
    notebook = json.loads((worst.home / "work" / NOTEBOOK).read_text())
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert sources[:-1] == SHOWN
    assert sources[-1] == "typed = 'wbx-[removed]'\nprint(len(typed))"
    assert any(
        state["state"].get("value") == "wbx-[removed]"
        for state in notebook["metadata"]["widgets"][WIDGETS]["state"].values()
    )


def test_history_keeps_the_cells_without_the_key(worst):
    [history] = worst.home.rglob("history.sqlite")
    raw = b"".join(file.read_bytes() for file in history.parent.glob("history.sqlite*"))
    assert b"typed = 'wbx-[removed]'" in raw


@pytest.mark.parametrize("route", [path for path, *_ in URLS])
def test_nothing_below_the_extensions_paths_tells_a_key(worst, route):
    path = route.replace("(.+)", "models").replace("([^/]+)", worst.client.id)
    for method, body in (("GET", None), ("POST", {"model": "nobody", "messages": []})):
        told = worst.told(method, path, body)
        assert not re.search(WHOLE, told)
        assert not re.search("wbr-[0-9A-Za-z]{16}", told)
        assert worst.owner not in told
    worst.keys |= worst.mounted()  # one of them renews the kernel's


def test_a_restarted_kernels_new_key_is_nowhere_else_either(worst):
    worst.client.restart(timeout=60)
    worst.client = kernel_client(worst.url, token=TOKEN, kernel_id=worst.client.id)
    worst.client.start()
    worst.client.execute(SHOWN[0])
    [key] = eventually(worst.mounted)
    assert key not in worst.keys
    assert worst.holders(key) == worst.key_files()
    worst.keys.add(key)


def test_after_the_end_a_key_stands_nowhere(worst):
    worst.end()
    for key in worst.keys:
        assert worst.holders(key) == []
