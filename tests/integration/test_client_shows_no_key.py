"""Whatever a notebook shows of a client, its errors, its logs or its copies: neither the key nor the owner's token."""

from __future__ import annotations

import contextlib
import copy
import logging
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from IPython.core.interactiveshell import InteractiveShell

from workbench.client import AsyncGateway, Gateway
from workbench.client.key_desk import IssuedKey, KeyDesk
from workbench.client.keys import Access, DeskKey, FileKey, FixedKey
from workbench.errors import InvalidInput, WorkbenchError
from workbench.settings import mounted_environment
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.servers import free_port
from workbench.wire.key_file import MountedKey, write_key_file
from workbench.wire.key_format import SEEN, new_secret

KEY = new_secret("wbx-")
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path_factory.mktemp("shown") / "home") as gateway:
        yield gateway


@pytest.fixture
def key(running: RunningGateway) -> str:
    return running.issue_key()


@pytest.fixture
def client(running: RunningGateway, key: str, home: Path) -> Iterator[Gateway]:
    write_key_file(home / "k.json", MountedKey(key, None, running.url))
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("WORKBENCH_KEY_FILE", str(home / "k.json"))
        with Gateway(max_retries=0) as client:
            yield client


def shown(thing: object) -> str:
    """Return all that a curious user sees first."""
    attributes = [getattr(thing, name, None) for name in getattr(type(thing), "__slots__", ()) if name != "key"]
    return "\n".join(map(str, [repr(thing), str(thing), getattr(thing, "__dict__", {}), attributes]))


def assert_no_key(text: str, *keys: str) -> None:
    for key in (*keys, KEY):
        assert key not in text
        assert key[4:20] not in text


def test_keys_and_their_sources_and_settings_show_none(tmp_path: Path) -> None:
    file = tmp_path / "k.json"
    mounted = MountedKey(KEY, None, "http://127.0.0.1:1")
    write_key_file(file, mounted)
    from_file = FileKey(file)
    from_file.current()
    desk = KeyDesk("http://127.0.0.1:1", KEY)
    from_desk = DeskKey(tmp_path)
    from_desk._issued = IssuedKey("id", KEY, None)
    environment = mounted_environment({"OPENAI_API_KEY": KEY})
    fixed = FixedKey("http://127.0.0.1:1", KEY)
    for thing in (
        mounted,
        IssuedKey("id", KEY, None),
        Access("u", KEY),
        fixed,
        from_file,
        from_desk,
        environment,
        desk,
    ):
        assert_no_key(repr(thing) + str(thing))
    for thing in (mounted, IssuedKey("id", KEY, None), Access("u", KEY), fixed, from_file, from_desk):
        assert_no_key(shown(thing))


@pytest.mark.parametrize("made", [Gateway, AsyncGateway])
def test_a_client_and_all_that_it_is_made_of_shows_none(made: type, running: RunningGateway, key: str) -> None:
    client: Any = made(url=running.url, key=key)
    for thing in (client, client._keys, client.openai, client.openai._client, client.openai.auth_headers):
        assert_no_key(shown(thing), key)


@pytest.mark.parametrize("made", [Gateway, AsyncGateway])
def test_a_client_is_neither_pickled_nor_copied_and_says_what_to_do(made: type, running: RunningGateway) -> None:
    client = made(url=running.url, key=KEY)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=rf"make a {made.__name__}\(\) where it is used"):
            attempt(client)


def failures(client: Gateway, running: RunningGateway) -> list[Callable[[], object]]:
    """Return calls that fail, each in its own way."""
    nobody = f"http://127.0.0.1:{free_port()}"
    return [
        lambda: client.openai.chat.completions.create(model="nobody", messages=HELLO),  # type: ignore[call-overload]
        lambda: Gateway(url=running.url, key=told(), max_retries=0).me(),
        lambda: Gateway(url=nobody, key=told(), max_retries=0).me(),
        lambda: KeyDesk(nobody, told()).list(timeout=1),
        lambda: KeyDesk(running.url, told()).list(timeout=5),
    ]


def told() -> str:
    """Return the key, so that the frames of these tests hold none."""
    return KEY


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("number", range(5))
def test_no_error_holds_a_key_nor_does_any_frame_that_it_came_through(
    number: int, client: Gateway, running: RunningGateway, key: str
) -> None:
    with pytest.raises((openai.APIStatusError, WorkbenchError)) as caught:
        failures(client, running)[number]()
    for error in chain(caught.value):
        assert_no_key(shown(error), key)
        request = getattr(error, "request", None)
        if isinstance(request, httpx.Request):
            assert_no_key(str(dict(request.headers)), key)
        frame = error.__traceback__
        while frame is not None:
            if frame.tb_frame.f_globals["__name__"] != __name__:
                assert_no_key("\n".join(map(_repr, frame.tb_frame.f_locals.values())), key)
            frame = frame.tb_next


def _repr(value: object) -> str:
    with contextlib.suppress(Exception):
        return repr(value)
    return ""


def test_a_verbose_traceback_in_a_notebook_shows_none(
    client: Gateway, running: RunningGateway, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = InteractiveShell(ipython_dir=str(tmp_path / "ipython"))
    try:
        shell.user_ns["calls"] = failures(client, running)
        shell.run_cell("%xmode Verbose")
        for number in (1, 2, 3):
            assert not shell.run_cell(f"calls[{number}]()").success
        output = capsys.readouterr().out
        assert "Traceback" in output
        assert_no_key(output, key)
    finally:
        shell.history_manager.end_session()


def test_an_identitys_token_is_in_no_frame_of_a_call_that_needed_it(
    running: RunningGateway, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", running.owner_token)
    with Gateway(url=running.url, key=KEY, max_retries=0) as client:
        assert client.feedback_since() == []
        with pytest.raises(InvalidInput) as caught:
            client.publish("a name that none can have", 1, "text", reason="")
    for error in chain(caught.value):
        frame = error.__traceback__
        while frame is not None:
            if frame.tb_frame.f_globals["__name__"] != __name__:
                assert running.owner_token[4:] not in "\n".join(map(_repr, frame.tb_frame.f_locals.values()))
            frame = frame.tb_next


def test_no_log_at_any_level_holds_one(client: Gateway, key: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for name in ("openai", "httpx", "httpcore", "urllib3"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        client.models()
        with pytest.raises(openai.NotFoundError):
            client.openai.chat.completions.create(model="nobody", messages=HELLO)  # type: ignore[call-overload]
    assert "Request options" in caplog.text
    assert "send_request_headers" in caplog.text
    assert_no_key(caplog.text, key)


def test_the_pattern_for_scanners_finds_what_a_gateway_issues(key: str, running: RunningGateway) -> None:
    assert re.fullmatch(SEEN, key)
    assert re.fullmatch(SEEN, running.owner_token)
