"""What a batch can cost at worst: the sum over its lines, at the price of a batch on the day that its file comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workbench.errors import WorkbenchError
from workbench.gateway.admission.worst import worst
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.unified.operations.chat import read_chat
from workbench.gateway.unified.operations.completions import read_completion
from workbench.gateway.unified.operations.embeddings import read_embeddings
from workbench.gateway.unified.operations.moderations import read_moderation
from workbench.gateway.unified.operations.responses import read_response
from workbench.gateway.unified.question import Question

_READ: Mapping[str, Callable[[bytes], Question]] = {
    "/v1/chat/completions": lambda body: read_chat(body, {}),
    "/v1/completions": lambda body: read_completion(body, {}),
    "/v1/embeddings": lambda body: read_embeddings(body, {}),
    "/v1/moderations": lambda body: read_moderation(body, {}),
    "/v1/responses": lambda body: read_response(body, {})[0],
}


class BatchMost:
    """The sum of one file."""

    def __init__(self) -> None:
        self._usd = 0.0
        self._is_known = True

    def add(self, url: str, body: bytes, known: Entry) -> None:
        """Add a line: the path that it asks for, its body, and what is known of its model's price."""
        try:
            question = _READ[url](body)
        except WorkbenchError:  # the provider tells what is wrong with it, or takes it all the same
            self._is_known = False
            return
        if known.rate is None:
            self._is_known = False
            return
        rate = known.rate.graded("batch")
        self._usd += worst(question, question.most, known, rate).closer(question, rate).usd

    @property
    def usd(self) -> float | None:
        """Return the most in US dollars; None where some price is not known, or some line is no call that we know."""
        return self._usd if self._is_known else None
