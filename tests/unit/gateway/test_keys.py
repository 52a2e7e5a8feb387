"""Why a key is refused, and that its end is its end."""

import time
from collections.abc import Callable

import pytest

from workbench.errors import AuthenticationFailed, InvalidInput, NotFound
from workbench.gateway.access import keys as keys_room
from workbench.gateway.access.credentials import key_of
from workbench.gateway.access.identities import Identities
from workbench.gateway.access.identity import Identity, Owner
from workbench.gateway.access.issuing import ExplorationWish, Issuer
from workbench.gateway.access.key_format import new_secret
from workbench.gateway.access.key_store import KeyStore
from workbench.gateway.access.keys import Key, KeyTable
from workbench.gateway.access.scopes import Scopes
from workbench.gateway.state import State
from workbench.settings import ExplorationPolicy, IdentitySettings

NewKey = Callable[..., tuple[Key, str]]


def refused(table: KeyTable, secret: str) -> str:
    with pytest.raises(AuthenticationFailed) as caught:
        table.check(secret)
    assert secret not in str(caught.value)
    return caught.value.error_code


def test_a_good_key_is_found(new_key: NewKey) -> None:
    table = KeyTable()
    key, secret = new_key(expires_at=time.time() + 60)
    table.put(key)
    assert table.check(secret) is key


def test_each_reason_has_its_own_code(new_key: NewKey) -> None:
    table = KeyTable()
    expired, old = new_key(expires_at=time.time() - 1)
    revoked, dead = new_key()
    table.put(expired)
    table.put(revoked)
    table.revoke(revoked.id)
    assert refused(table, old) == "expired"
    assert refused(table, dead) == "revoked"
    assert refused(table, new_secret("wbx-")) == "invalid_key"
    assert refused(table, "sk-provider") == "invalid_key"


def test_a_clock_that_steps_back_revives_no_key(new_key: NewKey, monkeypatch: pytest.MonkeyPatch) -> None:
    table = KeyTable()
    key, secret = new_key(expires_at=1000.0)
    table.put(key)
    clock = [999.0]
    monkeypatch.setattr(keys_room.time, "time", lambda: clock[0])
    assert table.check(secret) is key
    clock[0] = 1000.0
    assert refused(table, secret) == "expired"
    clock[0] = 10.0
    assert refused(table, secret) == "expired"


def test_revoking_twice_keeps_the_first_time(new_key: NewKey) -> None:
    table = KeyTable()
    key, _ = new_key()
    table.put(key)
    first = table.revoke(key.id).revoked_at
    assert table.revoke(key.id).revoked_at == first


def test_a_key_is_taken_from_each_header_that_sdks_use(new_key: NewKey) -> None:
    table = KeyTable()
    key, secret = new_key()
    table.put(key)
    for headers in ({b"authorization": b"Bearer " + secret.encode()}, {b"authorization": b"bearer  " + secret.encode()},
                    {b"x-api-key": secret.encode()}, {b"api-key": secret.encode()}):  # fmt: skip
        assert key_of(headers, table) is key
    for nothing in ({}, {b"authorization": b"Basic YTpi"}, {b"authorization": b"Bearer "}):
        with pytest.raises(AuthenticationFailed) as caught:
            key_of(nothing, table)
        assert caught.value.error_code == "missing_key"


def test_scopes_are_patterns_in_which_a_star_crosses_slashes() -> None:
    scopes = Scopes(models=("gpt-*", "openai/*"), paths=("/v1/chat/*",))
    assert scopes.allow_model("gpt-4o")
    assert scopes.allow_model("openai/a/b")
    assert not scopes.allow_model("claude")
    assert scopes.allow_path("/v1/chat/completions")
    assert not scopes.allow_path("/v1/embeddings")
    assert scopes.allow_provider("anything")


def test_the_owner_token_is_made_once_for_its_owner_alone(tmp_path) -> None:
    owner = Owner(tmp_path)
    owner.open()
    token = owner.path.read_text()
    assert owner.path.stat().st_mode & 0o777 == 0o600
    again = Owner(tmp_path)
    again.open()
    assert again.check(token) == owner.identity
    for other in (new_secret("wbo-"), new_secret("wbx-"), "", "x"):
        with pytest.raises(AuthenticationFailed):
            again.check(other)


async def test_a_key_and_an_identity_both_may_read(new_key: NewKey, tmp_path) -> None:
    table, owner = KeyTable(), Owner(tmp_path)
    identities = Identities(IdentitySettings(), owner=owner, keys=table)
    owner.open()
    key, secret = new_key()
    table.put(key)
    token = owner.path.read_bytes()
    assert await identities.reader({b"authorization": b"Bearer " + secret.encode()}) is key
    assert isinstance(await identities.reader({b"authorization": b"Bearer " + token}), Identity)


class TestIssuing:
    ana = Identity("ana")

    def issuer(self, state: State, table: KeyTable, ended: list[str]) -> Issuer:
        return Issuer(keys=table, store=KeyStore(state), policy=ExplorationPolicy(expires_in=3600),
                      revoked=lambda key: ended.append(key.id))  # fmt: skip

    async def test_an_issued_key_outlives_the_process_and_its_secret_is_nowhere(self, state: State, tmp_path) -> None:
        issued = await self.issuer(state, KeyTable(), []).exploration(
            ExplorationWish(note="n", expires_in=60), self.ana
        )
        table = KeyTable()
        for key in KeyStore(state).load():
            table.put(key)
        assert table.check(issued.secret) == issued.key
        state.close()
        assert not any(issued.secret.encode() in path.read_bytes() for path in tmp_path.iterdir())

    async def test_a_revoked_key_stays_revoked_after_a_restart(self, state: State) -> None:
        ended: list[str] = []
        table = KeyTable()
        issuer = self.issuer(state, table, ended)
        issued = await issuer.exploration(ExplorationWish(), self.ana)
        await issuer.revoke(issued.key.id, self.ana)
        assert ended == [issued.key.id]
        again = KeyTable()
        for key in KeyStore(state).load():
            again.put(key)
        assert refused(again, issued.secret) == "revoked"

    async def test_nobody_revokes_the_key_of_another(self, state: State) -> None:
        table = KeyTable()
        issuer = self.issuer(state, table, [])
        issued = await issuer.exploration(ExplorationWish(), self.ana)
        with pytest.raises(NotFound):
            await issuer.revoke(issued.key.id, Identity("bob"))
        assert table.check(issued.secret) == issued.key

    @pytest.mark.parametrize("wish", [
        ExplorationWish(expires_in=3601), ExplorationWish(expires_in=0), ExplorationWish(expires_in=-5),
        ExplorationWish(note="x" * 201), ExplorationWish(lease="../x"), ExplorationWish(lease=""),
    ])  # fmt: skip
    async def test_a_wish_over_the_policy_makes_no_key(self, state: State, wish: ExplorationWish) -> None:
        with pytest.raises(InvalidInput):
            await self.issuer(state, KeyTable(), []).exploration(wish, self.ana)
        assert KeyStore(state).load() == []

    async def test_a_wish_at_the_policy_is_fulfilled(self, state: State) -> None:
        issued = await self.issuer(state, KeyTable(), []).exploration(ExplorationWish(expires_in=3600), self.ana)
        assert issued.key.expires_at == issued.key.created_at + 3600
