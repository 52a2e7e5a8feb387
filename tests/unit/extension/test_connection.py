"""Who the server is to a gateway elsewhere, and to whom a secret is never sent."""

import pytest

from workbench.errors import AuthenticationFailed, InvalidInput
from workbench.settings import load_settings
from workbench_jupyter.connection import configured_url, connect_configured

ELSEWHERE = "https://gateway.example.com"


@pytest.fixture
def owned(home):
    """A home whose owner has a token."""
    (home / "owner.token").write_text("wbo-owner\n")
    return home


def token_for(url):
    return connect_configured(url, load_settings()).desk.token


@pytest.mark.parametrize("url", ["http://127.0.0.1:8780", "http://localhost:8780", "http://[::1]:8780"])
def test_a_gateway_of_this_machine_takes_the_owners_token(owned, url):
    assert token_for(url) == "wbo-owner"


@pytest.mark.parametrize("url", [ELSEWHERE, "http://127.0.0.1.example.com", "http://localhost@example.com"])
def test_the_owners_token_never_leaves_this_machine(owned, url):
    with pytest.raises(AuthenticationFailed) as told:
        connect_configured(url, load_settings())
    assert "WORKBENCH_IDENTITY_TOKEN" in told.value.hint


def test_the_token_that_is_meant_for_the_gateway_counts_before_the_hubs(owned, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub")
    assert token_for(ELSEWHERE) == "hub"
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", "mine")
    assert token_for(ELSEWHERE) == "mine"


@pytest.mark.parametrize("url", ["gateway.example.com", "file:///etc/passwd", "ftp://example.com", "http://"])
def test_what_is_no_url_of_a_gateway_is_told_with_the_variables_name(owned, url):
    with pytest.raises(InvalidInput, match="WORKBENCH_GATEWAY_URL"):
        connect_configured(url, load_settings())


def test_a_key_lives_as_long_as_the_settings_say_and_never_longer_than_the_policy(owned):
    (owned / "workbench.toml").write_text("[jupyter]\nkey_expires_in = 7200\n")
    assert connect_configured("http://127.0.0.1:1", load_settings()).expires_in == 7200
    (owned / "workbench.toml").write_text("[jupyter]\nkey_expires_in = 7200\n[policy.exploration]\nexpires_in = 60\n")
    assert connect_configured("http://127.0.0.1:1", load_settings()).expires_in == 60


def test_without_a_variable_the_embedded_gateway_is_meant(home):
    assert configured_url() is None


def test_a_url_is_taken_as_the_root_of_a_gateway(home, monkeypatch):
    monkeypatch.setenv("WORKBENCH_GATEWAY_URL", f"{ELSEWHERE}/")
    assert configured_url() == ELSEWHERE


def test_a_new_token_in_the_file_is_taken_and_while_there_is_none_the_old_one_goes_on(owned, tmp_path, monkeypatch):
    file = tmp_path / "identity"
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN_FILE", str(file))
    file.write_text("first\n")
    connection = connect_configured(ELSEWHERE, load_settings())
    assert connection.current().desk.token == "first"
    file.write_text("second\n")
    assert connection.current().desk.token == "second"
    file.unlink()
    assert connection.current().desk.token == "first"


def test_an_identity_that_came_from_the_home_is_not_replaced_by_one_of_the_environment(owned, monkeypatch):
    connection = connect_configured("http://127.0.0.1:8780", load_settings())
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub")
    assert connection.current().desk.token == "wbo-owner"
