"""Money: told before, held before each call, never passed; and what a run says of it."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import msgspec
import pandas as pd
import pytest

from workbench.errors import GatewayUnreachable, InvalidInput, NotFound, ProviderUnavailable
from workbench.evidence import Score, Scorer, embedding_similarity, exact_match
from workbench.evidence.question import Question
from workbench.experiments import Candidate, Preview, grid, preview, run
from workbench.experiments.calls.backend import LocalBackend
from workbench.experiments.calls.call import Call, most_read
from workbench.experiments.calls.catalogue import Catalogue, Listed, Price
from workbench.experiments.cells.cell import Job
from workbench.experiments.cells.journal import Journal
from workbench.experiments.runs import loop
from workbench.experiments.runs.judging import Judging
from workbench.experiments.runs.tally import Tally
from workbench.gateway.unified import question

PRICES = {"small": (1.0, 2.0), "big": (10.0, 20.0), "free": (0.0, 0.0), "unpriced": (None, None)}


@pytest.fixture
def shop(model):
    """The rule's model, with a catalogue and prices: an answer costs what its tokens cost."""

    class Shop:
        paid = 0.0
        held_back = threading.Lock()
        cost = 0.0001

        def models(self) -> pd.DataFrame:
            rows = [
                {"model": name, "price.input": read, "price.output": written, "max_output_tokens": 1000}
                for name, (read, written) in PRICES.items()
            ]
            return pd.DataFrame(rows)

        def chat(self, messages: Any, *, model: str, tags: Any = None, **parameters: Any) -> Any:
            result = self.rule.chat(messages, model=model, tags=tags, **parameters)
            with self.held_back:
                self.paid += result.cost_usd or 0.0
            return result

        embed = model.embed

    made = Shop()
    made.rule = model  # type: ignore[attr-defined]
    model.cost_usd = made.cost
    return made


def trial(data, shop, **options):
    options = {"track": False, "progress": False} | options
    candidates = options.pop("candidates", grid("ask {{q}}", ["small"], {"max_tokens": 100}))
    return run("trial", candidates, data, gateway=shop, **options)


def test_a_model_that_is_gone_is_found_before_anything_is_paid(questions, shop, model):
    gone = [Candidate("new", prompt="{{q}}", model="small"), Candidate("old", prompt="{{q}}", model="smol")]
    with pytest.raises(NotFound, match=r"no model 'smol' for this key\. Nothing was sent\. Did you mean 'small'"):
        trial(questions, shop, candidates=gone)
    assert model.asked == []


def test_a_model_of_a_pattern_passes():
    Catalogue({"openai/*": Listed(None, None)}).check(["openai/gpt"])


def test_a_preview_tells_cells_and_dollars_and_sends_nothing(questions, shop, model):
    candidates = grid("ask {{q}}", ["small", "big"], {"max_tokens": 100})
    told = preview(candidates, questions, gateway=shop, repeats=2)
    assert model.asked == []
    assert list(told.table["cells"]) == [12, 12]
    assert (told.cells, told.to_pay, told.table["from_journal"].sum()) == (24, 24, 0)
    small, big = told.table.loc["small"], told.table.loc["big"]
    assert big["usd"] == pytest.approx(10 * small["usd"])
    assert small["output_tokens"] == 1200  # max_tokens, where no answer was seen
    assert 0 < small["usd_low"] < small["usd"] < small["usd_high"]
    assert "24 cells, 0 of them in the journal, 24 to pay: about" in repr(told)
    assert "<table" in told._repr_html_()


def test_a_preview_learns_from_the_journal(questions, shop):
    small = grid("ask {{q}}", ["small"], {"max_tokens": 100})
    trial(questions.head(4), shop, candidates=small)
    told = preview(small, questions, gateway=shop)
    (row,) = told.table.itertuples()
    assert (row.cells, row.from_journal, row.to_pay) == (6, 4, 2)
    assert row.output_tokens == 6  # three each, as the others
    assert row.input_tokens == pytest.approx(2 * len("ask question 0"))
    assert told.usd == pytest.approx((row.input_tokens * 1 + 6 * 2) / 1e6)
    assert told.low == pytest.approx(told.usd)
    assert told.high == pytest.approx(told.usd)  # all four were alike
    trial(questions, shop, candidates=small)
    assert preview(small, questions, gateway=shop).usd == 0


def test_a_dry_run_checks_and_sends_nothing(questions, shop, model):
    told = trial(questions, shop, dry_run=True)
    assert isinstance(told, Preview)
    assert model.asked == []
    with pytest.raises(InvalidInput, match=r"asks for \{\{missing\}\}, which is missing in example 'q0'"):
        trial(questions, shop, dry_run=True, candidates=grid("{{missing}}", ["small"]))


def test_a_budget_is_never_passed_and_what_is_left_is_told(questions, shop, model):
    rows = [{"id": f"e{number}", "q": f"{number}"} for number in range(40)]
    worst = Price(1.0, 2.0).of(60, 100)  # an upper bound of one call
    with pytest.warns(UserWarning, match=r"of budget_usd=0\.001 are spent.* of 40 cells are answered and kept"):
        found = trial(rows, shop, budget_usd=0.001, concurrency=8)
    assert 0.001 - worst - shop.cost < shop.paid <= 0.001
    left = found.cells[found.cells["error"].notna()]
    assert len(left) == 40 - len(model.asked)
    assert left["error"].str.startswith("not sent: ").all()
    with pytest.warns(UserWarning, match="budget_usd"):
        trial(rows, shop, budget_usd=0.001)  # a run's own: what was kept costs nothing
    found = trial(rows, shop, budget_usd=1)
    assert found.cells["error"].isna().all()
    assert len(model.asked) == 40


def test_a_call_of_which_nobody_knows_the_cost_counts_as_the_worst(questions, shop, model):
    def fail(text, number):
        raise ProviderUnavailable("The provider is overloaded.")

    model.before = fail
    rows = [{"id": f"e{number}", "q": f"{number}"} for number in range(4)]
    with pytest.raises(InvalidInput, match="No call of the experiment"):
        trial(rows, shop, budget_usd=0.0006)
    assert len(model.asked) in (2, 3)


@pytest.mark.parametrize(
    ("candidates", "budget", "words"),
    [
        (grid("{{q}}", ["unpriced"]), 1, "nobody knows the price of 'unpriced'"),
        (grid("{{q}}", ["big"]), 0.0001, "does not cover the dearest call, which can cost 0.02"),
        (grid("{{q}}", ["small"]), -1, "an amount of US dollars"),
    ],
)
def test_a_budget_that_can_not_be_kept_is_refused_before(candidates, budget, words, questions, shop, model):
    with pytest.raises(InvalidInput, match=words):
        trial(questions, shop, candidates=candidates, budget_usd=budget)
    assert model.asked == []


def test_a_client_without_prices_takes_no_budget(questions, model, pair):
    with pytest.raises(InvalidInput, match="nobody knows the price"):
        run("trial", pair, questions, gateway=model, track=False, progress=False, budget_usd=1)


def test_a_silent_gateway_is_told_by_a_preview(questions, shop, model):
    def silent():
        raise GatewayUnreachable("The gateway does not answer.")

    shop.models = silent
    with pytest.raises(GatewayUnreachable):
        preview(grid("{{q}}", ["small"]), questions, gateway=shop)


def test_progress_tells_what_is_spent_and_what_is_to_come(questions, shop, capfd):
    trial(questions, shop, progress=True, scorers=[exact_match()])
    assert "0.00060 USD so far, about nothing to go" in capfd.readouterr().err


@pytest.mark.parametrize("odd", [{"a": 1}, 3, None, object()])
def test_an_output_that_can_not_be_kept_is_a_marked_cell(odd, questions):
    calls = [Candidate("odd", call=lambda inputs: odd, version="1"), Candidate("good", call=lambda inputs: "x")]
    found = run("odd", calls, questions, track=False, progress=False)
    assert found.table().loc["odd", "failed"] == 6
    assert found.table().loc["good", "n"] == 6
    assert "is no output" in found.cells["error"].iloc[0]


def test_a_result_whose_text_is_no_text_is_a_marked_cell(questions):
    class Result:
        text = 7

    found = run(
        "odd",
        [Candidate("odd", call=lambda inputs: Result(), version="1"), Candidate("good", call=lambda inputs: "x")],
        questions,
        track=False,
        progress=False,
    )
    assert "The output is a int, which can't be kept" in found.cells["error"].iloc[0]


def test_scorers_that_embed_keep_to_the_budget_as_well(questions, shop):
    sent: list[int] = []

    def embed(texts: Any, *, model: str) -> Any:
        sent.append(len(texts))
        return [[1.0, 0.0] for _ in texts]

    shop.embed = embed
    poor = trial(questions, shop, budget_usd=0.0009, scorers=[embedding_similarity(model="big")])
    assert sent == []
    assert poor.cells["note.embedding_similarity"].str.contains("of the budget are left").all()
    rich = trial(questions, shop, budget_usd=1, scorers=[embedding_similarity(model="big")])
    assert rich.cells["score.embedding_similarity"].tolist() == [1] * 6


def judge(model: str) -> Scorer:
    def ask(output: Any, example: Any) -> Any:
        reply = yield Question([{"role": "user", "content": f"is {output.text} good?"}], model, {"max_tokens": 100})
        return Score(1.0, cost_usd=reply.cost_usd)

    return Scorer("judge", lambda output, example: None, ask=ask, identity="one", model=model)


def test_a_judge_without_a_price_is_found_before_anything_is_paid(questions, shop, model):
    with pytest.raises(InvalidInput, match="nobody knows the price of 'unpriced'"):
        trial(questions, shop, budget_usd=1, scorers=[judge("unpriced")])
    assert model.asked == []


def test_a_budget_that_judges_use_up_is_told(questions, shop):
    with pytest.warns(UserWarning, match=r"judge: not sent: .* of budget_usd=0\.0012 are spent.* 6 of 6 cells"):
        found = trial(questions, shop, budget_usd=0.0012, scorers=[judge("big")])
    assert found.cells["note.judge"].str.startswith("not sent: ").all()
    assert shop.paid <= 0.0012


def test_a_preview_takes_every_text_and_counts_tools(questions, shop):
    plain = Candidate("plain", prompt="{{q}}", model="small", parameters={"max_tokens": 100})
    tools = [{"type": "function", "function": {"name": "look", "description": "x" * 4000}}]
    handy = replace(plain, name="handy", parameters={**plain.parameters, "tools": tools})
    told = preview([plain, handy], [{"q": "half a character \ud83d"}], gateway=shop).table
    assert told.loc["handy", "usd_high"] >= told.loc["plain", "usd_high"] + 4000 / 1e6


def test_a_picture_that_is_only_named_counts_as_the_gateway_counts_it():
    part = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
    messages = [{"role": "user", "content": [part]}]
    body = msgspec.json.encode({"messages": messages})
    asked = question.Question(operation="", model="m", size=len(body), fields=question.raw_fields(body), forwarded={})
    assert most_read(messages, {}) >= asked.counted.input_tokens > 4000


@pytest.mark.parametrize("leaves", [False, True])
def test_what_a_stop_cancels_counts_as_the_worst(leaves, questions, shop, model, home, monkeypatch):
    monkeypatch.setattr(loop, "_IN_FLIGHT_SECONDS", 600.0 if leaves else 0.05)
    begun, end = threading.Event(), threading.Event()

    def hang(text, number):
        begun.set()
        end.wait(timeout=60)

    model.before = hang
    journal = Journal(home)
    (candidate,) = grid("ask {{q}}", ["small"], {"max_tokens": 100})
    catalogue = Catalogue.read(shop)
    job = Job.of(candidate, questions[0], 0)
    running = loop.Loop(
        LocalBackend(),
        shop,
        journal,
        judging=Judging((), journal, experiment_id="x"),
        catalogue=catalogue,
        budget_usd=1.0,
        experiment_id="x",
        tally=Tally(done=0),
        done={},
        doubtful={},
    )
    running.start([job], {}, concurrency=1)
    assert begun.wait(timeout=60)
    running.stop("stopped")
    if leaves:
        running.leave()
    assert running.ended.wait(timeout=60)
    end.set()
    journal.close()
    assert running.spent == Call.of(job, experiment_id="x", catalogue=catalogue).worst_usd > 0
