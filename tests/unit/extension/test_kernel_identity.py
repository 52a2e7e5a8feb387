"""A kernel finds its user's identity in a file; its environment has no token."""

import pytest

from workbench.client.find import find_identity
from workbench.settings import mounted_environment
from workbench_jupyter.identity import identity_variables
from workbench_jupyter.plan import Plan, environment
from workbench_jupyter.variables import HUB_TOKENS, SERVER_ONLY

ELSEWHERE = "https://gateway.example.com"


def kernels(environ, folder, **options):
    mounted = environment(Plan(()), environ, key_file=folder / "k.json", gateway_url=ELSEWHERE, key=None, **options)
    return mounted | identity_variables(environ, folder)


@pytest.mark.parametrize("name", ["WORKBENCH_IDENTITY_TOKEN", "JUPYTERHUB_API_TOKEN"])
def test_a_token_of_the_servers_environment_is_in_a_private_file_for_the_kernel(home, monkeypatch, name):
    environ = kernels({name: "secret", "JPY_API_TOKEN": "secret"}, home)
    assert "secret" not in " ".join(environ.values())
    for known, value in environ.items():
        monkeypatch.setenv(known, value)
    assert find_identity(ELSEWHERE, mounted=mounted_environment()) == "secret"
    assert (home / "identity.token").stat().st_mode & 0o777 == 0o600


def test_a_file_that_the_admin_named_is_named_to_the_kernel_too_and_not_copied(home):
    given = {"WORKBENCH_IDENTITY_TOKEN_FILE": "/run/identity", "JUPYTERHUB_API_TOKEN": "hub"}
    environ = kernels(given, home)
    assert environ["WORKBENCH_IDENTITY_TOKEN_FILE"] == "/run/identity"
    assert not list(home.iterdir())


def test_without_an_identity_there_is_no_file(home):
    assert "WORKBENCH_IDENTITY_TOKEN_FILE" not in kernels({}, home)


def test_the_hubs_token_stays_where_the_settings_say_so(home):
    withheld = [name for name in SERVER_ONLY if name not in HUB_TOKENS]
    environ = kernels({"JUPYTERHUB_API_TOKEN": "hub", "JUPYTER_TOKEN": "server"}, home, withheld=withheld)
    assert environ["JUPYTERHUB_API_TOKEN"] == "hub"
    assert "JUPYTER_TOKEN" not in environ
