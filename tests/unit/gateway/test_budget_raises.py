"""Temporary raises of budgets: kept with who, when and why, followed by others, over when they are over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from workbench.errors import InvalidInput
from workbench.gateway.access.keys import Key, KeyTable
from workbench.gateway.access.limits import Budget
from workbench.gateway.admission.admission import Admission
from workbench.gateway.admission.raises import Raises, RaiseWish, told
from workbench.gateway.admission.rules import Rules
from workbench.gateway.state import BUDGETS, State
from workbench.settings import LimitSettings

pytestmark = pytest.mark.anyio
NewKey = Callable[..., tuple[Key, str]]
DAY = 86_400


def desk_with(key: Key) -> Admission:
    keys = KeyTable()
    keys.put(key)
    desk = Admission(keys)
    desk.rule(Rules.from_settings([LimitSettings(subject="user", usd_per_day=2.0)]), {})
    desk.hold_to(key)
    return desk


@pytest.fixture
def key(new_key: NewKey) -> Key:
    return new_key(id="key_1", budget=Budget(usd_total=1.0))[0]


def day(offset: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + offset * DAY))


def wish(**fields: Any) -> RaiseWish:
    known = {"subject": "key", "name": "key_1", "usd_total": 3.0, "until": day(2), "reason": "a demo"}
    return RaiseWish(**{**known, **fields})


async def test_it_holds_at_once_and_everybody_else_hears_of_it(state: State, key: Key) -> None:
    here, there = desk_with(key), desk_with(key)
    raises, others = Raises(state, here), Raises(state, there)
    before = state.changes().get(BUDGETS, 0)
    made = await raises.add(wish(), by="root")
    assert here.left(key)["usd_total"] == 4.0
    assert state.changes()[BUDGETS] == before + 1
    await others.catch_up()
    assert there.left(key)["usd_total"] == 4.0
    (listed,) = [told(one) for one in await others.all()]
    assert listed == told(made)
    assert (listed["by"], listed["reason"], listed["usd_total"], listed["active"]) == ("root", "a demo", 3.0, True)
    assert listed["until"] == f"{day(3)}T00:00:00.000Z", "the last day counts whole"


async def test_raises_add_up_and_one_that_is_over_stays_on_the_list(
    state: State, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desk_with(key)
    raises = Raises(state, desk)
    await raises.add(wish(), by="root")
    await raises.add(wish(usd_total=0.5, until=day(20)), by="root")
    assert desk.left(key)["usd_total"] == 4.5
    now = time.time() + 4 * DAY
    monkeypatch.setattr("time.time", lambda: now)
    assert desk.left(key)["usd_total"] == 1.5
    again = desk_with(key)
    await Raises(state, again).catch_up()
    assert again.left(key)["usd_total"] == 1.5
    assert [told(one)["active"] for one in await raises.all()] == [True, False]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"until": "soon"}, "until"),
        ({"until": day(-1)}, "until"),
        ({"until": day(500)}, "until"),
        ({"usd_total": None}, None),
        ({"usd_total": None, "usd_per_month": 1.0}, "usd_per_month"),
        ({"name": "key_2"}, "usd_total"),
        ({"subject": "model", "name": "fast"}, "usd_total"),
        ({"subject": "user", "name": "ana"}, "usd_total"),
    ],
)
async def test_a_wish_that_makes_no_sense_changes_nothing(
    state: State, key: Key, fields: dict[str, Any], named: str | None
) -> None:
    raises = Raises(state, desk_with(key))
    with pytest.raises(InvalidInput) as caught:
        await raises.add(wish(**fields), by="root")
    assert caught.value.param == named
    assert await raises.all() == []


async def test_what_a_rule_grants_can_be_raised_for_one_of_many(state: State, key: Key) -> None:
    desk = desk_with(key)
    await Raises(state, desk).add(
        wish(subject="user", name="ana", usd_total=None, usd_per_day=5.0, until=f"{day(3)}T10:00:00+02:00"), by="root"
    )
    (user,) = [one for one in desk.all(models=[], providers=[]) if one["subject"] == "user"]
    assert user["left"]["usd_per_day"] == 7.0
    assert user["budget"] == {"usd_per_day": 2.0}
    assert user["raises"][0]["usd_per_day"] == 5.0
