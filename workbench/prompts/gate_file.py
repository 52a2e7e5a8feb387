"""A gate in a TOML file, so that it stands under version control before anybody has seen a result.

preregistered = true        # it must be registered before the run begins
min_examples = 100          # of every rule, as are confidence and max_missing
[[rules]]
metric = "exact"
rule = "not_worse"
margin = 0.02
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import InvalidInput, Problem
from workbench.prompts.gate import MEASURED, Gate
from workbench.prompts.gates import Gates

_NUMBERS = ("confidence", "margin", "threshold", "max_missing", "quantile")
_TEXTS = ("metric", "rule")
_OF_A_RULE = (*_TEXTS, *_NUMBERS, "min_examples", "bounds")
_OF_ALL = ("confidence", "min_examples", "max_missing")
"""What may stand above the rules, for each that does not say otherwise."""
_TOP = ("prompt", "preregistered", *_OF_ALL, "rules")


def read_gates(path: Path | str) -> Gates:
    """Return the gate of a file; raises InvalidInput that lists everything that is wrong in it."""
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} can't be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is not TOML: {error}.") from error
    gates, problems = _read(tables, place=path.name)
    if gates is None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InvalidInput(
            "\n".join([f"{path} is no gate, {count}:", *(f"  {problem}" for problem in problems)]),
            hint=f"A rule has: {', '.join(_OF_A_RULE)}.",
        )
    return gates


def _read(tables: Mapping[str, Any], *, place: str) -> tuple[Gates | None, list[Problem]]:
    problems = _of_table(tables, known=_TOP, place=place)
    if not isinstance(tables.get("preregistered", False), bool):
        problems.append(_wrong(f"{place}: preregistered", tables["preregistered"], "expected true or false"))
    if not isinstance(tables.get("prompt", ""), str):
        problems.append(_wrong(f"{place}: prompt", tables["prompt"], "expected the name of a prompt"))
    listed = tables.get("rules", [])
    if not isinstance(listed, list) or not listed or not all(isinstance(each, dict) for each in listed):
        problems.append(Problem(f"{place}: rules", "no rules", "expected one or more tables [[rules]]"))
        listed = []
    shared = {name: tables[name] for name in _OF_ALL if name in tables and not problems}
    rules: list[Gate] = []
    for number, table in enumerate(listed, 1):
        at = f"{place}: rules {number}"
        found = _of_table(table, known=_OF_A_RULE, place=at)
        if not found:
            try:
                rules.append(_rule({**shared, **table}))
            except InvalidInput as error:
                found = [Problem(at, error.message, "see what a rule has, below")]
        problems += found
    if problems:
        return None, problems
    try:
        return Gates(tuple(rules), tables.get("preregistered", False), tables.get("prompt")), []
    except InvalidInput as error:
        return None, [Problem(place, str(error), "expected rules that differ")]


def _rule(table: Mapping[str, Any]) -> Gate:
    given: dict[str, Any] = dict(table)
    if given.get("rule") == "win_rate":
        given.setdefault("metric", "votes")
    if "metric" not in given:
        raise InvalidInput("A rule needs a metric.", hint="Name a scorer of the experiment.", param="metric")
    if given.get("rule") == "at_least" and given["metric"] in MEASURED:
        raise InvalidInput(
            f"Of {given['metric']} less is better: rule = 'at_most' holds it to a threshold.", param="rule"
        )
    if "bounds" in given:
        given["bounds"] = tuple(map(float, given["bounds"])) or None
    given |= {name: float(given[name]) for name in _NUMBERS if name in given}
    return Gate(**given)


def _of_table(table: Mapping[str, Any], *, known: tuple[str, ...], place: str) -> list[Problem]:
    """Return what is wrong with the names and the kinds of a table's values."""
    problems = [
        Problem(f"{place}: {name}", "an unknown key", f"expected one of {', '.join(known)}")
        for name in table
        if name not in known
    ]
    for name, value in table.items():
        where = f"{place}: {name}"
        if name in _NUMBERS and not _is_number(value):
            problems.append(_wrong(where, value, "expected a number"))
        elif name == "min_examples" and (not isinstance(value, int) or isinstance(value, bool)):
            problems.append(_wrong(where, value, "expected a whole number"))
        elif name in _TEXTS and not isinstance(value, str):
            problems.append(_wrong(where, value, "expected a text"))
        elif name == "bounds" and not _are_bounds(value):
            problems.append(_wrong(where, value, "expected [least, greatest], or [] for a score without bounds"))
    return problems


def _are_bounds(value: Any) -> bool:
    if not isinstance(value, list) or len(value) not in (0, 2) or not all(map(_is_number, value)):
        return False
    return not value or value[0] < value[1]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong(where: str, found: Any, expected: str) -> Problem:
    return Problem(where, repr(found)[:60], expected)
