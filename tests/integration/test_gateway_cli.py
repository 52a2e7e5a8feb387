"""`workbench gateway` and `workbench keys` as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from workbench.testing.gateway import running_gateway


def workbench(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "WORKBENCH_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "workbench.cli", *arguments], env=environ, capture_output=True, text=True, check=False
    )


def test_a_key_is_issued_listed_and_revoked(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as gateway:
        url = ("--url", gateway.url)
        issued = workbench(tmp_path, "keys", "issue", "--note", "by hand", "--expires-in", "2h", *url)
        assert issued.returncode == 0, issued.stderr
        assert issued.stdout.startswith("wbx-")
        told = json.loads(workbench(tmp_path, "keys", "issue", "--json", *url).stdout)
        assert told["gateway_url"] == gateway.url
        assert workbench(tmp_path, "keys", "revoke", told["id"], *url).returncode == 0
        listed = json.loads(workbench(tmp_path, "keys", "list", "--json", *url).stdout)
        assert [(key["note"], key["revoked_at"] is None) for key in listed] == [("", False), ("by hand", True)]
        assert issued.stdout.strip() not in json.dumps(listed)
        assert "by hand" in workbench(tmp_path, "keys", "list", *url).stdout
        unknown = workbench(tmp_path, "keys", "revoke", "key_none", *url)
        assert (unknown.returncode, "No key 'key_none' of yours" in unknown.stderr) == (1, True)
        too_long = workbench(tmp_path, "keys", "issue", "--expires-in", "8d", *url)
        assert (too_long.returncode, "expected 1 to 604800" in too_long.stderr) == (1, True)


def test_an_admin_issues_a_key_that_is_held_to_something(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as gateway:
        url = ("--url", gateway.url, "--json")
        wish = ("--production", "--owner", "ana", "--use-case", "menus", "--models", "fast", "--models", "smart-*",
                "--rpm", "60", "--usd", "5", "--usd-per-day", "0")  # fmt: skip
        done = workbench(tmp_path, "keys", "issue", *wish, *url)
        assert done.returncode == 0, done.stderr
        issued = json.loads(done.stdout)
        assert (issued["key"][:4], issued["expires_at"]) == ("wbp-", None)
        (key,) = json.loads(workbench(tmp_path, "keys", "list", "--all", *url).stdout)
        assert (key["owner"], key["use_case"]) == ("ana", "menus")
        assert key["scopes"]["models"] == ["fast", "smart-*"]
        assert key["limits"] == {"requests_per_minute": 60}
        assert key["budget"] == {"usd_total": 5.0, "usd_per_day": 0.0}
        assert json.loads(workbench(tmp_path, "keys", "list", *url).stdout) == []
        assert workbench(tmp_path, "keys", "revoke", key["id"], *url[:2]).returncode == 1
        assert workbench(tmp_path, "keys", "revoke", "--any", key["id"], *url[:2]).returncode == 0


def test_without_a_gateway_the_way_out_is_told(tmp_path: Path) -> None:
    done = workbench(tmp_path, "keys", "issue", "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "workbench gateway" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_gateway_serves_in_the_foreground(tmp_path: Path) -> None:
    environ = {**os.environ, "WORKBENCH_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "workbench.cli", "gateway", "--port", "0"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("workbench gateway ready at http://127.0.0.1:")
        process.terminate()
        assert process.wait(30) == 0
