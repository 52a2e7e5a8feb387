"""A result as JUnit XML, which continuous integration shows: red is what the gate refused, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from workbench.prompts.gate import Decision
from workbench.wire.whole_file import write_whole

if TYPE_CHECKING:
    from workbench.experiments.results.experiment import Experiment

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 takes in no form (section 2.2)."""


def write_junit(experiment: Experiment, decision: Decision | None, path: Path) -> None:
    """Write a suite for the gate, a case a rule, and one for each candidate, a case an example; make the file's folder.

    A call that failed is a skipped case: no answer is no wrong answer, and whether too many are missing is the gate's
    to say.
    """
    root = Element("testsuites", name=_clean(experiment.name))
    if decision is not None:
        _suite(root, "gate", [(name, None, "", refused) for name, refused in _rules(decision)])
    cells = experiment.cells
    for name, row in experiment.table().iterrows():
        own = cells[cells["candidate"] == name].to_dict("records")
        cases = [(_label(cell), cell["latency_ms"], cell["error"] or "", "") for cell in own]
        suite = _suite(root, str(name), cases)
        told = SubElement(suite, "properties")
        suite.remove(told)
        suite.insert(0, told)  # the schema wants them first
        for key, value in {"experiment_id": experiment.experiment_id, **row.to_dict()}.items():
            SubElement(told, "property", name=_clean(str(key)), value=_clean(str(value)))
    indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = tostring(root, encoding="utf-8", xml_declaration=True)
    write_whole(path, raw, draft=path.with_name(f".{path.name}.draft"))


def _rules(decision: Decision) -> list[tuple[str, str]]:
    """Return each rule, with why it refused; empty where it passed."""
    rules: list[Mapping[str, Any]] = decision.figures.get("rules", [])
    if not rules:
        return [("gate", "" if decision.passed else decision.reason)]
    return [(f"{rule['rule']} {rule['metric']}", "" if rule["passed"] else str(rule["reason"])) for rule in rules]


def _suite(root: Element, name: str, cases: list[tuple[str, float | None, str, str]]) -> Element:
    """Add a suite of cases: label, milliseconds, why it was skipped, why it failed."""
    suite = SubElement(root, "testsuite", name=_clean(name), tests=str(len(cases)), errors="0")
    suite.set("failures", str(sum(bool(refused) for _, _, _, refused in cases)))
    suite.set("skipped", str(sum(bool(lost) for _, _, lost, _ in cases)))
    for label, took, lost, refused in cases:
        case = SubElement(suite, "testcase", classname=_clean(name), name=_clean(label))
        if took is not None and took == took:  # noqa: PLR0124 - NaN is not equal to itself
            case.set("time", f"{took / 1000:.3f}")
        if lost:
            SubElement(case, "skipped", message=_clean(f"no answer: {lost}"))
        if refused:
            SubElement(case, "failure", message=_clean(refused))
    return suite


def _label(cell: Mapping[Any, Any]) -> str:
    return f"{cell['example_id']} repeat {cell['repeat'] + 1}" if cell["repeat"] else str(cell["example_id"])


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
