"""Who gets the candidate of a rollout: known vectors for other languages, stickiness, and shares."""

import hashlib
from itertools import pairwise

import pytest

from workbench.errors import InvalidInput
from workbench.wire.prompt_assignment import checked_hash, gets_candidate, unit_of, user_hash

USERS = [user_hash(f"user-{number}") for number in range(20_000)]


def test_known_vectors_hold_for_other_languages() -> None:
    assert user_hash("u123") == hashlib.sha256(b"u123").hexdigest()
    unit = unit_of("ro_1", user_hash("u123"))
    assert unit == hashlib.sha256(f"ro_1:{hashlib.sha256(b'u123').hexdigest()}".encode()).hexdigest()[:16]
    assert (unit, int(unit, 16) % 10_000) == ("745df0a3f8e3e00c", 668)


@pytest.mark.parametrize("weight", [0, 0.01, 1, 10, 25, 50, 99.99, 100])
def test_the_candidate_goes_to_its_share_of_users(weight: float) -> None:
    share = sum(gets_candidate(unit_of("ro_share", user), weight) for user in USERS) / len(USERS)
    assert share == pytest.approx(weight / 100, abs=0.012)
    assert weight not in (0, 100) or share == weight / 100


def test_who_has_the_candidate_keeps_it_when_more_get_it() -> None:
    units = [unit_of("ro_a", user) for user in USERS[:2000]]
    have = [{unit for unit in units if gets_candidate(unit, weight)} for weight in (5, 10, 25, 50, 100)]
    assert all(few < many for few, many in pairwise(have))


def test_another_rollout_begins_with_other_users() -> None:
    first, second = (
        {user for user in USERS[:2000] if gets_candidate(unit_of(rollout, user), 10)} for rollout in ("ro_a", "ro_b")
    )
    assert len(first & second) < len(first) / 2


def test_no_user_and_no_hash_are_refused() -> None:
    with pytest.raises(InvalidInput, match="empty"):
        user_hash("")
    for text in ("", "u123", "A" * 64, "a" * 63, "a" * 64 + "\n"):
        with pytest.raises(InvalidInput):
            checked_hash(text)
