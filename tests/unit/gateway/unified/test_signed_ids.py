"""Sealed ids: the same for the same owner, nothing to anybody else, and nothing to be read in them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import NotFound
from workbench.gateway.unified.objects.desk import Opening
from workbench.gateway.unified.objects.kinds import BATCH, FILE, Kind, renamed
from workbench.gateway.unified.objects.references import open_references
from workbench.gateway.unified.objects.signed_ids import Place, SignedIds
from workbench.gateway.unified.operations.responses import read_response

IDS = SignedIds(b"secret")
PLACE = Place("acme", "file-abc123")


def test_an_owner_gets_back_what_was_sealed() -> None:
    sealed = IDS.sealed(PLACE, prefix="file-", owner="owner:ana")
    assert sealed == IDS.sealed(PLACE, prefix="file-", owner="owner:ana")
    assert IDS.opened(sealed, prefix="file-", owner="owner:ana") == PLACE


@given(st.text(min_size=1, max_size=40).filter(lambda text: "\n" not in text), st.text(max_size=80))
def test_any_name_and_any_id_can_be_sealed(provider: str, upstream: str) -> None:
    sealed = IDS.sealed(Place(provider, upstream), prefix="x", owner="o")
    assert sealed.isascii()
    assert IDS.opened(sealed, prefix="x", owner="o") == Place(provider, upstream)


def test_it_is_nothing_to_others() -> None:
    sealed = IDS.sealed(PLACE, prefix="file-", owner="owner:ana")
    for ids, prefix, owner in (
        (IDS, "file-", "owner:ben"),
        (IDS, "file-", "use-case:ana"),
        (SignedIds(b"x"), "file-", "owner:ana"),
    ):
        with pytest.raises(NotFound):
            ids.opened(sealed, prefix=prefix, owner=owner)
    with pytest.raises(NotFound):
        IDS.opened(sealed.replace("file-", "batch_"), prefix="batch_", owner="owner:ana")


def test_every_changed_letter_breaks_the_seal() -> None:
    sealed = IDS.sealed(PLACE, prefix="file-", owner="o")
    for at in range(len(sealed) - 1):  # the last letter's last bits hold nothing
        changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
        with pytest.raises(NotFound):
            IDS.opened(changed, prefix="file-", owner="o")


@pytest.mark.parametrize(
    "value",
    [
        {"metadata": {"batch_id": "nightly"}},
        {"attributes": {"file_id": "seven"}},
        [{"type": "message", "content": [{"type": "output_text", "annotations": [{"file_id": "file-of-theirs"}]}]}],
        [{"type": "file_search_call", "results": [{"file_id": "file-of-theirs", "text": "peas"}]}],
    ],
)
def test_names_of_the_callers_and_what_an_answer_has_cited_pass_to_a_provider(value: Any) -> None:
    def opened(kind: Kind, presented: str) -> str:
        return IDS.opened(presented, prefix=kind.prefix, owner="o").id

    assert renamed(value, opened) == value


def test_a_variable_of_a_prompt_may_be_a_file_of_the_callers() -> None:
    sealed = IDS.sealed(PLACE, prefix="file-", owner="o")
    body = {"model": "m", "prompt": {"id": "p", "variables": {"menu": {"type": "input_file", "file_id": sealed}}}}
    for owner in ("o", "another"):
        question, _ = read_response(json.dumps(body).encode(), {})
        opening = Opening(IDS, owner)
        if owner == "o":
            open_references(question, opening)
            assert opening.provider == PLACE.provider
            assert json.loads(bytes(question.fields["prompt"]))["variables"]["menu"]["file_id"] == PLACE.id
        else:
            with pytest.raises(NotFound):
                open_references(question, opening)


def test_nothing_is_to_be_read_in_it() -> None:
    sealed = IDS.sealed(PLACE, prefix="file-", owner="o").removeprefix("file-wb")
    raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    assert b"acme" not in raw
    assert b"abc123" not in raw


@given(st.text(max_size=60))
def test_anything_else_is_unknown(presented: str) -> None:
    for text in (presented, f"file-wb{presented}"):
        with pytest.raises(NotFound):
            IDS.opened(text, prefix="file-", owner="o")


def test_ids_are_renamed_in_fields_that_name_objects_and_nowhere_else() -> None:
    answer = {
        "id": "batch_1", "object": "batch", "input_file_id": "file-1", "output_file_id": None, "errors": None,
        "metadata": {"file_id": "mine"}, "result_files": ["file-2"], "custom": {"id": "file-3", "object": "x"},
    }  # fmt: skip
    told = renamed(answer, lambda kind, one: f"{kind.prefix}sealed({one})", objects=True)
    assert told == {
        **answer, "id": f"{BATCH.prefix}sealed(batch_1)", "input_file_id": f"{FILE.prefix}sealed(file-1)",
        "result_files": [f"{FILE.prefix}sealed(file-2)"],
    }  # fmt: skip
