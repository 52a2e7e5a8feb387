"""A path means one thing, or it is refused."""

import pytest

from workbench.errors import InvalidInput
from workbench.gateway.native.target import read_target


def test_a_plain_path_is_kept_as_it_was_sent() -> None:
    target = read_target(b"/bedrock/model/anthropic.claude%3A0/converse", b"a=1&b=%20")
    assert (target.provider, target.raw) == ("bedrock", "/model/anthropic.claude%3A0/converse")
    assert (target.path, target.query) == ("/model/anthropic.claude:0/converse", "a=1&b=%20")


def test_a_slash_within_a_segment_stays_within_it() -> None:
    target = read_target(b"/bedrock/model/arn%3Aaws%3Abedrock%3Aeu%3A1%3Ainference-profile%2Fx/converse", b"")
    assert target.path == "/model/arn:aws:bedrock:eu:1:inference-profile%2Fx/converse"


@pytest.mark.parametrize(
    "path",
    [b"/p/../x", b"/p/%2e%2e/x", b"/p/%2e/x", b"/p//x", b"//p/x", b"/p/a%5cb", b"/p/a\\b", b"/p/a;b", b"/p/a%3bb",
     b"/p/%252e", b"/p/%2541", b"/p/a%00", b"/p/a%0a", b"/p/\xff", b"/p/%ff", b"/p/a b", b"/p/x%2f..%2fy", b"/p/%2fx",
     b"/%70/x", b"/p/%zz", b"/p/" + b"a" * 9000, b"/p/{x}", b"/p/a|b", b"/p/a\"b", b"/p/<x>"],
)  # fmt: skip
def test_a_path_that_is_not_plain_is_refused(path: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_target(path, b"")
    assert refused.value.error_code == "bad_path"


@pytest.mark.parametrize("query", [b"a=\\", b"a=b c", b"a=\x00", b"a=<", b"a=%zz"])
def test_a_query_that_is_not_plain_is_refused(query: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_target(b"/p/x", query)


def test_no_credential_stays_in_the_query() -> None:
    query = b"a=1&key=wbx-1&%6Bey=wbx-1&KEY=x&access_token=y&b=has-wbx-1-in-it&X-Amz-Signature=z&api-key=q&c=%77bx-1&d"
    assert read_target(b"/p/x", query).without_key("wbx-1") == "a=1&d"
    assert read_target(b"/p/x", b"").without_key("wbx-1") == ""


def test_values_of_a_parameter_are_all_told() -> None:
    assert list(read_target(b"/p/x", b"model=a%2Fb&x=1&model=c").values("model")) == ["a/b", "c"]
