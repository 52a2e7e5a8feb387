"""What applications say of the answers they got: one word for each call, kept until it is drained into MLflow."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.errors import InvalidInput, NotFound
from workbench.gateway.access.keys import Key
from workbench.gateway.ledger.reports import Reports
from workbench.gateway.published.outcomes import keep_outcome
from workbench.gateway.published.rollout_calls import RolloutCalls
from workbench.gateway.state import FEEDBACK, State, feedback_table
from workbench.gateway.times import utc_now

_MAX_COMMENT = 4000
_MAX_TEXT = 200
_REPLICAS = (
    ", to the gateway that gave it: another one knows it only if a rollout's prompt made the call, and after a second."
)


class Word(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/feedback`."""

    request_id: str
    value: bool | int | float | str
    comment: str | None = None


class Feedback:
    """The table of feedback. Each method blocks; call it in a thread."""

    def __init__(self, state: State, reports: Reports, rollout_calls: RolloutCalls) -> None:
        self._state = state
        self._reports = reports
        self._rollout_calls = rollout_calls

    def give(self, word: Word, key: Key) -> dict[str, Any]:
        """Keep a word about a call of the key's owner.

        The same word again changes nothing; another one replaces it under a new number. A number about a call that a
        rollout's prompt made is an outcome of its side. Raises NotFound for a call that is not the owner's.
        """
        if isinstance(word.value, str) and len(word.value) > _MAX_TEXT:
            raise InvalidInput(f"value is over {_MAX_TEXT} characters.", hint="Put text in comment.", param="value")
        if word.comment is not None and len(word.comment) > _MAX_COMMENT:
            raise InvalidInput(f"comment is over {_MAX_COMMENT} characters.", hint="Shorten it.", param="comment")
        for name in ("value", "comment"):
            if isinstance(text := getattr(word, name), str) and "\0" in text:
                raise InvalidInput(f"{name} holds the character U+0000.", hint="Leave it out.", param=name)
        if isinstance(word.value, int) and abs(word.value) > sys.float_info.max:
            raise InvalidInput("value is greater than numbers can be here.", hint="Scale it.", param="value")
        call = self._reports.call(word.request_id) or self._rollout_calls.call(word.request_id)
        if call is None or call["owner"] != key.owner:
            raise NotFound(
                f"No call {word.request_id[:100]!r} of yours.",
                hint="Send the x-request-id of an answer that you got" + ("." if self._state.is_file else _REPLICAS),
                code="call_not_found",
            )
        said = {"value": word.value, "comment": word.comment}
        mine = sa.and_(feedback_table.c.owner == key.owner, feedback_table.c.request_id == word.request_id)
        with self._state.transaction(tells=FEEDBACK) as connection:  # one at a time: numbers are seen in their order
            found = connection.execute(sa.select(feedback_table).where(mine)).mappings().first()
            if found is not None and {name: found[name] for name in said} == said:
                return dict(found)
            connection.execute(feedback_table.delete().where(mine))
            kept = {
                "owner": key.owner,
                "request_id": word.request_id,
                "key_id": key.id,
                **said,
                "created_at": utc_now(),
            }
            result = connection.execute(feedback_table.insert().values(**kept))
            keep_outcome(connection, call, word.value)
            assert result.inserted_primary_key is not None
            return {"seq": result.inserted_primary_key[0], **kept}

    def after(self, seq: int, limit: int) -> list[dict[str, Any]]:
        """Return what was said since number `seq`, oldest first."""
        query = sa.select(feedback_table).where(feedback_table.c.seq > seq).order_by(feedback_table.c.seq).limit(limit)
        with self._state.transaction() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
