"""From a question to an answer with citations: search, ask the model, check what it said."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.errors import InvalidInput
from workbench.grounding import Bounds, overlap
from workbench.rag.answer import Answer
from workbench.rag.citations import Citation, judge
from workbench.rag.embedders import GatewayEmbedder
from workbench.rag.fusion import Fusion
from workbench.rag.gateway import RagGateway, default_gateway
from workbench.rag.index import Hit, Index, Mode
from workbench.rag.sources import STOP, SourcePrompt, as_messages
from workbench.rag.store import Store

_HALF = 0.5
ABSTENTION = "The documents don't answer this question."
_PARAMETERS: dict[str, Any] = {"temperature": 0, "max_tokens": 120, "stop": STOP}


class Pipeline:
    """Answer questions from an index through the gateway; a callable, so a candidate of an experiment like any other.

    `index` is an Index or its path. Without `gateway`, the one that the environment tells of is used.
    """

    def __init__(
        self,
        index: Index | str | Path,
        gateway: RagGateway | None = None,
        model: str = "smollm2-135m",
        k: int = 3,
        *,
        mode: Mode = "hybrid",
        fusion: Fusion | None = None,
        per_document: int | None = None,
        near: float = 0.8,
        min_similarity: float = 0.25,
        cite: bool = False,
        prompt: SourcePrompt | None = None,
        parameters: Mapping[str, Any] | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        """Take the parts and settings of the pipeline.

        `k` hits are retrieved and the answer is checked against all of them; the model sees those whose score is at
        least `near` of the best one's, since small models are easily led astray (0: all). Where no hit has a cosine of
        `min_similarity`, nor holds all the question's terms, the pipeline abstains. `cite` asks the model to cite by
        itself: right for a large one, while the embedded one then answers worse. `parameters` go with the call
        (`max_tokens=...`); `prompt` renders `question` and `sources` instead of the built-in prompt.
        """
        self._gateway = gateway
        self.index = index if isinstance(index, Index) else Index.open(index, embedder=self._embedder_of(index))
        self.model = model
        self.k = k
        self.mode = mode
        self.fusion = fusion
        self.per_document = per_document
        self.near = near
        self.min_similarity = min_similarity
        self.cite = cite
        self.prompt = prompt
        self.parameters = {**_PARAMETERS, **(parameters or {})}
        self.bounds = bounds or Bounds()

    @property
    def gateway(self) -> RagGateway:
        """The gateway; found when it is first used."""
        if self._gateway is None:
            self._gateway = default_gateway()
        return self._gateway

    @property
    def version(self) -> str:
        """A word that changes whenever documents, settings or prompt do, for `Candidate(version=)`."""
        manifest = self.index.manifest
        said = [
            [manifest.documents, manifest.chunking, manifest.analyzer, manifest.model],
            [self.model, self.k, self.mode, self.per_document, self.near, self.min_similarity],
            [repr(self.fusion), repr(self.bounds), self.parameters],
            as_messages("?", [], cite=self.cite, prompt=self.prompt),
        ]
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=repr).encode()).hexdigest()[:16]

    def answer(self, question: str) -> Answer:
        """Answer a question from the documents, with the citations that hold.

        Each sentence of the model's answer is judged against the hits; one that no hit supports stays in the text and
        is flagged. Raises what search and gateway raise.
        """
        started = time.perf_counter()
        hits = self.index.search(question, self.k, self.mode, fusion=self.fusion, per_document=self.per_document)
        if not self._near_enough(question, hits):
            return Answer(
                text=ABSTENTION,
                citations=(),
                hits=tuple(hits),
                supported=False,
                request_id=None,
                cost_usd=0.0,
                question=question,
                abstained=True,
                latency_ms=(time.perf_counter() - started) * 1000,
            )
        shown = [hit for hit in hits if hit.score >= self.near * hits[0].score]
        result = self.gateway.chat(
            as_messages(question, shown, cite=self.cite, prompt=self.prompt),
            model=self.model,
            tags={"room": "rag"},
            **self.parameters,
        )
        statements = judge(
            result.text,
            question,
            hits,
            terms=self.index.analyzer.terms,
            embed=self.index.embed,
            bounds=self.bounds,
        )
        citations: dict[Citation, None] = {part: None for statement in statements for part in statement.citations}
        return Answer(
            text=" ".join(statement.cited_text for statement in statements),
            citations=tuple(citations),
            hits=tuple(hits),
            supported=bool(statements) and all(statement.supported for statement in statements),
            request_id=result.request_id,
            cost_usd=result.cost_usd,
            question=question,
            statements=tuple(statements),
            raw_text=result.text,
            model=result.model,
            usage=result.usage,
            latency_ms=(time.perf_counter() - started) * 1000,
            finish_reason=result.finish_reason,
            raw=result,
        )

    def __call__(self, inputs: Mapping[str, Any]) -> Answer:
        """Answer `inputs["question"]`."""
        question = inputs.get("question")
        if not isinstance(question, str):
            raise InvalidInput(
                f"The inputs hold no question, but {', '.join(map(repr, inputs)) or 'nothing'}.",
                hint='A RAG pipeline takes {"question": "..."}.',
            )
        return self.answer(question)

    def __repr__(self) -> str:
        return f"Pipeline({self.index!r}, model={self.model!r}, k={self.k}, mode={self.mode!r})"

    def _near_enough(self, question: str, hits: Sequence[Hit]) -> bool:
        """Return whether a hit is near in meaning, or holds every term of a question of two or more.

        Where no meaning was measured (mode "bm25"), half of the terms are enough.
        """
        if any(hit.vector is not None and hit.vector >= self.min_similarity for hit in hits):
            return True
        asked = self.index.analyzer.terms(question)
        held = [overlap(asked, self.index.analyzer.terms(hit.chunk.indexed_text)) for hit in hits]
        if self.mode == "bm25":
            return any(share >= _HALF for share in held)
        return len(set(asked)) > 1 and any(share == 1 for share in held)

    def _embedder_of(self, path: str | Path) -> GatewayEmbedder | None:
        if self._gateway is None:
            return None
        return GatewayEmbedder(self._gateway, Store(path).read_manifest().model)
