"""The report: one file that reaches for nothing, and each of its numbers computed again from the table in it."""

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from workbench import statistics
from workbench.evidence import Dataset, Score, exact_match, scorer
from workbench.experiments import Candidate, run
from workbench.experiments.results.junit import write_junit
from workbench.statistics.order_statistics import quantile_interval
from workbench.wire.usage import Usage

NASTY = '</script><img src=x onerror=alert(1)>, "quoted"\nand a line'


class Answer:
    def __init__(self, text, number):
        self.text, self.latency_ms, self.cost_usd = text, 100.0 + 37 * (number % 7), 0.001 * (1 + number % 3)
        self.usage = Usage(100 + number, 10 + number % 5)


def answering(right):
    def call(inputs):
        number = inputs["q"]
        if number == 9:
            raise ValueError("no answer <b>today</b>")
        return Answer(str(number) if right(number) else NASTY, number)

    return call


@scorer
def brevity(output, example):
    return Score(None, "no mood") if example.inputs["q"] == 5 else 1 / (1 + len(output.text))


@pytest.fixture(scope="module", params=[None, "shop"])
def trial(request, tmp_path_factory):
    """An experiment with failures, a scorer that fails, repeats, and examples in groups or alone."""
    group = request.param
    rows = [
        {"id": f"e{i}", "inputs": {"q": i}, "expected": str(i), **({"group": f"shop {i % 6}"} if group else {})}
        for i in range(24)
    ]
    candidates = {"plain": lambda n: n % 3 == 0, "better": lambda n: n % 3 > 0, "odd": lambda n: n % 2 == 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        return run(
            "re<b>port",
            [Candidate(name, call=answering(right)) for name, right in candidates.items()],
            Dataset.from_rows(rows, name="numbers"),
            [exact_match(), brevity],
            repeats=2,
            track=False,
            progress=False,
        )


@pytest.fixture(scope="module")
def page(trial, tmp_path_factory):
    return trial.report(tmp_path_factory.mktemp("report") / "report.html").read_text("utf-8")


def figures(page):
    """Every number in the report that says what it is."""
    for told in re.findall(r"<span ([^>]*)>", page):
        about = dict(re.findall(r'data-(\w+)="([^"]*)"', told))
        if "value" in about:
            yield about


def exported(page):
    content = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', page)[1]
    return pd.read_csv(io.BytesIO(base64.b64decode(content)))


def recomputed(cells, groups, of, is_, who, base=None):
    """Find a number of the report again: what it is of, what it is, whose, against whom. Ten lines."""
    own, bounds = cells[cells.candidate == who], (0.0, 1.0) if of.startswith("score.") else None
    if of == "error" or is_ == "sum":
        return own[of].sum() if is_ == "sum" else own.error.isna().eq(is_ == "answered").sum()
    if of == "latency_ms" and is_[:3] in ("p50", "p95"):
        return percentile(own[of].dropna(), int(is_[1:3]) / 100, is_[4:])
    means = cells.groupby(["candidate", "example_id"], sort=False)[of].mean().unstack("candidate", sort=False)
    if is_ in ("ours", "theirs"):
        return means[[who, base]].dropna().mean().loc[who if is_ == "ours" else base]
    found = (statistics.paired_difference, means[who], means[base]) if base else (statistics.mean_interval, means[who])
    return getattr(found[0](*found[1:], bounds=bounds, clusters=groups), is_)


def percentile(values, share, end):
    return getattr(quantile_interval(list(values), share), end) if end else np.quantile(values, share)


def test_each_number_is_computed_again_from_the_exported_cells(page):
    cells, seen, p_values = exported(page), set(), {}
    groups = cells.groupby("example_id", sort=False).group.first() if "group" in cells else None
    for figure in figures(page):
        of, is_, who, base = (figure.get(key) for key in ("of", "is", "candidate", "baseline"))
        found = recomputed(cells, groups, of, is_, who, base)
        if base is None and of in ("latency_ms", "cost_usd"):
            found = max(found, 0)  # neither time nor money is below nothing
        if is_ == "p_value":
            p_values.setdefault(of, []).append((found, float(figure["value"])))
        else:
            assert found == pytest.approx(float(figure["value"]), rel=1e-12), figure
        seen.add((of, is_))
    for pairs in p_values.values():  # over the candidates of one metric
        assert statistics.holm([found for found, _ in pairs]) == pytest.approx([told for _, told in pairs])
    assert {("score.exact_match", "low"), ("score.brevity", "n"), ("latency_ms", "p95"), ("cost_usd", "sum")} <= seen
    assert {("error", "failed"), ("score.brevity", "excluded"), ("cost_usd", "ours")} <= seen


def test_every_mean_stands_with_interval_n_and_unit(trial, page):
    means = [figure for figure in figures(page) if figure["is"] == "mean" and "baseline" not in figure]
    assert len(means) == 3 * (2 + 2)
    for figure in means:
        at = page.index(f'data-is="mean" data-of="{figure["of"]}" data-candidate="{figure["candidate"]}"')
        place = re.sub(r"<[^>]+>", "", page[page.index(">", at) + 1 : page.index("</td>", at)])
        unit = "examples in 6 groups" if "group" in trial.cells else "examples"
        assert re.fullmatch(rf"\S+(?: s)? \[\S+(?: s)?, \S+(?: s)?\] n=\d+ {unit}", place), place


def test_the_file_reaches_for_nothing_and_escapes_what_models_wrote(page):
    assert "default-src 'none'" in page
    assert not re.search(r"<(script|link|iframe|object)\b", page)
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "<img src=x" not in page
    assert "no answer <b>" not in page
    assert "<title>re&lt;b&gt;port</title>" in page
    assert NASTY in set(exported(page)["output"])


def test_files_make_their_folder_and_are_there_whole(trial, tmp_path):
    folder = tmp_path / "out" / "today"
    assert trial.report(folder / "report.html").read_text("utf-8").endswith("</html>\n")
    write_junit(trial, None, folder / "junit.xml")
    assert ElementTree.parse(folder / "junit.xml").getroot().get("name") == trial.name
    assert sorted(path.name for path in folder.iterdir()) == ["junit.xml", "report.html"]


def test_the_report_tells_data_prompts_parameters_and_environment(home, tmp_path):
    prompt = Candidate("terse", prompt="Say {{q}} & no more", model="small", parameters={"temperature": 0.25})

    class Client:
        def chat(self, messages, *, model, **options):
            return Answer(messages[-1]["content"], 1)

    result = run("told", [prompt], [{"inputs": {"q": "x"}}], gateway=Client(), track=False, progress=False)
    page = result.report(tmp_path / "r.html").read_text()
    for word in ("Say {{q}} &amp; no more", "&quot;temperature&quot;: 0.25", result.dataset_hash, "python", "small"):
        assert word in page
    assert prompt.prompt_hash in page
    assert "numpy" in page
