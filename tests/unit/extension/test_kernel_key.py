"""The mounted key as a kernel sees it: late, renewed, missing, passed over."""

import pytest

from workbench.errors import GatewayUnreachable
from workbench.wire.key_file import MountedKey, write_key_file, write_key_problem
from workbench_jupyter.ipython import KernelKey

URL = "http://127.0.0.1:8780"


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "k.json"


@pytest.fixture
def environ(key_file):
    return {"WORKBENCH_KEY_FILE": str(key_file), "WORKBENCH_MOUNTED": "openai"}


def test_a_key_that_comes_late_reaches_the_environment(key_file, environ):
    write_key_problem(key_file, GatewayUnreachable("The gateway is down.", hint="Start it."))
    kernel = KernelKey(environ)
    assert kernel.refresh() == ["No key is mounted in this kernel. The gateway is down.\n  Start it."]
    assert "OPENAI_API_KEY" not in environ
    write_key_file(key_file, MountedKey("wbx-late", None, URL))
    assert kernel.refresh() == []
    assert environ["OPENAI_API_KEY"] == "wbx-late"
    assert environ["OPENAI_BASE_URL"] == f"{URL}/v1"
    assert environ["WORKBENCH_GATEWAY_URL"] == URL


def test_a_renewed_key_replaces_the_old_one(key_file, environ):
    write_key_file(key_file, MountedKey("wbx-old", None, URL))
    kernel = KernelKey(environ)
    kernel.refresh()
    write_key_file(key_file, MountedKey("wbx-new", None, URL))
    kernel.refresh()
    assert environ["OPENAI_API_KEY"] == "wbx-new"


def test_what_leads_to_the_relay_holds_for_as_long_as_the_kernel_lives(key_file, environ):
    environ |= {"WORKBENCH_RELAY_URL": "http://127.0.0.1:1", "OPENAI_API_KEY": "wbr-x"}
    write_key_file(key_file, MountedKey("wbx-new", None, URL))
    KernelKey(environ).refresh()
    assert environ["OPENAI_API_KEY"] == "wbr-x"
    assert environ["WORKBENCH_GATEWAY_URL"] == URL


def test_a_renewed_key_of_a_providers_row_keeps_the_providers_path(key_file, environ):
    environ["WORKBENCH_MOUNTED"] = "openai,anthropic=claude"
    write_key_file(key_file, MountedKey("wbx-new", None, URL))
    KernelKey(environ).refresh()
    assert environ["ANTHROPIC_BASE_URL"] == f"{URL}/claude"


def test_what_the_user_sets_in_the_notebook_stays(key_file, environ):
    write_key_file(key_file, MountedKey("wbx-old", None, URL))
    kernel = KernelKey(environ)
    kernel.refresh()
    environ["OPENAI_API_KEY"] = "sk-own"
    write_key_file(key_file, MountedKey("wbx-new", None, URL))
    kernel.refresh()
    assert environ["OPENAI_API_KEY"] == "sk-own"


def test_a_row_that_was_not_mounted_stays_untouched(key_file, environ):
    environ |= {"WORKBENCH_MOUNTED": "", "OPENAI_API_KEY": "sk-own"}
    write_key_file(key_file, MountedKey("wbx-new", None, URL))
    KernelKey(environ).refresh()
    assert environ["OPENAI_API_KEY"] == "sk-own"
    assert "OPENAI_BASE_URL" not in environ


def test_a_problem_is_told_once_and_a_new_one_again(key_file, environ):
    write_key_problem(key_file, GatewayUnreachable("The gateway is down."))
    kernel = KernelKey(environ)
    assert len(kernel.refresh()) == 1
    write_key_problem(key_file, GatewayUnreachable("The gateway is down."))
    assert kernel.refresh() == []
    write_key_problem(key_file, GatewayUnreachable("The gateway was refused its port."))
    assert len(kernel.refresh()) == 1


def test_a_notice_is_told_once_and_not_handed_on_to_children(key_file, environ):
    environ["WORKBENCH_NOTICE"] = "OPENAI_API_KEY was set."
    write_key_file(key_file, MountedKey("wbx-new", None, URL))
    kernel = KernelKey(environ)
    assert "WORKBENCH_NOTICE" not in environ
    assert kernel.refresh() == ["OPENAI_API_KEY was set."]
    assert kernel.refresh() == []


def test_only_a_gateway_that_is_starting_is_waited_for(key_file, environ):
    kernel = KernelKey(environ)
    assert not kernel.is_awaited()
    write_key_problem(key_file, GatewayUnreachable("It starts.", code="gateway_starting"))
    assert kernel.is_awaited()
    write_key_problem(key_file, GatewayUnreachable("It is down."))
    assert not kernel.is_awaited()
    write_key_file(key_file, MountedKey("wbx-new", None, URL))
    assert not kernel.is_awaited()


def test_a_kernel_that_outlives_its_server_runs_on(key_file, environ):
    assert KernelKey(environ).refresh() == []
