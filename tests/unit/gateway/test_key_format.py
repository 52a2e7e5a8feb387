"""What a key looks like, and that nothing else passes for one."""

import string

from hypothesis import given
from hypothesis import strategies as st

from workbench.gateway.access.key_format import PREFIXES, digest, new_secret, well_formed


def test_a_new_key_has_its_prefix_43_random_characters_and_a_checksum() -> None:
    for prefix in PREFIXES.values():
        secret = new_secret(prefix)
        assert secret.startswith(prefix)
        assert len(secret) == 4 + 43 + 6
        assert well_formed(secret)


def test_two_keys_are_never_the_same() -> None:
    assert len({new_secret("wbx-") for _ in range(1000)}) == 1000


@given(place=st.integers(0, 52), letter=st.sampled_from(string.ascii_letters + string.digits + "-_ "))
def test_a_mistyped_key_is_not_well_formed(place: int, letter: str) -> None:
    secret = new_secret("wbx-")
    mistyped = secret[:place] + letter + secret[place + 1 :]
    assert well_formed(mistyped) == (mistyped == secret)


@given(st.text(max_size=80))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    assert not well_formed(text)


def test_what_is_kept_does_not_hold_the_key() -> None:
    secret = new_secret("wbx-")
    assert len(digest(secret)) == 32
    assert secret.encode() not in digest(secret)
