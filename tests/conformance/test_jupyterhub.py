"""A real JupyterHub with its proxy, and a gateway that asks it who somebody is: keys come and go with servers."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hub import Hub, Kernel, Server, ask, eventually, installed

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.servers import free_port
from workbench.testing.simulated_gateway import KEY_VARIABLE, simulated_config
from workbench.testing.simulator import SimulatedProviders

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(600)]

# What an admin writes; README says the same.
JUPYTERHUB_CONFIG = """
c.Spawner.environment["WORKBENCH_GATEWAY_URL"] = "{gateway}"
"""
# What one writes who has an access token of an OpenID Connect issuer in the Hub's auth_state; README says the same.
IDENTITY_FILE_CONFIG = """
import os, pathlib

def keep_identity(spawner, auth_state):
    if auth_state:
        file = pathlib.Path("{folder}", spawner.user.name)
        draft = file.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as written:
            written.write(auth_state["access_token"])
        # shutil.chown(draft, spawner.user.name) where servers run as their users
        draft.replace(file)
        spawner.environment = {{**spawner.environment, "WORKBENCH_IDENTITY_TOKEN_FILE": str(file)}}

c.Authenticator.enable_auth_state = True
c.Spawner.auth_state_hook = keep_identity
"""
GATEWAY_CONFIG = """
[identity.jupyterhub]
url = "{hub}"
cache_seconds = 2
timeout = 30
"""
FIRST_CELL = """
import openai
said = openai.OpenAI().chat.completions.create(model="chatty", messages=[{"role": "user", "content": "Say hello."}])
print("answer:", said.choices[0].message.content)
"""
WHO_AM_I = "import workbench as wb; print(wb.Gateway().me()['owner'])"
ENVIRONMENT = "import os; print(dict(os.environ))"
KEY_FILE = "import os; print(os.environ['WORKBENCH_KEY_FILE'])"
SHOW_KEY = "import json, os; print(json.load(open(os.environ['WORKBENCH_KEY_FILE']))['key'])"
AS_IDENTITY = """
import os
from workbench.client.find import find_identity
from workbench.client.key_desk import KeyDesk
url = os.environ["WORKBENCH_GATEWAY_URL"]
print(KeyDesk(url, find_identity(url)).ask("GET", "/me", None, timeout=20))
"""
REVOKED_WITHIN = 15.0  # seconds: the promised five, and twice as much again for a busy machine


@dataclass
class House:
    """A Hub, a gateway that asks it, and an admin of both."""

    hub: Hub
    gateway: RunningGateway
    admin: str

    def admins(self, path: str) -> list[dict[str, Any]]:
        status, told = ask("GET", self.gateway.url + path, self.admin)
        assert status == 200, told
        return list(told["data"])

    def live(self, owner: str) -> list[dict[str, Any]]:
        """Return the live keys of somebody that are mounted in kernels."""
        keys = self.admins("/admin/v1/keys")
        return [key for key in keys if key["owner"] == owner and not key["revoked_at"] and "kernel" in key["note"]]

    def me(self, token: str) -> tuple[int, Any]:
        return ask("GET", self.gateway.url + "/me", token)


@pytest.fixture(scope="module")
def house(
    network: dict[str, str], simulator: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("hub")
    port = free_port()
    (folder / "identities").mkdir(mode=0o700)
    config = JUPYTERHUB_CONFIG.format(gateway=f"http://127.0.0.1:{port}")
    hub = Hub(folder, installed(network), config + IDENTITY_FILE_CONFIG.format(folder=folder / "identities"))
    try:
        config = simulated_config(simulator).replace("port = 0", f"port = {port}")
        config += GATEWAY_CONFIG.format(hub=hub.own_url)
        environ = {KEY_VARIABLE: simulator.credential}
        # `--port` again: the fixture asks for any free one, and the Hub's users have been told this one.
        with running_gateway(
            folder / "gateway", config=config, environ=environ, arguments=("--port", str(port))
        ) as gateway:
            yield House(hub, gateway, hub.user("boss", admin=True).make_token())
    finally:
        hub.stop()


@pytest.fixture(scope="module")
def servers(house: House) -> dict[str, Server]:
    """Servers of two people that run at the same time."""
    return {name: house.hub.user(name).spawn() for name in ("ana", "ben")}


@pytest.fixture(scope="module")
def kernels(servers: dict[str, Server]) -> dict[str, Kernel]:
    return {name: server.kernel() for name, server in servers.items()}


def test_the_first_cell_of_each_user_is_answered_and_the_ledger_names_its_owner(
    house: House, kernels: dict[str, Kernel]
) -> None:
    for kernel in kernels.values():
        assert re.search(r"answer: \w+", kernel.run(FIRST_CELL))
    calls = house.admins("/admin/v1/calls?limit=100")
    assert sorted(call["owner"] for call in calls if call["model"] == "chatty") == ["ana", "ben"]
    assert [kernels[name].run(WHO_AM_I).strip() for name in ("ana", "ben")] == ["ana", "ben"]


def test_nobody_can_have_anybody_elses_key(
    house: House, servers: dict[str, Server], kernels: dict[str, Kernel]
) -> None:
    [anas] = house.live("ana")
    ben = servers["ben"].user.make_token()
    assert ask("GET", f"{house.gateway.url}/keys/{anas['id']}", ben)[0] == 404
    assert ask("DELETE", f"{house.gateway.url}/keys/{anas['id']}", ben)[0] == 404
    assert ask("POST", f"{house.gateway.url}/keys/{anas['id']}/rotate", ben, {})[0] == 404
    assert ask("GET", f"{house.gateway.url}/admin/v1/keys", ben)[0] == 403
    files = {name: Path(kernel.run(KEY_FILE).strip()) for name, kernel in kernels.items()}
    for name, file in files.items():
        assert file.is_relative_to(servers[name].user.home)
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700


def test_no_token_of_the_hub_stands_in_a_kernels_environment_and_it_is_its_user_all_the_same(
    servers: dict[str, Server], kernels: dict[str, Kernel]
) -> None:
    variables = Path(f"/proc/{servers['ana'].pid()}/environ").read_text().split("\0")
    [token] = [one.partition("=")[2] for one in variables if one.startswith("JUPYTERHUB_API_TOKEN=")]
    environment = kernels["ana"].run(ENVIRONMENT)
    assert token not in environment
    assert "JUPYTERHUB_USER" in environment
    assert "'name': 'ana'" in kernels["ana"].run(AS_IDENTITY)


def test_the_extension_answers_below_the_users_path_and_tells_no_key(
    servers: dict[str, Server], kernels: dict[str, Kernel]
) -> None:
    status = servers["ana"].status()
    assert status["gateway"]["state"] == "ready"
    assert status["gateway"]["kind"] == "configured"
    assert kernels["ana"].run(SHOW_KEY).strip() not in str(status)
    assert ask("GET", servers["ana"].url + "/workbench/api/status", servers["ben"].user.make_token())[0] == 403


def test_what_the_hub_gave_to_others_opens_nothing(house: House) -> None:
    narrow = house.hub.user("eve").make_token(scopes=["read:users:name!user"])
    status, told = house.me(narrow)
    assert (status, told["error"]["code"]) == (401, "invalid_key")
    assert "something else" in told["error"]["message"]


def test_an_admin_of_the_hub_is_one_here_and_their_server_is_not(house: House) -> None:
    assert "admin" in house.me(house.admin)[1]["roles"]
    server = house.hub.ask("GET", "/users/boss")[1]
    assert server["admin"]
    told = house.me(house.hub.ask("POST", "/users/boss/tokens", {"scopes": ["access:servers!user"]})[1]["token"])[1]
    assert (told["name"], "admin" in told["roles"]) == ("boss", False)


def test_a_kernel_that_ends_has_no_key_five_seconds_later(house: House, servers: dict[str, Server]) -> None:
    before = len(house.live("ana"))
    kernel = servers["ana"].kernel()
    kernel.run("1")
    assert len(house.live("ana")) == before + 1
    kernel.end()
    _revoked(house, "ana", left=before)


def test_a_named_server_has_an_identity_a_folder_and_keys_of_its_own_and_takes_only_these_along(
    house: House, servers: dict[str, Server], kernels: dict[str, Kernel]
) -> None:
    before = house.live("ana")
    identity = servers["ana"].user.make_token()
    assert house.hub.ask("PATCH", "/users/ana", {"auth_state": {"access_token": identity}})[0] == 200
    named = servers["ana"].user.spawn("gpu")
    kernel = named.kernel()
    assert kernel.run(WHO_AM_I).strip() == "ana"
    file = Path(kernel.run("import os; print(os.environ['WORKBENCH_IDENTITY_TOKEN_FILE'])").strip())
    assert (file, file.read_text()) == (house.hub.folder / "identities" / "ana", identity)
    theirs = [Path(one.run(KEY_FILE).strip()).parent for one in (kernel, kernels["ana"])]
    assert theirs[0] != theirs[1]
    assert theirs[0].parent == theirs[1].parent
    named.stop()
    _revoked(house, "ana", left=len(before))
    assert {key["id"] for key in house.live("ana")} == {key["id"] for key in before}
    eventually(lambda: not theirs[0].exists())
    assert theirs[1].exists()
    assert kernels["ana"].run(WHO_AM_I).strip() == "ana"


def test_a_killed_server_leaves_keys_until_its_user_starts_the_next_and_one_that_the_hub_stops_leaves_none(
    house: House, servers: dict[str, Server], kernels: dict[str, Kernel]
) -> None:
    key, user = kernels["ben"].run(SHOW_KEY).strip(), servers["ben"].user
    left = Path(kernels["ben"].run(KEY_FILE).strip()).parent
    os.kill(servers["ben"].pid(), signal.SIGKILL)
    eventually(lambda: not servers["ben"].is_known(), of="the Hub's notice that the server died")
    assert house.me(key)[0] == 200
    again = user.spawn()
    eventually(lambda: house.me(key)[0] == 401, of="the end of the key")
    assert not left.exists()

    kernel = again.kernel()
    assert kernel.run(WHO_AM_I).strip() == "ben"
    key = kernel.run(SHOW_KEY).strip()
    again.stop()
    _revoked(house, "ben", left=0)
    assert house.me(key)[0] == 401
    assert not list(user.home.rglob("run/jupyter/*/*.json"))


def test_who_was_removed_from_the_hub_gets_no_more_keys(house: House) -> None:
    token = house.hub.user("tom").make_token()
    keys = house.gateway.url + "/keys/exploration"
    assert ask("POST", keys, token, {})[0] == 201
    assert house.hub.ask("DELETE", "/users/tom")[0] == 204
    eventually(lambda: ask("POST", keys, token, {})[0] == 401, of="the end of the Hub's word")


def test_a_hub_that_is_away_is_a_503_that_names_it_and_keys_go_on(house: House, kernels: dict[str, Kernel]) -> None:
    token = house.hub.ask("POST", "/users/ana/tokens", {})[1]["token"]
    key = kernels["ana"].run(SHOW_KEY).strip()
    house.hub.kill()
    status, told = house.me(token)
    assert (status, told["error"]["code"]) == (503, "identity_unavailable")
    assert house.hub.own_url in told["error"]["message"]
    assert "admin" in told["error"]["message"]
    assert house.me(key)[0] == 200


def _revoked(house: House, owner: str, *, left: int) -> None:
    """Wait until no more than so many keys of somebody are live."""
    eventually(lambda: len(house.live(owner)) <= left, within=REVOKED_WITHIN, of="the end of the keys")
