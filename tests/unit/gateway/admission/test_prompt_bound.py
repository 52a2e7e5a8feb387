"""The bound of a prompt by its texts."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from workbench.gateway.admission.prompt import prompt_bound


def bound(**fields: object) -> int:
    return prompt_bound(msgspec.json.decode(msgspec.json.encode(fields), type=dict[str, msgspec.Raw]))


@given(st.lists(st.text(max_size=50), min_size=1, max_size=5))
def test_every_byte_of_a_text_may_be_a_token(texts: list[str]) -> None:
    least = sum(len(text.encode()) for text in texts)
    assert least <= bound(messages=[{"role": "user", "content": text} for text in texts])
    assert least <= bound(messages=[{"role": "user", "content": [{"type": "text", "text": text} for text in texts]}])
    assert least <= bound(input=texts)
    assert least <= bound(prompt=texts)


def test_the_json_around_a_short_prompt_does_not_count() -> None:
    assert bound(model="m" * 200, messages=[{"role": "user", "content": "hi"}], temperature=0.5, max_tokens=16) < 40


def test_what_a_model_may_read_beside_the_prompt_counts_whole() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    assert bound(messages=[], tools=tools) >= len(msgspec.json.encode(tools))
    assert bound(messages=[], a_field_of_tomorrow="x" * 100) >= 100


def test_tokens_by_their_numbers_are_counted_one_by_one() -> None:
    assert 1000 <= bound(input=list(range(100_000, 101_000))) < 1100
