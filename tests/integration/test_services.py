"""The embedded gateway of a home, as its users share it: found, started, watched, and ended with the last of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from click.testing import CliRunner

from workbench.cli import main
from workbench.client import Gateway
from workbench.client.key_desk import KeyDesk
from workbench.errors import AuthenticationFailed, SettingsError, Unavailable
from workbench.services import EmbeddedGateway, GatewayAddress, free_port, running_gateway
from workbench.services.embedded import wait_until_gone
from workbench.testing.simulator import wait_until

USER = """
import sys, time
from pathlib import Path
from workbench.services import EmbeddedGateway
gateway = EmbeddedGateway(Path(sys.argv[1]))
address = gateway.attach(port=0)
print(address.pid, address.url, gateway.lease_id, flush=True)
time.sleep(600)
"""


class User:
    """Another process that uses the gateway of a home."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home)], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._told: list[str] | None = None

    @property
    def told(self) -> tuple[int, str, str]:
        if self._told is None:
            assert self.process.stdout is not None
            self._told = self.process.stdout.readline().split()
        pid, url, lease = self._told
        return int(pid), url, lease

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def gateways_of(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if "workbench.gateway" in process.cmdline() and process.environ().get("WORKBENCH_HOME") == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found


def end_gateways(home: Path) -> None:
    """Do not wait for what ends by itself some seconds later."""
    for process in gateways_of(home):
        process.terminate()
        process.wait(30)


@pytest.fixture
def user(home: Path) -> Iterator:
    with ExitStack() as after:

        def start() -> User:
            one = User(home)
            after.callback(one.kill)
            return one

        yield start
    end_gateways(home)


@pytest.fixture
def embedded(home: Path) -> Iterator:
    with ExitStack() as after:

        def make(**how) -> EmbeddedGateway:
            one = EmbeddedGateway(home, **how)
            after.callback(one.close)
            return one

        yield make
    end_gateways(home)


def test_users_that_come_at_once_share_one_gateway_and_it_ends_with_the_last_even_if_killed(home, user):
    users = [user() for _ in range(3)]
    assert len({one.told[:2] for one in users}) == 1
    (gateway,) = gateways_of(home)
    assert gateway.pid == users[0].told[0]
    users[0].kill()
    users[1].process.terminate()
    wait_until(lambda: not (home / "leases" / f"{users[0].told[2]}.lock").exists(), "the lease stays", seconds=20)
    assert gateway.is_running()
    users[2].kill()
    assert wait_until_gone(home, timeout=30)
    assert not (home / "gateway.json").exists()


def test_keys_end_with_the_process_that_they_were_issued_for(home, user, embedded):
    address = embedded().attach(port=0)
    one = user()
    desk = KeyDesk(address.url, address.owner_token)
    issued = desk.issue(note="test", expires_in=600, lease=one.told[2], timeout=10)
    with Gateway(url=address.url, key=issued.key, max_retries=0) as client:
        assert client.me()["id"] == issued.id
        one.kill()
        wait_until(lambda: issued.id not in {key["id"] for key in desk.live_keys(timeout=5)}, "it lives", seconds=20)
        with pytest.raises(AuthenticationFailed) as caught:
            client.me()
    assert caught.value.error_code == "revoked"


def test_a_gateway_that_is_killed_is_started_again_on_the_same_port_and_keys_stay_good(home, embedded):
    heard: list[GatewayAddress] = []
    gateway = embedded(on_change=heard.append)
    first = gateway.attach(port=0)
    with Gateway() as client:
        client.me()
        os.kill(first.pid, signal.SIGKILL)
        wait_until(lambda: bool(heard), "nobody started it again", seconds=60)
        assert heard[0].url == first.url
        assert heard[0].pid != first.pid
        assert gateway.address == heard[0]
        assert client.me()["kind"] == "exploration"


def test_a_gateway_whose_port_was_taken_meanwhile_moves_and_its_users_follow(home, embedded):
    import socket

    heard: list[GatewayAddress] = []
    gateway = embedded(on_change=heard.append)
    first = gateway.attach(port=0)
    port = urlsplit(first.url).port
    assert port is not None
    with Gateway() as client:
        client.me()
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            os.kill(first.pid, signal.SIGKILL)
            psutil.Process(first.pid).wait(10)
            wait_until(lambda: _bound(thief, port), "the port stays busy")
            wait_until(lambda: bool(heard), "nobody started it again", seconds=60)
            assert heard[0].url != first.url
            assert client.me()["kind"] == "exploration"


def _bound(thief, port: int) -> bool:
    try:
        thief.bind(("127.0.0.1", port))
        thief.listen()
    except OSError:
        return False
    return True


def test_the_configuration_of_the_folder_is_the_gateways_too(home, embedded):
    port = free_port()
    Path("workbench.toml").write_text(
        f"[gateway]\nport = {port}\n[providers.local]\nkind = 'local'\n"
        "[[models]]\nname = 'mine'\ndeployments = [{ provider = 'local', model = 'smollm2-135m' }]\n"
    )
    address = embedded().attach()
    assert urlsplit(address.url).port == port
    with Gateway() as client:
        assert list(client.models()["model"]) == ["mine"]


def test_a_wrong_configuration_is_told_before_anything_starts(home, embedded):
    Path("workbench.toml").write_text("colour = 1")
    with pytest.raises(SettingsError, match="colour"):
        embedded().attach()
    assert gateways_of(home) == []


def test_a_gateway_that_does_not_start_is_told_with_the_tail_of_its_log(home, embedded):
    (home / "state.db").write_text("this is no database, and it is longer than a header of sqlite has to be " * 20)
    with pytest.raises(Unavailable) as caught:
        embedded().attach(port=0)
    assert "ended with exit code" in str(caught.value)
    assert "gateway.log" in str(caught.value)
    assert "database" in str(caught.value)


def test_a_record_of_a_process_that_is_gone_is_not_believed(home, embedded):
    (home / "gateway.json").write_text(json.dumps({"pid": os.getpid(), "url": "http://127.0.0.1:9"}))
    assert running_gateway(home) is None
    assert embedded().attach(port=0).pid != os.getpid()


def test_status_and_doctor_see_what_runs(home, embedded):
    address = embedded().attach(port=0)
    with Gateway() as client:
        client.me()
        told = json.loads(CliRunner().invoke(main, ["status", "--json"]).stdout)
        assert (told["gateway"]["pid"], told["gateway"]["url"]) == (address.pid, address.url)
        assert told["gateway"]["keys"] == 1
        assert [one["pid"] for one in told["users"]] == [os.getpid()]
    findings = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)["findings"]
    (found,) = (finding for finding in findings if finding["what"] == "gateway")
    assert found["ok"]
    assert address.url in found["found"]
    assert address.owner_token not in CliRunner().invoke(main, ["status"]).output


def test_the_doctor_starts_a_gateway_to_see_whether_it_does(home):
    findings = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)["findings"]
    (found,) = (finding for finding in findings if finding["what"] == "gateway")
    assert (found["ok"], found["found"]) == (True, "does not run; it starts")
    assert wait_until_gone(home, timeout=30)
