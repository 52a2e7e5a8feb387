"""Optimising a prompt: a gain that is there is found and proven, one that is not is never proposed."""

import hashlib
import subprocess
import threading
from dataclasses import dataclass, field, replace

import pandas as pd
import psutil
import pytest

from workbench.client import ChatResult
from workbench.errors import InvalidInput, ProviderUnavailable
from workbench.evidence import Dataset, Example, exact_match, scorer
from workbench.experiments import optimise
from workbench.experiments.optimise.seal import confidence_of, open_seal
from workbench.experiments.optimise.search_process import ENVIRONMENT, PYTHON
from workbench.experiments.optimise.texts import fault
from workbench.prompts import Prompt

TASK = Prompt("task", "Say the colour of {{thing}}.", parameters={"model": "planted"})
DATA = Dataset(tuple(Example(f"e{n}", {"thing": f"thing {n * 7919 % 1009}"}, "red") for n in range(60)), "things")


@dataclass
class PlantedModel:
    """Answers `red` as `knows` says; asked to reflect, it writes better words as `writes` says."""

    knows: object
    writes: object = None
    cost_usd: float | None = 0.001
    asked: list = field(default_factory=list)
    before: object = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    prices: dict = field(default_factory=lambda: dict.fromkeys(("planted", "m"), 0.001))
    """What a call of each model takes."""

    def models(self):
        rows = [(model, 0 * call, 0 * call, call) for model, call in self.prices.items()]
        return pd.DataFrame(rows, columns=["model", "price.input", "price.output", "price.call"])

    def chat(self, messages, *, model, tags=None, **parameters):
        text = messages[-1]["content"]
        with self.lock:
            self.asked.append(text)
            number = len(self.asked)
        if self.before is not None:
            self.before(number)
        reflecting = "You improve the instructions" in text
        answer = self.writes(text, number) if reflecting else "red" if self.knows(text) else "blue"
        return ChatResult(
            text=answer, images=[], usage=None, cost_usd=self.cost_usd, latency_ms=1.0,
            request_id=f"req-{number}", model=model, finish_reason="stop",
        )  # fmt: skip


def coin(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] < 128


def better(text: str, number: int) -> str:
    return f"```\nSay the colour of {{{{thing}}}}. Look closely, {number} times.\n```"


def planted(**options) -> PlantedModel:
    return PlantedModel(lambda text: "Look closely" in text or coin(text), better, **options)


def found(gateway, **options):
    wanted = {"budget_usd": 1.0, "max_calls": 160, "progress": False, "track": False, "gateway": gateway}
    return optimise(TASK, DATA, [exact_match()], **(wanted | options))


@pytest.fixture(autouse=True)
def _home(home):
    """The journal of each test lies in a home of its own."""


def test_a_gain_that_is_there_is_found_and_proven_on_the_sealed_part():
    result = found(planted())
    assert result.proposed
    assert "Look closely" in str(result.prompt)
    assert result.difference.low > 0
    assert (result.difference.n, result.look) == (21, 1)
    assert result.steps[0].prompt.hash == TASK.hash
    assert result.stopped == "perfect"
    assert "a better prompt is proposed" in str(result)
    assert "Look closely" in result._repr_html_()
    assert list(result.frame.columns) == ["score", "calls", "spent_usd", "hash", "text"]


def test_where_every_prompt_is_as_good_none_is_proposed():
    # Every new wording is a new throw of the coin: the best of many looks good on the part that chose it.
    # tests/benchmarks/optimiser.py does it twenty times.
    result = found(PlantedModel(coin, better), seed=2, max_calls=120)
    assert not result.proposed
    assert result.prompt is TASK
    assert max(step.score for step in result.steps) > result.steps[0].score


def test_the_holdout_is_asked_only_when_there_is_something_to_test():
    model = PlantedModel(coin, lambda text, number: "```\nSay the colour of {{thing}}.\n```")
    result = found(model, max_calls=60)
    assert (result.look, result.difference, result.holdout) == (0, None, None)
    assert "stays sealed" in str(result)
    holdout = {
        f"Say the colour of {e.inputs['thing']}."
        for e in DATA.split(train=0.35, validation=0.3, holdout=0.35)["holdout"]
    }
    assert not holdout & set(model.asked)


def test_the_same_again_asks_nothing_and_finds_the_same():
    first_model, second_model = planted(), planted()
    first, second = found(first_model), found(second_model)
    assert second_model.asked == []
    assert (second.prompt.hash, second.spent_usd, second.calls, second.look) == (
        first.prompt.hash, pytest.approx(first.spent_usd), first.calls, 1,
    )  # fmt: skip


def test_an_interrupted_search_goes_on_and_pays_for_nothing_twice():
    def interrupt(number):
        if number == 40:
            raise KeyboardInterrupt

    interrupted, rest = planted(before=interrupt), planted()
    with pytest.raises(KeyboardInterrupt):
        found(interrupted, concurrency=1)
    assert found(rest, concurrency=1).proposed
    assert not set(interrupted.asked[:39]) & set(rest.asked)


def test_neither_budget_nor_calls_are_passed():
    result = found(PlantedModel(coin, better), budget_usd=0.12)
    assert result.stopped == "budget"
    assert result.spent_usd <= 0.12
    fewer = found(PlantedModel(coin, better), max_calls=40)
    assert fewer.stopped == "calls"
    assert fewer.calls <= 40 + 2 * 21


def test_a_budget_that_cannot_show_anything_is_refused_early():
    model = planted()
    with pytest.raises(InvalidInput, match="does not last for one comparison"):
        found(model, budget_usd=0.02)
    assert len(model.asked) == 2


def test_what_can_not_be_searched_is_refused_before_anything_is_asked():
    model = planted()
    unbounded = scorer(lambda output, example: 1.0, name="length", bounds=None)
    for wanted, words in (
        (lambda: optimise(TASK, DATA[:20], [exact_match()], budget_usd=1, gateway=model), "for the holdout; 10"),
        (lambda: optimise(TASK, DATA, [], budget_usd=1, gateway=model), "Without a scorer"),
        (lambda: optimise(TASK, DATA, [unbounded], budget_usd=1, gateway=model), "has no bounds"),
        (
            lambda: optimise(Prompt("p", "{{other}}", parameters={"model": "m"}), DATA, [exact_match()], budget_usd=1),
            "has no 'other'",
        ),
    ):
        with pytest.raises(InvalidInput, match=words):
            wanted()
    assert model.asked == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_calls": 1}, "max_calls=1 does not last for the prompt itself"),
        ({"max_calls": 15}, "then the 18 of the validation part"),
        ({"longest": 10}, r"task \(draft\) can't be the first candidate: The instructions are 28 characters long"),
        ({"model": "unpriced"}, "nobody knows the price of 'unpriced'"),
        ({"reflection_model": "unpriced"}, "nobody knows the price of 'unpriced'"),
    ],
)
def test_limits_that_leave_no_room_are_told_before_much_is_asked(options, words):
    model = planted(prices={"planted": 0.001, "unpriced": float("nan")})
    with pytest.raises(InvalidInput, match=words):
        found(model, **options)
    assert len(model.asked) <= 2


def test_a_budget_binds_where_answers_tell_no_cost():
    model = planted(cost_usd=None)
    assert found(model, budget_usd=0.12).spent_usd == pytest.approx(0.001 * len(model.asked))
    with pytest.raises(InvalidInput, match="does not last for one comparison"):
        found(planted(cost_usd=None), budget_usd=0.02, model="m")


def test_without_a_budget_no_price_need_be_known():
    assert found(planted(cost_usd=None, prices={"planted": float("nan")}), budget_usd=None).proposed


def test_what_the_test_needs_is_held_back_by_the_most_that_a_call_can_cost():
    def mostly(text):
        return coin(text) or ("Look closely" in text and coin(text[::-1]))

    result = found(PlantedModel(mostly, better, prices={"planted": 0.05}), budget_usd=0.2, max_calls=400)
    assert result.stopped == "budget"
    assert result.difference.n == 21
    assert result.spent_usd <= 0.2


def test_no_money_for_the_test_is_told_and_loses_nothing():
    model = planted()

    def surprise(number):
        model.cost_usd = 10.0 if number == 40 else 0.001

    model.before = surprise
    with pytest.warns(UserWarning, match="of budget_usd"):
        result = found(model, concurrency=1)
    assert (result.stopped, result.proposed, result.difference) == ("budget", False, None)
    assert "Look closely" in str(result.best)
    assert "does not cover the test" in str(result)
    assert found(model, budget_usd=20.0).proposed


def failing(words):
    """A model that fails on prompts with these words."""

    class Failing(PlantedModel):
        def chat(self, messages, **options):
            text = messages[-1]["content"]
            if words in text and "You improve" not in text:
                raise InvalidInput("The provider refuses these words.")
            return super().chat(messages, **options)

    return Failing


def test_a_candidate_whose_calls_fail_is_told_to_the_search_and_ends_nothing():
    seen = []

    def writes(text, number):
        seen.append(text)
        return better(text, number).replace("Look closely", "Break" if len(seen) == 1 else "Look closely")

    model = failing("Break")(planted().knows, writes)
    assert found(model).proposed
    assert len(seen) > 1


def test_a_prompt_whose_own_calls_fail_is_told():
    with pytest.raises(InvalidInput, match="The provider refuses these words"):
        found(failing("colour")(coin, better))


def test_failed_calls_are_no_wrong_answers():
    validation = DATA.split(train=0.35, validation=0.3, holdout=0.35)["validation"]
    things = [f"{example.inputs['thing']}." for example in validation]

    class Moody(PlantedModel):
        def chat(self, messages, **options):
            text = messages[-1]["content"]
            if text.endswith(tuple(things[-self.failures :])):
                raise ProviderUnavailable("Overloaded.")
            return super().chat(messages, **options)

    model = Moody(lambda text: True, better)
    model.failures = 5
    result = found(model, max_calls=40)
    assert (result.steps[0].score, result.stopped) == (1.0, "calls")
    model.failures = 12
    with pytest.raises(InvalidInput, match=r"a score on 6 of the 18 examples .* Overloaded"):
        found(model, max_calls=40, model="m")


def test_examples_of_one_group_are_one_cluster_in_the_proof():
    grouped = Dataset(tuple(replace(each, group=f"g{n // 3}") for n, each in enumerate(DATA)), "grouped")
    result = optimise(
        TASK, grouped, [exact_match()], budget_usd=1.0, max_calls=160, progress=False, track=False, gateway=planted()
    )
    compared = result.holdout.compare(metric="exact_match").loc["optimised"]
    assert (result.difference.unit, result.difference.clusters) == ("group", compared["units"])
    assert result.difference.p_value == pytest.approx(compared["p_value"])


def test_new_words_keep_the_placeholders_and_stay_short():
    assert fault(TASK, {"text": "Colour of {{thing}}?"}, longest=100) is None
    assert "{{thing}} is missing" in fault(TASK, {"text": "Which colour?"}, longest=100)
    assert "no placeholder {{place}}" in fault(TASK, {"text": "{{thing}} in {{place}}"}, longest=100)
    assert "at most 10" in fault(TASK, {"text": "Colour of {{thing}}?"}, longest=10)
    assert fault(TASK, {"text": "  "}, longest=100) is not None


def test_the_search_runs_in_a_process_that_holds_no_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user")
    seen = []

    def look(number):
        if number == 3:  # the first two are asked before there is a search
            seen.extend(
                child.environ() for child in psutil.Process().children() if "searcher.py" in str(child.cmdline())
            )

    found(planted(before=look), max_calls=30)
    assert seen
    assert all(set(environ) == {"PYTHONHASHSEED"} for environ in seen)


def test_the_search_hashes_by_a_fixed_seed_and_sees_no_folder_of_the_user(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('seen')")
    told = "import sys; print(sys.flags.hash_randomization, sys.flags.no_user_site, sys.flags.safe_path)"
    said = subprocess.check_output([*PYTHON, "-c", told], env=ENVIRONMENT, cwd=tmp_path, text=True)
    assert said.split() == ["0", "1", "True"]


def test_each_further_look_at_a_holdout_needs_more(tmp_path):
    assert [open_seal(tmp_path, holdout="h", candidate=c) for c in ("a", "b", "a", "c")] == [1, 2, 1, 3]
    assert open_seal(tmp_path, holdout="other", candidate="a") == 1
    errors = [1 - confidence_of(look, 0.95) for look in range(1, 20_000)]
    assert errors == sorted(errors, reverse=True)
    assert sum(errors) == pytest.approx(0.05, abs=1e-5)
