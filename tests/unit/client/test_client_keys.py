from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.client.find import find_identity, find_keys, same_origin
from workbench.client.keys import Access, DeskKey, FileKey, FixedKey
from workbench.errors import AuthenticationFailed, GatewayUnreachable, InvalidInput
from workbench.settings import mounted_environment
from workbench.wire.embedded import GatewayRecord, write_record
from workbench.wire.key_file import MountedKey, write_key_file, write_private

URL = "http://127.0.0.1:8780"


@pytest.fixture
def mounted(tmp_path: Path):
    def make(**variables: str):
        return mounted_environment({"WORKBENCH_HOME": str(tmp_path / "home"), **variables})

    return make


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    write_key_file(path, MountedKey("wbx-mounted", None, URL))
    return path


@pytest.fixture
def running(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    write_record(home, GatewayRecord(pid=os.getpid(), url=URL))
    write_private(home / "owner.token", "wbo-owner\n")
    return home


def test_what_is_told_counts(mounted, key_file):
    found = find_keys(url="http://other:1/", key="k", mounted=mounted(WORKBENCH_KEY_FILE=str(key_file)))
    assert (found.current().url, found.current().key) == ("http://other:1", "k")


def test_the_mounted_key_comes_before_the_environment(mounted, key_file):
    environment = mounted(
        WORKBENCH_KEY_FILE=str(key_file), WORKBENCH_GATEWAY_URL="http://other:1", OPENAI_API_KEY="wbx-other"
    )
    assert find_keys(mounted=environment).current().key == "wbx-mounted"


def test_the_environment_comes_before_the_home(mounted, running):
    environment = mounted(WORKBENCH_GATEWAY_URL="http://other:1", OPENAI_API_KEY="wbx-other")
    assert find_keys(mounted=environment).current().key == "wbx-other"


def test_the_home_comes_last(mounted, running):
    found = find_keys(mounted=mounted())
    assert isinstance(found, DeskKey)
    assert found.url == URL


def test_nothing_found_says_how_to_start_a_gateway(mounted):
    with pytest.raises(GatewayUnreachable, match="workbench up"):
        find_keys(mounted=mounted())


def test_a_key_of_another_vendor_is_never_sent_to_a_gateway(mounted):
    environment = mounted(WORKBENCH_GATEWAY_URL=URL, OPENAI_API_KEY="sk-the-users-own")
    with pytest.raises(AuthenticationFailed, match="no key"):
        find_keys(mounted=environment)
    assert "sk-" not in repr(environment)


def test_a_mounted_key_is_not_sent_to_another_gateway(mounted, key_file):
    with pytest.raises(AuthenticationFailed):
        find_keys(url="http://evil:8780", mounted=mounted(WORKBENCH_KEY_FILE=str(key_file)))


def test_the_owners_right_is_not_used_at_another_gateway(mounted, running):
    with pytest.raises(AuthenticationFailed):
        find_keys(url="http://evil:8780", mounted=mounted())
    with pytest.raises(AuthenticationFailed):
        find_identity("http://evil:8780", mounted=mounted())


def test_the_owner_is_known_to_the_gateway_of_the_home(mounted, running):
    assert find_identity("http://localhost:8780", mounted=mounted()) == "wbo-owner"


def test_a_key_without_a_place_goes_to_the_gateway_that_is_known(mounted, running, key_file):
    assert find_keys(key="k", mounted=mounted()).current().url == URL
    assert find_keys(key="k", mounted=mounted(WORKBENCH_KEY_FILE=str(key_file))).current().url == URL


@pytest.mark.parametrize("url", ["127.0.0.1:8780", "ftp://host", "http://host/v1", "http://"])
def test_what_is_no_root_url_is_refused(url, mounted):
    with pytest.raises(InvalidInput):
        find_keys(url=url, key="k", mounted=mounted())


def test_names_of_this_machine_are_one_place():
    assert same_origin("http://localhost:1", "http://127.0.0.1:1/")
    assert not same_origin("http://localhost:1", "http://localhost:2")
    assert not same_origin("http://h", "https://h")
    assert same_origin("https://h", "https://h:443")


def test_a_replaced_file_is_read_again(key_file):
    source = FileKey(key_file)
    assert source.current().key == "wbx-mounted"
    stat = key_file.stat()
    write_key_file(key_file, MountedKey("wbx-second", None, URL))
    os.utime(key_file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # the inode tells
    assert source.current().key == "wbx-second"


def test_a_file_that_stays_the_same_is_read_once(key_file):
    source = FileKey(key_file)
    stat = key_file.stat()
    first = source.current()
    with key_file.open("r+") as file:
        file.write("X")
    os.utime(key_file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert source.current() is first


def test_the_same_key_is_no_renewed_one(key_file):
    source = FileKey(key_file)
    assert source.renewed(source.current()) is None
    renewed = source.renewed(Access(URL, "wbx-older"))
    assert renewed is not None
    assert renewed.key == "wbx-mounted"


def test_a_file_that_is_gone_is_told(key_file):
    source = FileKey(key_file)
    source.current()
    key_file.unlink()
    with pytest.raises(InvalidInput, match="Restart the kernel"):
        source.current()


def test_a_gateway_that_has_ended_is_told(running, tmp_path):
    source = DeskKey(running)
    (running / "gateway.json").unlink()
    with pytest.raises(GatewayUnreachable, match="has ended"):
        source.current()
    source.close()


def test_no_source_shows_its_key(key_file):
    for source in (FixedKey(URL, "wbx-secret"), FileKey(key_file)):
        shown = f"{source!r} {source.current()!r}"
        assert "secret" not in shown
        assert "mounted" not in shown


def test_importing_the_client_loads_nothing_heavy():
    heavy = ("openai", "httpx", "pydantic", "numpy", "pandas", "mlflow", "torch", "litellm")
    script = f"import workbench.client, sys, json; print(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == []
