"""An experiment in a file: what it may say, and that everything wrong in it is told at once."""

from pathlib import Path

import pytest

from workbench import prompts
from workbench.errors import SettingsError
from workbench.experiments.runs.definition import read_definition, scorer_kinds

EXAMPLE = Path(__file__).parents[3] / "notebooks" / "data" / "labels" / "exp.toml"
ROWS = "id,q,expected,shop\na,1,1,x\nb,2,2,y\n"
GATE = 'min_examples = 2\n[[rules]]\nmetric = "exact_match"\n'
WHOLE = """
name = "numbers"
baseline = "ask big"
repeats = 2
budget_usd = 1
[dataset]
file = "rows.csv"
inputs = ["q"]
group = "shop"
[[candidates]]
file = "ask.txt"
models = ["small", "big"]
[[candidates]]
name = "warm"
file = "ask.txt"
model = "small"
parameters = { max_tokens = 5 }
grid = { temperature = [0, 0.5], seed = [1, 2] }
[[scorers]]
kind = "exact_match"
[[scorers]]
kind = "contains"
ignore_case = true
[gate]
file = "gate.toml"
candidate = "ask small"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "ask.txt").write_text("say {{q}}")
    (tmp_path / "gate.toml").write_text(GATE)
    return tmp_path


def read(folder, text):
    path = folder / "exp.toml"
    path.write_text(text)
    return read_definition(path)


def problems(folder, text):
    with pytest.raises(SettingsError) as raised:
        read(folder, text)
    return [str(problem) for problem in raised.value.problems]


def test_a_file_says_what_is_compared_on_what_and_how_it_is_judged(folder):
    found = read(folder, WHOLE)
    assert (found.name, found.repeats, found.budget_usd, found.gated) == ("numbers", 2, 1, "ask small")
    assert [each.name for each in found.candidates] == [
        "ask big",
        "ask small",
        *(f"warm temperature={t} seed={s}" for t in (0, 0.5) for s in (1, 2)),
    ]
    assert found.baseline == "ask big", "the baseline stands first, as results compare with the first"
    assert found.candidates[-1].arguments == {"model": "small", "max_tokens": 5, "temperature": 0.5, "seed": 2}
    assert [(each.id, each.inputs, each.group) for each in found.dataset] == [
        ("a", {"q": "1"}, "x"),
        ("b", {"q": "2"}, "y"),
    ]
    assert [each.name for each in found.scorers] == ["exact_match", "contains"]
    assert len(found.gates.rules) == 1


def test_everything_that_is_wrong_is_told_at_once_with_file_and_key(folder):
    wrong = (
        WHOLE.replace("rows.csv", "lost.csv")
        .replace('kind = "exact_match"', 'kind = "exact"')
        .replace("ignore_case", "ignore")
        .replace('baseline = "ask big"', 'baseline = "huge"')
        .replace('"gate.toml"', '"nogate.toml"')
        .replace('candidate = "ask small"', 'candidate = "nobody"')
    )
    told = problems(folder, wrong)
    for start in (
        "exp.toml: dataset.file: 'lost.csv': ",
        "exp.toml: scorers[0].kind: 'exact'; expected one of ",
        "exp.toml: scorers[1].ignore: no option of contains; expected one of ",
        "exp.toml: baseline: 'huge'; expected one of ask small, ask big",
        "exp.toml: gate.file: 'nogate.toml': ",
        "exp.toml: gate.candidate: 'nobody'; expected one of ",
    ):
        assert any(each.startswith(start) for each in told), (start, told)
    assert len(told) == 6


@pytest.mark.parametrize(("old", "new", "told"), [
    ("repeats = 2", "repeats = 0", "exp.toml: repeats: found 0; expected"),
    ("repeats = 2", "repeat = 2", "exp.toml: repeat: unknown key; did you mean 'repeats'?"),
    ('models = ["small", "big"]', "", "exp.toml: candidates[0]: 'ask': The candidate 'ask' names no model"),
    ('models = ["small", "big"]', 'models = ["big", "big"]', "exp.toml: candidates: 'ask big' stands twice"),
    ('file = "ask.txt"\nmodels', 'file = "ask.txt"\nprompt = "ask"\nmodels', "expected one of prompt and file"),
    ("grid = {", "grid = { max_tokens = [1],", "'max_tokens' in parameters or in grid, not in both"),
    ('candidate = "ask small"', "", "exp.toml: gate.candidate: missing, and there are several"),
    ('inputs = ["q"]', 'inputs = ["z"]', "exp.toml: dataset.file: 'rows.csv': "),
    ("name = ", "name = = ", "not TOML"),
])  # fmt: skip
def test_a_wrong_key_is_told_with_what_was_found_and_what_is_right(folder, old, new, told):
    assert any(told in each for each in problems(folder, WHOLE.replace(old, new, 1)))


@pytest.mark.parametrize(("gate", "told"), [
    (GATE.replace("exact_match", "exact"), "no scorer gives 'exact'; expected one of exact_match, contains"),
    (GATE.replace("= 2", "= 3"), "exact_match asks for 3 examples, the dataset has 2; expected a smaller min_examples"),
    (GATE + '[[rules]]\nrule = "win_rate"\n', "win_rate counts people's votes, and there are none yet; expected"),
    ("preregistered = true\n" + GATE, "preregistered = true, which only a request can show; expected rules on scores"),
])  # fmt: skip
def test_a_gate_that_no_run_can_pass_is_told_before_a_call_is_paid(folder, gate, told):
    (folder / "gate.toml").write_text(gate)
    [found] = problems(folder, WHOLE)
    assert found.startswith(f"exp.toml: gate.file: {told}")


def test_a_gate_on_a_judge_nobody_measured_or_a_quantile_of_groups_is_told(folder):
    (folder / "rows.csv").write_text(ROWS.replace("2,2,y", "2,2,x"))
    rule = 'min_examples = 2\n[[rules]]\nmetric = "{}"\nrule = "at_most"\nthreshold = 1\n'
    (folder / "gate.toml").write_text(rule.format("tone") + rule.format("latency_ms")[17:] + "quantile = 0.9\n")
    judge = '[[scorers]]\nkind = "judge"\nrubric = "Is it kind?"\nmodel = "big"\nname = "tone"\n[gate]'
    judged, grouped = problems(folder, WHOLE.replace("[gate]", judge))
    assert "'tone' is a judge whose agreement with people was not measured" in judged
    assert "a quantile of latency_ms, of examples that share groups" in grouped


def test_a_gate_for_another_candidate_or_prompt_is_told(folder, monkeypatch):
    assert "'ask big' is what the gate's rules compare with; expected another" in str(
        problems(folder, WHOLE.replace('candidate = "ask small"', 'candidate = "ask big"'))
    )
    registered = prompts.Prompt("support.ask", "say {{q}}", version=3)
    monkeypatch.setattr(prompts, "load", lambda *_, **__: registered)
    text = WHOLE.replace('file = "ask.txt"\nmodels', 'prompt = "support.ask@3"\nname = "ask"\nmodels')
    (folder / "gate.toml").write_text('prompt = "support.ask"\n' + GATE)
    assert read(folder, text).gates.prompt == "support.ask"
    (folder / "gate.toml").write_text('prompt = "support.label"\n' + GATE)
    assert "the gate is for 'support.label', and 'ask small' is 'support.ask'" in str(problems(folder, text))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SettingsError, match=r"gone\.toml: can't be read"):
        read_definition(tmp_path / "gone.toml")


def test_every_scorer_that_needs_no_code_has_a_name():
    assert {"exact_match", "contains", "regex_match", "numeric_match", "json_fields_f1", "rouge"} <= set(scorer_kinds())
    assert "scorer" not in scorer_kinds()


def test_the_example_that_ships_is_right():
    found = read_definition(EXAMPLE)
    assert (found.baseline, found.gated, len(found.dataset)) == ("plain", "choice", 12)
