"""What is read of an answer, what is estimated, and what it costs."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import InvalidInput
from workbench.gateway.dialects.openai import UsageReader
from workbench.gateway.dialects.openai_events import RankingReader, TranscriptReader
from workbench.gateway.dialects.reader import Sign
from workbench.gateway.ledger.prices import PriceBook
from workbench.gateway.ledger.tags import read_tags
from workbench.gateway.native.live_meter import LiveMeter
from workbench.gateway.routing.models import Deployment
from workbench.settings.tables import Price
from workbench.wire.sse import frame, parse
from workbench.wire.usage import Usage


def deployment(
    kind: str = "openai", model: str = "gpt-4o-mini", price: Price | None = None, provider: str = "p"
) -> Deployment:
    return Deployment(provider=provider, kind=kind, model=model, region=None, capacity="on_demand", price=price)  # type: ignore[arg-type]


def event(fields: object):
    return parse(frame(json.dumps(fields).encode()))


def test_usage_of_a_plain_answer_is_read() -> None:
    meter = UsageReader()
    meter.whole(
        b'{"id": 1, "usage": {"prompt_tokens": 7, "completion_tokens": 3,'
        b' "prompt_tokens_details": {"cached_tokens": 2}}}'
    )
    assert meter.usage(question_bytes=0) == Usage(7, 3, cached_input_tokens=2)
    assert not meter.estimated


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"usage":', b'"text"'])
def test_what_is_no_json_object_is_no_answer(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        UsageReader().whole(body)


def test_only_a_frame_of_usage_alone_is_told_apart() -> None:
    meter = UsageReader()
    assert meter.event(event({"choices": [{"delta": {"content": 'say "usage"'}}]})) is Sign.PASS
    assert meter.event(event({"choices": [{"delta": {}}], "usage": None})) is Sign.PASS
    assert meter.event(event({"choices": [{"delta": {}}], "usage": {"prompt_tokens": 1}})) is Sign.PASS
    assert meter.event(event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6}})) is Sign.USAGE_ONLY
    assert meter.usage(question_bytes=0).total_tokens == 11


def test_without_usage_the_frames_and_the_question_are_counted() -> None:
    meter = UsageReader()
    for _ in range(9):
        meter.event(event({"choices": [{"delta": {"content": "x"}}]}))
    assert meter.estimated
    assert meter.usage(question_bytes=400) == Usage(input_tokens=100, output_tokens=9)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["prompt_tokens", "completion_tokens", "prompt_tokens_details", "cached_tokens", "x"]),
                inner,
            )
        ),
        max_leaves=8,
    )
)
def test_a_provider_may_state_nonsense(usage: object) -> None:
    meter = UsageReader()
    try:
        meter.whole(json.dumps({"usage": usage}).encode())
    except msgspec.DecodeError:
        return
    counted = meter.usage(question_bytes=10)
    assert 0 <= counted.input_tokens <= 2**53
    assert 0 <= counted.output_tokens <= 2**53


class TestPrices:
    def cost(self, one: Deployment, usage: Usage) -> tuple[float | None, str | None]:
        book = PriceBook()
        book.load([one])
        rate = book.of(one).rate
        return (None, None) if rate is None else (rate.cost(usage), rate.source)

    def test_a_price_in_the_settings_wins(self) -> None:
        one = deployment(price=Price(input=1.0, output=2.0, cached_input=0.5))
        usage = Usage(input_tokens=1000, output_tokens=100, cached_input_tokens=400)
        assert self.cost(one, usage) == (pytest.approx((600 * 1.0 + 400 * 0.5 + 100 * 2.0) / 1e6), "settings")

    def test_a_known_model_is_priced_by_the_public_table(self) -> None:
        cost, source = self.cost(deployment(), Usage(input_tokens=1_000_000, output_tokens=0))
        assert source == "price_book"
        assert cost == pytest.approx(0.15)

    def test_cache_writes_have_a_price_of_their_own(self) -> None:
        one = deployment("anthropic", "claude-sonnet-4-5")
        plain, _ = self.cost(one, Usage(input_tokens=1000))
        written, _ = self.cost(one, Usage(input_tokens=1000, cache_write_tokens=1000))
        assert plain is not None
        assert written == pytest.approx(plain * 1.25)

    def test_a_famous_name_at_a_compatible_server_is_not_priced(self) -> None:
        assert self.cost(deployment("openai_compatible"), Usage(1, 1)) == (None, None)

    def test_a_model_that_nobody_knows_is_not_priced(self) -> None:
        assert self.cost(deployment(model="gpt-17-pico"), Usage(1, 1)) == (None, None)

    def test_a_local_model_costs_nothing(self) -> None:
        assert self.cost(deployment("local", "smollm2-135m"), Usage(1000, 1000)) == (0.0, "local")

    def test_limits_of_a_known_model_are_told(self) -> None:
        book = PriceBook()
        one = deployment()
        book.load([one])
        assert book.of(one).context_tokens == 128000


class TestTags:
    def test_tags_become_json(self) -> None:
        assert json.loads(read_tags(b"team=menu, run.id=7,empty=") or "") == {
            "team": "menu",
            "run.id": "7",
            "empty": "",
        }
        assert read_tags(b" , ") is None

    def test_16_tags_are_taken_and_17_are_not(self) -> None:
        tags = [f"k{n}=v" for n in range(17)]
        assert read_tags(",".join(tags[:16]).encode())
        with pytest.raises(InvalidInput):
            read_tags(",".join(tags).encode())

    @pytest.mark.parametrize(
        "header", [b"novalue", b"=v", b"a b=c", b"k=\x00", "k=\u00e9".encode("latin-1"), b"k=" + b"v" * 2050]
    )
    def test_what_is_no_tag_is_refused(self, header: bytes) -> None:
        with pytest.raises(InvalidInput) as caught:
            read_tags(header)
        assert caught.value.error_code == "invalid_tags"


@pytest.mark.parametrize("usage", [
    {"type": "duration", "seconds": "inf"}, {"type": "duration", "seconds": "nan"},
    {"type": "duration", "seconds": -1e9}, {"output_tokens": 5, "output_tokens_details": {"audio_tokens": -(10**12)}},
    {"output_tokens": 5, "output_tokens_details": {"reasoning_tokens": -(10**12)}},
    {"output_tokens": 10**30}, {"output_tokens": 5, "output_tokens_details": {"image_tokens": 10**30}},
])  # fmt: skip
def test_what_nobody_can_have_used_is_estimated_in_every_lane(usage: dict[str, object]) -> None:
    transcript, live = TranscriptReader(seconds=3.0), LiveMeter()
    transcript.whole(json.dumps({"text": "hi", "usage": usage}).encode())
    assert transcript.usage(question_bytes=0) == Usage(audio_seconds=3.0)
    told = json.dumps({"type": "response.done", "response": {"usage": usage}})
    live.read(told.replace("tokens_details", "token_details"))  # as a live conversation spells it
    assert live.usage == Usage()


def test_rankings_beyond_all_bounds_are_estimated() -> None:
    ranking = RankingReader(documents=101)
    ranking.whole(b'{"results": [], "meta": {"billed_units": {"search_units": 1e300}}}')
    assert ranking.usage(question_bytes=0) == Usage(queries=2)


def test_a_heartbeat_is_no_token() -> None:
    meter = UsageReader()
    assert meter.event(parse(b": still there\n\n")) is Sign.PASS
    assert not meter.produced
    assert meter.usage(question_bytes=8).output_tokens == 0
