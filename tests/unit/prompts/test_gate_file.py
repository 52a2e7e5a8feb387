"""A gate of several rules, and the file it stands in."""

from pathlib import Path

import pandas as pd
import pytest

from workbench.errors import InvalidInput
from workbench.prompts.ballots import Ballot, Ballots
from workbench.prompts.gate import Gate
from workbench.prompts.gate_file import read_gates
from workbench.prompts.gates import Gates
from workbench.statistics import mean_interval

WHOLE = """
# what support.summary must show
prompt = "support.summary"
preregistered = true
min_examples = 12

[[rules]]
metric = "exact"

[[rules]]
metric = "grounded"
rule = "not_worse"
margin = 0.1
confidence = 0.9

[[rules]]
metric = "cost_usd"
rule = "at_most"
threshold = 1

[[rules]]
metric = "latency_ms"
rule = "at_most"
threshold = 900
quantile = 0.5

[[rules]]
rule = "win_rate"
min_examples = 20
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gate.toml"
    path.write_text(text, "utf-8")
    return path


def table(better: int, worse: int = 0, same: int = 20, **columns: list[object]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables of cells: the candidate is right where the baseline is wrong in `better` examples, and so on."""
    ours = [1.0] * better + [0.0] * worse + [1.0] * same
    theirs = [0.0] * better + [1.0] * worse + [1.0] * same
    rest = {"example_id": [f"e{n}" for n in range(len(ours))], "cost_usd": 0.5, "latency_ms": 500.0, **columns}
    first, second = ({**rest, "score.exact": scores, "score.grounded": scores} for scores in (ours, theirs))
    return pd.DataFrame(first), pd.DataFrame(second)


def ballots(wins: int, losses: int, raters: int = 1) -> Ballots:
    words = [1.0] * wins + [0.0] * losses
    return Ballots(Ballot(f"rater{n % raters}", word) for n, word in enumerate(words))


def test_a_file_is_read_whole_and_its_rules_must_all_hold(tmp_path: Path):
    gates = read_gates(written(tmp_path, WHOLE))
    assert (gates.prompt, gates.preregistered, gates.needs_baseline, gates.needs_votes) == (
        "support.summary", True, True, True
    )  # fmt: skip
    assert [rule.min_examples for rule in gates.rules] == [12, 12, 12, 12, 20]
    decision = gates.decide(*table(12), votes=ballots(18, 2))
    assert decision.passed, decision
    told = decision.figures["rules"]
    assert [each["rule"] for each in told] == ["superior", "not_worse", "at_most", "at_most", "win_rate"]
    assert decision.figures["gates_hash"] == gates.hash
    assert not gates.decide(*table(0, 12), votes=ballots(18, 2)).passed


def test_the_hash_is_that_of_what_is_demanded_not_of_how_it_is_written(tmp_path: Path):
    gates = read_gates(written(tmp_path, WHOLE))
    reworded = WHOLE.replace("# what", "# all that").replace("threshold = 1\n", "threshold = 1.0\n")
    assert read_gates(written(tmp_path, reworded)).hash == gates.hash
    for changed in (("margin = 0.1", "margin = 0.2"), ("= true", "= false"), ("min_examples = 20", "min_examples = 5")):
        assert read_gates(written(tmp_path, WHOLE.replace(*changed))).hash != gates.hash
    assert Gates.from_dict(gates.as_dict()) == gates


def test_a_file_that_is_none_is_told_whole(tmp_path: Path):
    text = """
    marginal = 1
    preregistered = "yes"
    confidence = "high"
    [[rules]]
    metric = 3
    [[rules]]
    metric = "exact"
    rule = "best"
    [[rules]]
    metric = "exact"
    bounds = [1]
    [[rules]]
    rule = "superior"
    """
    with pytest.raises(InvalidInput) as caught:
        read_gates(written(tmp_path, text))
    told = str(caught.value)
    for wrong in (
        "marginal",
        "preregistered",
        "confidence",
        "rules 1: metric",
        "rules 2",
        "rules 3: bounds",
        "rules 4",
    ):
        assert f"gate.toml: {wrong}" in told


@pytest.mark.parametrize(
    "text", ["", "rules = []", "rules = 3", "x = [", "[[rules]]\nmetric='a'\n[[rules]]\nmetric='a'"]
)
def test_a_file_without_rules_is_refused(tmp_path: Path, text: str):
    with pytest.raises(InvalidInput):
        read_gates(written(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(InvalidInput, match="can't be read"):
        read_gates(tmp_path / "none.toml")


def test_several_claims_to_be_better_are_held_to_holms_method():
    gates = Gates((Gate("exact"), Gate("grounded", bounds=(0.0, 2.0))))
    clear = table(7, same=30)  # 7 : 0 has a mid-p of 1/128: enough, be it doubled
    assert gates.decide(*clear).passed
    weak = (clear[0], clear[1].assign(**{"score.exact": [0.0] * 5 + [1.0] * 32}))  # 5 : 0 has 1/32: enough alone
    assert Gate("exact").decide(*weak).passed
    decision = gates.decide(*weak)
    assert [each["p_value_holm"] for each in decision.figures["rules"]] == pytest.approx([1 / 32, 1 / 64])
    both = Gates((Gate("exact"), Gate("exact", confidence=0.96)))
    assert not both.decide(*weak).passed  # twice 1/32 is over both bars
    assert "by Holm over 2 claims" in both.decide(*weak).reason


def test_a_judges_metric_counts_only_where_the_judge_may_gate():
    gates, cells = Gates((Gate("exact"),)), table(12)
    assert gates.decide(*cells, judges={"grounded": None}).passed
    assert gates.decide(*cells, judges={"exact": {"may_gate": True, "agreement": 0.9}}).passed
    for trust, why in ((None, "not measured"), ({"may_gate": False, "agreement": 0.3}, "agrees too little")):
        decision = gates.decide(*cells, judges={"exact": trust})
        assert not decision.passed
        assert why in decision.reason


def test_votes_count_by_their_interval_and_one_raters_votes_are_one_cluster():
    rule = Gate("votes", "win_rate", min_examples=20)
    cells = table(12)
    assert rule.decide(cells[0], votes=ballots(18, 2)).passed
    assert not rule.decide(cells[0], votes=ballots(12, 8)).passed
    assert rule.decide(cells[0]).reason == "too few votes: n = 0, the gate asks for 20"
    one_fan = Ballots([*(Ballot("fan", 1.0) for _ in range(30)), *(Ballot(name, 0.0) for name in ("b", "c", "d", "e"))])
    refused = rule.decide(cells[0], votes=one_fan)
    assert not refused.passed
    assert (refused.figures["raters"], refused.figures["unit"]) == (5, "rater")


def test_a_few_raters_speak_for_themselves_and_their_votes_on_one_example_are_one_cluster():
    twice = Ballots(Ballot(rater, 1.0, f"e{n}") for rater in ("ana", "ben") for n in range(10))
    share = twice.share(confidence=0.95)
    assert (share.n, share.clusters, share.unit) == (20, 10, "example")
    assert share.low < mean_interval([1.0] * 20).low


def test_a_bound_holds_for_the_mean_or_for_a_quantile_and_by_its_interval():
    times = [100.0] * 90 + [4000.0] * 10
    cells = pd.DataFrame({"example_id": [f"e{n}" for n in range(100)], "latency_ms": times})
    assert Gate("latency_ms", "at_most", threshold=800).decide(cells).passed
    assert not Gate("latency_ms", "at_most", threshold=800, quantile=0.95).decide(cells).passed
    assert Gate("latency_ms", "at_most", threshold=800, quantile=0.5).decide(cells).passed
    few = cells.head(12)
    assert not Gate("latency_ms", "at_most", threshold=800, quantile=0.95).decide(few).passed  # 12 can't tell


def test_a_quantile_of_examples_that_share_groups_is_refused():
    ours, _ = table(12, 2, same=0)
    rule = Gate("latency_ms", "at_most", threshold=800, quantile=0.5)
    assert rule.decide(ours.assign(group=[f"g{n}" for n in range(14)])).passed
    with pytest.raises(InvalidInput, match="these 14 stand in 3 groups"):
        rule.decide(ours.assign(group=["one customer"] * 12 + ["a", "b"]))


def test_a_least_latency_is_refused_in_a_file_and_shown_as_what_it_means(tmp_path: Path):
    rule = '[[rules]]\nmetric = "latency_ms"\nrule = "at_least"\nthreshold = 500'
    with pytest.raises(InvalidInput, match="Of latency_ms less is better: rule = 'at_most'"):
        read_gates(written(tmp_path, rule))
    assert "at most 500" in str(Gate("latency_ms", "at_least", threshold=500))


def test_examples_of_one_group_are_one_cluster():
    ours, theirs = table(12, 2, same=0)
    wide = Gate("exact").decide(ours, theirs)
    groups = ["one customer"] * 12 + ["a", "b"]
    clustered = Gate("exact").decide(ours.assign(group=groups), theirs.assign(group=groups))
    assert wide.passed
    assert not clustered.passed


def test_of_a_scorer_whose_less_is_better_the_lower_score_wins():
    ours, theirs = table(12)
    rule = Gate("exact")
    assert rule.decide(ours, theirs).passed
    assert not rule.decide(ours, theirs, less_is_better=["exact"]).passed
    assert Gates((rule,)).decide(theirs, ours, less_is_better=["exact"]).passed
