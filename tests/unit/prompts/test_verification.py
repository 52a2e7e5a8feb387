"""A prompt that is live and gone from MLflow, and an anchor that can't be written."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench import prompts
from workbench.client import PublishedPrompt
from workbench.errors import InvalidInput, NotFound
from workbench.wire.record_chain import GENESIS, record_hash


class Gateway:
    """One prompt is live."""

    def __init__(self) -> None:
        record = {"seq": 1, "prev_hash": GENESIS, "name": "p"}
        records = [{**record, "record_hash": record_hash(record)}]
        self.promotion = SimpleNamespace(verify=lambda: {"whole": True}, record=lambda: records)

    def live_prompts(self) -> list[dict[str, Any]]:
        return [{"name": "p", "alias": "production"}]

    def published(self, name: str, alias: str) -> PublishedPrompt:
        return PublishedPrompt(name, alias, 3, "text", {}, None, "0" * 64, None, None)


class Emptied:
    """MLflow, from which somebody deleted the prompt."""

    def reach(self) -> None:
        pass

    def get_prompt(self, name: str, version: int) -> Any:
        raise NotFound(f"No prompt {name} v{version}.")

    def aliases(self, name: str) -> Any:
        raise NotFound(f"No prompt {name}.")

    def set_alias(self, name: str, alias: str, version: int) -> None:
        raise NotFound(f"No prompt {name}.")


ASKED: Any = {"gateway": Gateway(), "tracker": Emptied()}


def test_a_prompt_that_is_gone_from_mlflow_is_told() -> None:
    gone, alias = prompts.verify(**ASKED).problems
    assert gone.startswith("MLflow does not hold p v3, which is live")
    assert alias.startswith("MLflow's alias p@production points to nothing; v3 is live")


def test_an_alias_of_a_prompt_that_is_gone_is_told_as_what_can_not_be_mended() -> None:
    found = prompts.sync("p", **ASKED)
    assert (found.moved, found.moved_from) == (False, None)
    assert found.problem is not None
    assert found.problem.startswith("MLflow does not hold p v3")


def test_an_anchor_that_can_not_be_written_is_told_with_its_place(tmp_path: Path) -> None:
    anchor = tmp_path / "nowhere" / "anchor.json"
    with pytest.raises(InvalidInput, match=rf"the anchor {anchor} can't be written"):
        prompts.verify(anchor=anchor, **ASKED)
