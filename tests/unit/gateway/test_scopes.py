"""What a key may use, and keys that are forgotten."""

import time
from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import AuthenticationFailed
from workbench.gateway.access.keys import REMEMBERED_SECONDS, Key, KeyTable
from workbench.gateway.access.scopes import Scopes

LETTERS = st.text("ab/:.*?[]!-\n", max_size=8)


@given(st.lists(LETTERS, max_size=5), LETTERS)
def test_patterns_match_as_a_shell_would(patterns: list[str], name: str) -> None:
    assert Scopes(models=tuple(patterns)).allow_model(name) == any(fnmatchcase(name, one) for one in patterns)


def test_a_providers_own_model_goes_by_provider_and_name() -> None:
    scopes = Scopes(models=("openai/gpt-*",), providers=("openai", "acme"))
    assert scopes.allow_native("openai", "gpt-4o-mini")
    assert not scopes.allow_native("openai", "o3")
    assert not scopes.allow_native("acme", "gpt-4o-mini")
    assert not Scopes(providers=("acme",)).allow_native("openai", "gpt-4o-mini")
    assert not scopes.allow_model("gpt-4o-mini")


def test_no_pattern_is_nothing() -> None:
    assert not Scopes(models=()).allow_model("m")


def test_keys_are_forgotten_long_after_their_end_and_only_then(new_key: Callable[..., tuple[Key, str]]) -> None:
    table, now = KeyTable(), time.time()
    live, secret = new_key()
    lately, lately_secret = new_key(expires_at=now - 60)
    table.put(live)
    table.put(lately)
    for _ in range(2500):
        table.put(new_key(expires_at=now - REMEMBERED_SECONDS - 60)[0])
    assert len(table._by_id) < 1100
    assert len(table._by_hash) == len(table._by_id)
    assert table.check(secret) is live
    with pytest.raises(AuthenticationFailed) as caught:
        table.check(lately_secret)
    assert caught.value.error_code == "expired"
