"""What a batch can cost at worst: the sum over its lines, at the price of a batch on the day that its file comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workbench.errors import WorkbenchError
from workbench.gateway.admission.measured import BySize
from workbench.gateway.admission.worst import worst
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.unified.operations.chat import read_chat
from workbench.gateway.unified.operations.completions import read_completion
from workbench.gateway.unified.operations.embeddings import read_embeddings
from workbench.gateway.unified.operations.moderations import read_moderation
from workbench.gateway.unified.operations.responses import read_response
from workbench.gateway.unified.question import Question
from workbench.wire.usage import Usage

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
        self._unpriced: set[str] = set()

    def add(self, url: str, body: bytes, known: Entry, *, model: str) -> None:
        """Add a line: the path that it asks for, its body, and what is known of its model's price."""
        if known.rate is None:
            self._unpriced.add(model)
            return
        try:
            question: Question | BySize = _READ[url](body)
        except WorkbenchError:  # the provider tells what is wrong with it, when it comes to that line
            question = BySize(Usage(input_tokens=len(body)))
        rate = known.rate.graded("batch")
        self._usd += worst(question, question.most, known, rate).closer(question, rate).usd

    @property
    def usd(self) -> float | None:
        """Return the most in US dollars; None where some price is not known."""
        return None if self._unpriced else self._usd
