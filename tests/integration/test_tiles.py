"""The launcher's tiles: Studio and MLflow behind Jupyter's own door, on sockets that nobody else can open."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx
import psutil
import pytest

from workbench.testing.jupyter import running_jupyter


@pytest.mark.timeout(600)
def test_both_pages_open_for_who_is_signed_in_and_for_nobody_else(home: Path, tmp_path: Path) -> None:
    with running_jupyter(home, tmp_path) as jupyter:
        with httpx.Client(base_url=jupyter.url, headers={"Authorization": f"token {jupyter.token}"}) as http:
            tiles = http.get("/server-proxy/servers-info").json()["server_processes"]
            assert {tile["launcher_entry"]["title"] for tile in tiles} == {"MLflow", "Workbench Studio"}
            for path, word in (("/mlflow/", "MLflow"), ("/workbench-studio/", "Streamlit")):
                page = http.get(path, timeout=240)
                assert page.status_code == 200, page.text
                assert word in page.text
                stranger = httpx.get(f"{jupyter.url}{path}")
                assert stranger.status_code in (302, 403)
        children = psutil.Process(jupyter.process.pid).children(recursive=True)
        pages = [child for child in children if any("mlflow" in part or "asgi" in part for part in child.cmdline())]
        assert pages
        doors = set()
        for child in pages:
            taken = [one for one in child.net_connections("inet") if one.status == psutil.CONN_LISTEN]
            assert taken == [], f"{child.cmdline()} listens on a port"
            doors |= {Path(one.laddr) for one in child.net_connections("unix") if str(one.laddr).startswith("/")}
        assert len(doors) == 2
        assert {stat.S_IMODE(door.parent.stat().st_mode) for door in doors} == {0o700}
