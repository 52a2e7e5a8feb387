"""The hash by which a prompt is known."""

import pytest

from workbench.wire.prompt_hash import canonical_json, prompt_hash


def test_the_hash_is_that_of_the_canonical_json() -> None:
    # printf '{"parameters":{"a":1,"b":2},"schema":null,"template":"é"}' | sha256sum
    assert (
        prompt_hash("é", {"b": 2, "a": 1}, None) == "2fa003029f593859a80ebf5ffec852eae4fabaf65760f8816baea34bfe8627c1"
    )


def test_the_order_of_keys_does_not_matter_and_everything_else_does() -> None:
    base = prompt_hash([{"role": "user", "content": "x"}], {"a": 1, "b": 2}, {"type": "object"})
    assert base == prompt_hash([{"content": "x", "role": "user"}], {"b": 2, "a": 1}, {"type": "object"})
    others = {
        prompt_hash([{"role": "user", "content": "y"}], {"a": 1, "b": 2}, {"type": "object"}),
        prompt_hash([{"role": "user", "content": "x"}], {"a": 1, "b": 3}, {"type": "object"}),
        prompt_hash([{"role": "user", "content": "x"}], {"a": 1, "b": 2}, None),
        prompt_hash("x", {"a": 1, "b": 2}, {"type": "object"}),
    }
    assert base not in others
    assert len(others) == 4


def test_no_parameters_and_empty_ones_are_the_same() -> None:
    assert prompt_hash("x", None, None) == prompt_hash("x", {}, None)


def test_what_json_cannot_say_has_no_hash() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json({"x": float("nan")})
