"""By which token a process tells a gateway who it is: which one counts, and what to do where it is refused."""

import pytest

from workbench.client.desk import with_way_out
from workbench.errors import AuthenticationFailed, NotFound
from workbench.settings import found_identity, identity_token


def test_what_is_meant_for_the_gateway_counts_before_the_file_and_the_file_before_the_hubs(tmp_path):
    file = tmp_path / "token"
    file.write_text("  of-the-file\n")
    environ = {"JUPYTERHUB_API_TOKEN": "hub", "WORKBENCH_IDENTITY_TOKEN_FILE": str(file)}
    assert identity_token(environ) == "of-the-file"
    assert identity_token({**environ, "WORKBENCH_IDENTITY_TOKEN": "own"}) == "own"
    assert identity_token({"JUPYTERHUB_API_TOKEN": "hub"}) == "hub"
    assert identity_token({}) is None


def test_a_file_is_read_anew_each_time(tmp_path):
    environ = {"WORKBENCH_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}
    for token in ("first", "second"):
        (tmp_path / "token").write_text(token)
        assert identity_token(environ) == token


@pytest.mark.parametrize("content", [None, b"", b" \n", b"two words", b"\xff\xfe", b"x" * 70_000])
def test_a_file_without_a_token_is_told_with_its_path_and_nothing_else_is_taken(tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AuthenticationFailed) as told:
        identity_token({"WORKBENCH_IDENTITY_TOKEN_FILE": str(file), "JUPYTERHUB_API_TOKEN": "hub"})
    assert str(file) in told.value.message
    assert "must put a new token there" in told.value.hint


def test_no_token_stands_in_a_repr(tmp_path):
    assert "secret" not in repr(found_identity({"WORKBENCH_IDENTITY_TOKEN": "secret"}))


@pytest.mark.parametrize(
    ("name", "what_to_do"),
    [
        ("WORKBENCH_IDENTITY_TOKEN", "Set WORKBENCH_IDENTITY_TOKEN anew"),
        ("JUPYTERHUB_API_TOKEN", "start it again"),
    ],
)
def test_a_refused_identity_is_told_what_to_do(monkeypatch, name, what_to_do):
    monkeypatch.setenv(name, "stale")
    refused = with_way_out(AuthenticationFailed("The token expired.", hint="Sign in again."), "stale")
    assert str(refused).startswith("The token expired. Sign in again. ")
    assert what_to_do in str(refused)


def test_other_errors_and_other_tokens_are_told_as_they_are(monkeypatch):
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", "stale")
    assert with_way_out(NotFound("No."), "stale").hint is None
    assert with_way_out(AuthenticationFailed("No."), "wbx-key").hint is None
