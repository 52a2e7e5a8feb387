"""Which deployments are tried, in which order, and how often."""

from __future__ import annotations

from workbench.errors import (
    NotFound,
    PermissionDenied,
    ProviderCredential,
    ProviderError,
    ProviderLimit,
    ProviderTimeout,
    ProviderUnavailable,
    StreamCut,
    Unavailable,
)
from workbench.gateway.access.scopes import Scopes
from workbench.gateway.providers.provider import AnswerBroken, ConnectionDropped, ProviderFailed
from workbench.gateway.routing.models import Deployment


def at(provider: str, **fields) -> Deployment:
    return Deployment(provider=provider, kind="openai_compatible", model="m", **fields)


def down(attempt):
    return ProviderError(f"Provider {attempt.deployment.provider!r} failed.")


def failed(attempt):
    return ProviderFailed(f"Provider {attempt.deployment.provider!r} failed.")


def test_deployments_come_in_order_of_their_turns_then_fallbacks(world, model):
    there = world(model("a", "p", "q", fallbacks=("b",)), model("b", "r"))
    assert there.call("a", down) == ["p", "q", "r"]


def test_there_are_at_most_three_attempts(world, model):
    there = world(model("a", "p", "q", fallbacks=("b",)), model("b", "r", "s"), model("c", "t", "u", "v", "w"))
    assert there.call("a", down) == ["p", "q", "r"]
    assert len(there.call("c", down)) == 3


def test_a_fallback_for_another_task_is_passed_over(world, model):
    there = world(model("a", "p", fallbacks=("emb", "b")), model("emb", "q", task="embedding"), model("b", "r"))
    assert there.call("a", down) == ["p", "r"]


def test_a_key_falls_back_only_to_what_it_may_use(world, model):
    there = world(model("a", "p", "q", fallbacks=("b",)), model("b", "r"))
    assert there.call("a", down, scopes=Scopes(models=("a",))) == ["p", "q"]
    assert there.call("a", down, scopes=Scopes(providers=("q",))) == ["q"]


def test_a_key_that_may_use_no_provider_is_told_so(world, model):
    attempts = world(model("a", "p")).attempts("a", scopes=Scopes(providers=("x",)))
    assert list(attempts) == []
    assert isinstance(attempts.failure(), PermissionDenied)


def test_a_call_can_be_held_to_one_deployment(world, model):
    there = world(model("a", "p", "q", fallbacks=("b",)), model("b", "r"))
    assert there.call("a", down, only="q/m") == ["q"]
    attempts = there.attempts("a", only="gone/m")
    assert list(attempts) == []
    assert isinstance(attempts.failure(), NotFound)


def test_a_stale_connection_is_tried_again_once_at_the_same_place(world, model):
    there = world(model("a", "p", "q"))
    dropped = lambda attempt: ConnectionDropped("gone") if attempt.deployment.provider == "p" else None  # noqa: E731
    assert there.call("a", dropped) == ["p", "p", "q"]
    assert world(model("a", "p")).call("a", lambda _: ConnectionDropped("gone")) == ["p", "p"]


def test_an_outage_names_all_who_were_asked(world, model):
    there = world(model("a", "p", "q"))
    attempts = there.attempts("a")
    for attempt in attempts:
        attempts.failed(attempt, down(attempt))
    message = attempts.failure().message
    assert message == "Provider 'q' failed. Tried before it: p/m (provider_error)."


def test_the_soonest_of_several_retry_after_is_told(world, model):
    attempts = world(model("a", "p", "q", "r")).attempts("a")
    waits = iter([9, 20, None])
    for attempt in attempts:
        attempts.failed(attempt, ProviderLimit("no", retry_after=next(waits)))
    assert attempts.failure().retry_after == 9


def test_a_place_that_timed_out_is_not_asked_again(world, model):
    there = world(model("a", "p"), retries=2)
    assert there.call("a", lambda _: ProviderTimeout("late")) == ["p"]
    assert there.call("a", failed) == ["p", "p", "p"]


def test_who_is_alone_and_made_nothing_is_asked_once_more_by_default(world, model):
    there = world(model("a", "p"))
    assert there.call("a", lambda _: ProviderUnavailable("down")) == ["p", "p"]
    assert there.call("a", failed) == ["p", "p"]
    assert there.call("a", lambda _: ConnectionDropped("gone")) == ["p", "p"]
    assert 1000 < there.now < 1001


def test_without_retries_nobody_is_asked_again(world, model):
    there = world(model("a", "p"), retries=0)
    assert there.call("a", lambda _: ProviderUnavailable("down")) == ["p"]
    assert there.call("a", failed) == ["p"]


def test_what_may_have_been_made_is_not_asked_for_again(world, model):
    there = world(model("a", "p"), retries=2)
    kinds = (AnswerBroken, StreamCut, ProviderError, ProviderTimeout, ProviderCredential, ProviderLimit, Unavailable)
    for kind in kinds:
        assert there.call("a", lambda _, kind=kind: kind("no")) == ["p"], kind
        there.of("a").limited_until = 0.0


def test_what_may_have_been_made_is_not_asked_for_again_after_a_wait_either(world, model):
    there = world(model("a", "p"))
    there.of("a").wait_until = there.now + 1
    assert there.call("a", down) == ["p"]


def test_what_must_not_be_done_twice_is_not_asked_for_again(world, model):
    there = world(model("a", "p"), retries=2)
    assert there.call("a", failed, again=False) == ["p"]
    assert there.call("a", lambda _: ProviderUnavailable("down", retry_after=1), again=False) == ["p"]
    answers = iter([ProviderLimit("slow down", retry_after=1), None])
    assert there.call("a", lambda _: next(answers), again=False) == ["p", "p"]


def test_a_short_retry_after_is_waited_for_when_nothing_else_can_take_the_call(world, model):
    there = world(model("a", "p"))
    answers = iter([ProviderLimit("slow down", retry_after=1.5), None])
    assert there.call("a", lambda _: next(answers)) == ["p", "p"]
    assert 1001.5 < there.now < 1003


def test_a_long_retry_after_is_told_and_not_waited_for(world, model):
    there = world(model("a", "p"))
    assert there.call("a", lambda _: ProviderLimit("slow down", retry_after=7)) == ["p"]
    assert there.now == 1000


def test_a_retry_after_is_no_reason_to_wait_while_another_can_take_the_call(world, model):
    there = world(model("a", "p", "q"))
    limited = lambda a: ProviderLimit("no", retry_after=1) if a.deployment.provider == "p" else None  # noqa: E731
    assert there.call("a", limited) == ["p", "q"]
    assert there.now == 1000
    assert there.call("a", limited) == ["q"]


def test_calls_that_come_during_a_short_retry_after_wait_too(world, model):
    there = world(model("a", "p"))
    there.call("a", lambda _: ProviderLimit("slow down", retry_after=2), only=None)
    went = there.now
    there.of("a").wait_until = there.of("a").limited_until = went + 1
    assert there.call("a") == ["p"]
    assert there.now >= went + 1


def test_after_a_refused_credential_the_same_provider_comes_last(world, model):
    there = world(
        model("a", Deployment("p", "openai_compatible", "one"), Deployment("p", "openai_compatible", "two"), "q")
    )
    refused = lambda a: ProviderCredential("401") if a.deployment.provider == "p" else None  # noqa: E731
    assert there.call("a", refused) == ["p", "q"]
    assert there.call("a", refused) == ["q"]


def test_the_last_one_is_always_tried(world, model):
    there = world(model("a", "p"), failures=1)
    for _ in range(20):
        assert there.call("a", down) == ["p"]
        assert there.call("a", lambda _: ProviderLimit("no", retry_after=60)) == ["p"]
        assert there.call("a", lambda _: ProviderCredential("401")) == ["p"]


def test_a_cooling_one_is_passed_over_only_while_another_can_take_the_call(world, model):
    there = world(model("a", "p", "q"), failures=1)
    there.call("a", lambda a: down(a) if a.deployment.provider == "p" else None)
    assert there.call("a") == ["q"]
    assert there.call("a", down) == ["q", "p"]


def test_retries_have_a_budget_that_calls_fill(world, model):
    there = world(model("a", "p"), retries=2, retry_share=0.1, retries_per_second=0, failures=10**6)
    for _ in range(200):
        there.call("a", failed)
    assert 200 < len(there.sent) <= 200 + 20 + 1


def test_going_on_to_a_place_that_is_well_needs_no_budget(world, model):
    there = world(model("a", "p", "q", "r"), retry_share=0, retries_per_second=0, failures=10**6)
    for _ in range(50):
        assert there.call("a", lambda a: None if a.deployment.provider == "r" else down(a))[-1] == "r"


def test_what_was_held_is_let_go_however_a_call_ends(world, model):
    there = world(model("a", "p", "q"))
    there.call("a", down)
    there.call("a")
    left_behind = there.attempts("a", size=4000)
    next(iter(left_behind))
    left_behind.settle(None)
    left_behind.settle(None)
    for number in (0, 1):
        assert (there.of("a", number).in_flight, there.of("a", number).pending) == (0, 0)


def test_a_substitute_with_reserved_room_takes_what_the_own_ones_can_not(world, model):
    own = at("p", tokens_per_minute=1000)
    reserved = at("r", capacity="reserved", tokens_per_minute=10_000)
    there = world(model("a", own, substitutes=("b",)), model("b", at("b"), reserved))
    attempts = there.attempts("a", size=16_000)
    first = next(iter(attempts))
    assert (first.deployment.provider, first.instead_of) == ("p", None)  # empty, so it has room for a call of any size
    attempts.succeeded(first)
    attempts.settle(4000)
    second = next(iter(there.attempts("a", size=16_000)))
    assert (second.model.name, second.deployment.provider, second.instead_of) == ("b", "r", "a")


def test_a_substitute_comes_before_on_demand_where_the_model_says_so(world, model):
    reserved = at("r", capacity="reserved", tokens_per_minute=1000)
    there = world(model("a", "p", substitutes=("b",), prefer_reserved=True), model("b", reserved))
    assert there.call("a", tokens=990) == ["r"]
    assert there.call("a") == ["p"]
    assert there.call("a", scopes=Scopes(models=("a",))) == ["p"]


def test_only_reserved_capacity_of_a_substitute_is_used(world, model):
    there = world(model("a", "p", substitutes=("b",)), model("b", "q", at("r", capacity="reserved")))
    assert there.call("a", down) == ["p", "r"]


def test_with_room_of_its_own_a_model_has_no_substitute(world, model):
    there = world(model("a", "p", substitutes=("b",)), model("b", at("r", capacity="reserved")))
    assert [there.call("a") for _ in range(5)] == [["p"]] * 5
    assert there.call("a", down) == ["p", "r"]


def test_without_room_anywhere_the_own_ones_are_tried_before_a_fallback(world, model):
    there = world(model("a", at("p", tokens_per_minute=100), fallbacks=("b",)), model("b", "r"))
    there.call("a", tokens=100)
    assert there.call("a", tokens=100) == ["p"]
    assert there.call("a", lambda a: down(a) if a.deployment.provider == "p" else None) == ["p", "r"]


def test_a_fallback_that_is_gone_is_passed_over(world, model):
    there = world(model("a", "p", fallbacks=("gone", "b")), model("b", "q"))
    assert there.call("a", down) == ["p", "q"]
