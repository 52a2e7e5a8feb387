from __future__ import annotations

from typing import Any

import pytest

from workbench.errors import InvalidInput
from workbench.local.embedding_request import parse_embedding_request


def test_one_text_and_many_are_taken() -> None:
    one = parse_embedding_request({"input": "a"}, dimensions=384)
    many = parse_embedding_request(
        {"input": ["a", "b"], "encoding_format": "base64", "dimensions": 384, "truncate_prompt_tokens": -1},
        dimensions=384,
    )
    assert (one.texts, one.base64, one.truncate) == (["a"], False, False)
    assert (many.texts, many.base64, many.truncate) == (["a", "b"], True, True)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input[0]"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": [1, 2, 3]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a", "dimensions": 256}, "dimensions"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "a", "truncate_prompt_tokens": 5}, "truncate_prompt_tokens"),
    ],
)
def test_what_can_not_be_served_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidInput) as failure:
        parse_embedding_request(body, dimensions=384)
    assert failure.value.param == param
