"""The extension's parts that a Jupyter server loads at its start, the rows of the launcher's tiles included."""

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

LATE = (
    "aiohttp", "pydantic", "psutil", "httpx", "pandas", "numpy", "openai", "litellm", "mlflow", "streamlit",
    "ipywidgets", "IPython", "sqlalchemy", "starlette", "msgspec", "workbench.settings", "workbench.client",
)  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "import workbench_jupyter; workbench_jupyter._jupyter_server_extension_points()",
        "from workbench_jupyter import tiles; tiles.studio(); tiles.mlflow()",
    ],
)
def test_the_start_of_a_server_loads_nothing_that_only_a_call_or_a_page_needs(statement):
    """What Jupyter itself loads is not ours to judge: it is loaded first."""
    code = (
        "import sys, json, jupyter_server.serverapp, jupyter_server.extension.application\n"
        f"before = set(sys.modules)\n{statement}\n"
        f"print(json.dumps([name for name in {LATE!r} if name in set(sys.modules) - before]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("name", ["workbench-studio", "mlflow"])
def test_a_tile_is_a_row_that_the_proxy_takes_with_a_private_socket_and_an_icon(name):
    config = pytest.importorskip("jupyter_server_proxy.config")
    (row,) = entry_points(group="jupyter_serverproxy_servers", name=name)
    server = config.ServerProcess(name=name, **row.load()())
    assert server.unix_socket is True
    assert server.port == 0
    assert Path(server.launcher_entry.icon_path).read_text("utf-8").startswith("<svg")
    assert server.request_headers_override["Cookie"] == server.request_headers_override["Authorization"] == ""
