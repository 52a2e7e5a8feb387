"""Which variables a kernel gets, and what its user is told."""

from pathlib import Path

from workbench.wire.key_file import MountedKey
from workbench.wire.variables import SDKS, rows_for
from workbench_jupyter.plan import environment, plan

URL = "http://127.0.0.1:8780"
KEY = MountedKey("wbx-secret", "2030-01-01T00:00:00Z", URL)


EVERY = rows_for([("openai", "openai"), ("claude", "anthropic"), ("gemini", "gemini"), ("azure", "azure")])

ROWS = rows_for(())


def start_with(environ, *, mount="respect", key=KEY, url=URL, credentials=frozenset(), sdks=ROWS, relay=None):
    chosen = plan(environ, sdks=sdks, mount=mount, gateway_url=url, credentials=credentials)
    return environment(chosen, environ, key_file=Path("/run/k.json"), gateway_url=url, key=key, relay_url=relay)


def test_an_untouched_environment_gets_url_key_and_file():
    kernel = start_with({"PATH": "/bin"})
    assert kernel == {
        "PATH": "/bin",
        "WORKBENCH_GATEWAY_URL": URL,
        "WORKBENCH_KEY_FILE": "/run/k.json",
        "WORKBENCH_MOUNTED": "openai",
        "OPENAI_BASE_URL": f"{URL}/v1",
        "OPENAI_API_BASE": f"{URL}/v1",
        "OPENAI_API_KEY": "wbx-secret",
    }


def test_the_users_own_key_stays_and_ours_is_not_sent_beside_it():
    kernel = start_with({"OPENAI_API_KEY": "sk-own"})
    assert kernel["OPENAI_API_KEY"] == "sk-own"
    assert "OPENAI_BASE_URL" not in kernel
    assert "OPENAI_API_KEY was set" in kernel["WORKBENCH_NOTICE"]
    assert "bypass the gateway" in kernel["WORKBENCH_NOTICE"]


def test_our_key_is_never_mounted_next_to_a_base_url_of_the_users():
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        kernel = start_with({name: "https://elsewhere.example.com/v1"})
        assert "OPENAI_API_KEY" not in kernel
        assert name in kernel["WORKBENCH_NOTICE"]


def test_mount_always_replaces_what_the_user_set_and_says_so():
    kernel = start_with({"OPENAI_API_KEY": "sk-own"}, mount="always")
    assert kernel["OPENAI_API_KEY"] == "wbx-secret"
    assert kernel["OPENAI_BASE_URL"] == f"{URL}/v1"
    assert "OPENAI_API_KEY was set" in kernel["WORKBENCH_NOTICE"]


def test_a_notice_never_tells_what_the_user_had_set():
    for mount in ("respect", "always"):
        assert "sk-own" not in start_with({"OPENAI_API_KEY": "sk-own"}, mount=mount)["WORKBENCH_NOTICE"]


def test_a_users_key_for_this_gateway_bypasses_nothing():
    kernel = start_with({"OPENAI_API_KEY": "wbx-own", "OPENAI_BASE_URL": f"{URL}/v1/"})
    assert kernel["OPENAI_API_KEY"] == "wbx-own"
    assert "WORKBENCH_NOTICE" not in kernel


def test_an_empty_variable_counts_as_not_set():
    assert start_with({"OPENAI_API_KEY": ""})["OPENAI_API_KEY"] == "wbx-secret"


def test_a_server_started_inside_a_kernel_mounts_its_own_key():
    outer = start_with({})
    inner = start_with(outer, key=MountedKey("wbx-inner", None, URL))
    assert inner["OPENAI_API_KEY"] == "wbx-inner"
    assert "WORKBENCH_NOTICE" not in inner


def test_without_a_key_the_sdks_variables_are_left_alone():
    kernel = start_with({}, key=None, url=None)
    assert kernel == {"WORKBENCH_KEY_FILE": "/run/k.json", "WORKBENCH_MOUNTED": "openai"}


def test_the_servers_identity_does_not_reach_the_kernel():
    assert "WORKBENCH_IDENTITY_TOKEN" not in start_with({"WORKBENCH_IDENTITY_TOKEN": "secret"})


def test_a_relative_home_still_means_the_same_folder_in_the_kernel(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert start_with({"WORKBENCH_HOME": "house"})["WORKBENCH_HOME"] == str(tmp_path / "house")


def test_no_row_touches_the_credentials_of_aws():
    aws = [name for sdk in SDKS for name in (*sdk.names, *sdk.extras) if name.startswith("AWS_")]
    assert aws == ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]


def test_each_provider_is_mounted_by_the_name_that_the_gateway_has_for_it():
    kernel = start_with({}, sdks=EVERY)
    assert kernel["ANTHROPIC_BASE_URL"] == f"{URL}/claude"
    assert kernel["ANTHROPIC_API_KEY"] == kernel["GEMINI_API_KEY"] == kernel["AZURE_OPENAI_API_KEY"] == "wbx-secret"
    assert kernel["GOOGLE_GEMINI_BASE_URL"] == f"{URL}/gemini"
    assert kernel["AZURE_OPENAI_ENDPOINT"] == f"{URL}/azure"
    assert "AWS_ENDPOINT_URL_BEDROCK_RUNTIME" not in kernel


def test_of_several_providers_of_a_kind_the_one_called_like_it_is_mounted():
    both = rows_for([("claude", "anthropic"), ("anthropic", "anthropic")])
    assert start_with({}, sdks=both)["ANTHROPIC_BASE_URL"] == f"{URL}/anthropic"


def test_a_choice_of_the_users_that_an_sdk_prefers_stays_and_the_notebook_says_so():
    kernel = start_with({"GOOGLE_API_KEY": "own"}, sdks=EVERY)
    assert "GEMINI_API_KEY" not in kernel
    assert "GOOGLE_API_KEY was set" in kernel["WORKBENCH_NOTICE"]
    replaced = start_with({"GOOGLE_API_KEY": "own"}, sdks=EVERY, mount="always")
    assert replaced["GEMINI_API_KEY"] == "wbx-secret"
    assert "GOOGLE_API_KEY" not in replaced


def test_an_api_version_of_the_users_is_no_choice_of_where_to_go():
    kernel = start_with({"OPENAI_API_VERSION": "2025-01-01"}, sdks=EVERY)
    assert kernel["OPENAI_API_VERSION"] == "2025-01-01"
    assert kernel["AZURE_OPENAI_API_KEY"] == "wbx-secret"


def test_through_a_relay_the_variables_hold_no_key_and_proxies_are_not_asked_for_it():
    relay = "http://127.0.0.1:4711"
    environ = {"HTTPS_PROXY": "http://proxy.example.com"}
    shown = MountedKey("wbr-x", None, relay)
    kernel = start_with(environ, key=shown, url="https://gateway.example.com", relay=relay)
    assert kernel["OPENAI_API_KEY"] == "wbr-x"
    assert kernel["OPENAI_BASE_URL"] == f"{relay}/v1"
    assert kernel["WORKBENCH_GATEWAY_URL"] == "https://gateway.example.com"
    assert kernel["WORKBENCH_RELAY_URL"] == relay
    assert "127.0.0.1" in kernel["NO_PROXY"]


def test_a_server_inside_a_kernel_whose_own_relay_did_not_start_leaves_none_in_its_kernels():
    outer = start_with({}, key=MountedKey("wbr-x", None, "http://127.0.0.1:1"), relay="http://127.0.0.1:1")
    inner = start_with(outer)
    assert "WORKBENCH_RELAY_URL" not in inner
    assert inner["OPENAI_API_KEY"] == "wbx-secret"


def test_a_proxy_of_the_users_is_not_asked_for_a_gateway_of_this_machine():
    kernel = start_with({"HTTPS_PROXY": "http://proxy.example.com", "NO_PROXY": "intranet.example.com"})
    assert kernel["NO_PROXY"] == kernel["no_proxy"] == "intranet.example.com,127.0.0.1,localhost"
    assert kernel["HTTPS_PROXY"] == "http://proxy.example.com"


def test_a_gateway_elsewhere_is_reached_as_the_user_says():
    environ = {"HTTPS_PROXY": "http://proxy.example.com"}
    assert "NO_PROXY" not in start_with(environ, url="https://gateway.example.com", key=None)


def test_a_key_that_the_gateway_holds_for_a_provider_is_replaced_by_the_mounted_one():
    kernel = start_with({"OPENAI_API_KEY": "sk-own"}, credentials=frozenset({"OPENAI_API_KEY"}))
    assert kernel["OPENAI_API_KEY"] == "wbx-secret"
    assert kernel["OPENAI_BASE_URL"] == f"{URL}/v1"
    assert "credential of a provider" in kernel["WORKBENCH_NOTICE"]
    assert "sk-own" not in kernel["WORKBENCH_NOTICE"]


def test_a_base_url_of_the_users_stays_even_where_the_gateway_holds_the_key():
    own = {"OPENAI_API_KEY": "sk-own", "OPENAI_BASE_URL": "https://elsewhere.example.com/v1"}
    kernel = start_with(own, credentials=frozenset({"OPENAI_API_KEY"}))
    assert {name: kernel[name] for name in own} == own


def test_the_servers_own_token_does_not_reach_a_kernel():
    assert "JUPYTER_TOKEN" not in start_with({"JUPYTER_TOKEN": "t"})
