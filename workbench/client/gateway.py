"""The client of a gateway."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from workbench.client import answers, asks, pictures, requests
from workbench.client.asks import Ask
from workbench.client.base import Base, Prompt
from workbench.client.models import Advice, Wish
from workbench.client.promotion_desk import PromotionDesk
from workbench.client.prompt_copies import Copies
from workbench.client.prompt_loader import Loaded, PromptLoader
from workbench.client.stream import Stream
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    import numpy as np
    import openai
    import pandas as pd

    from workbench.client.pictures import PictureResult
    from workbench.client.results import ChatResult, PublishedPrompt

T = TypeVar("T")


class Gateway(Base):
    """Call models, and what else the gateway knows.

    Without arguments it finds its gateway and key: the mounted key file, else `WORKBENCH_GATEWAY_URL` with
    `OPENAI_API_KEY`, else the embedded gateway that runs for this home. Raises GatewayUnreachable where there is none.
    """

    def __init__(
        self, *, url: str | None = None, key: str | None = None, timeout: float = 600.0, max_retries: int = 2
    ) -> None:
        super().__init__(url=url, key=key)
        self.openai: openai.OpenAI = self._sdk.make_client(
            self._keys, url=self.url, timeout=timeout, max_retries=max_retries
        )
        """The official client, configured; its errors are its own."""
        self._loader = PromptLoader(self._get, url=lambda: self.url, copies=Copies(self._places()))

    # -- models --------------------------------------------------------------------------------------------------------

    def chat(
        self,
        prompt: Prompt,
        *,
        model: str,
        tags: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> ChatResult:
        """Ask a model, and return its whole answer.

        `prompt` is a text or chat messages; `tags` are kept in the ledger; `parameters` are those of the OpenAI API
        (`temperature=0`, `max_tokens=50`, ...). Raises the WorkbenchError that the gateway meant.
        """
        arguments = self._chat(prompt, model, tags, parameters)
        started = time.perf_counter()
        with self._translated():
            answer = self.openai.chat.completions.with_raw_response.create(**arguments)
            completion = answer.parse()
        latency_ms = (time.perf_counter() - started) * 1000
        return answers.read_chat(completion, answer.headers, latency_ms=latency_ms).rated_by(self.feedback)

    def stream(
        self,
        prompt: Prompt,
        *,
        model: str,
        tags: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> Stream:
        """Ask a model, and return its answer as it comes: iterate over it, then see `result`."""
        arguments = self._chat(prompt, model, tags, parameters, stream=True)
        started = time.perf_counter()
        with self._translated():
            chunks = self.openai.chat.completions.create(**arguments)
        return Stream(chunks, started=started, translated=self._translated, cost_of=self._cost_of, rate=self.feedback)

    def paint(
        self,
        prompt: str,
        *,
        model: str,
        image: bytes | None = None,
        mask: bytes | None = None,
        tags: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> PictureResult:
        """Make pictures of a prompt, or paint on the PNG `image`, where the PNG `mask` is transparent if there is one.

        `parameters` are those of the OpenAI API (`n=2`, `size="1024x1024"`, `quality="high"`, ...).
        `workbench.images` has sizes, masks and PIL. Raises the WorkbenchError that the gateway meant.
        """
        arguments = self._pictures(prompt, model=model, image=image, mask=mask, tags=tags, parameters=parameters)
        painter = self.openai.images.with_raw_response
        started = time.perf_counter()
        with self._translated():
            answer = (painter.generate if image is None else painter.edit)(**arguments)
            made = answer.parse()
        latency_ms = (time.perf_counter() - started) * 1000
        return pictures.read(made, answer.headers, model=model, latency_ms=latency_ms)

    def embed(self, texts: Sequence[str], *, model: str = "all-minilm-l6-v2", batch_size: int = 64) -> np.ndarray:
        """Return the vectors of texts: float32 [n, d], in their order."""
        parts = []
        for batch in requests.batches(texts, batch_size):
            with self._translated():
                answer = self.openai.embeddings.create(input=batch, model=model, encoding_format="base64")
            parts.append(answers.read_vectors(answer.data, len(batch)))
        return answers.join_vectors(parts)

    def models(
        self,
        *,
        task: str | None = None,
        modality: str | None = None,
        max_price: float | None = None,
        min_context: int | None = None,
        region: str | None = None,
        provider: str | None = None,
        search: str | None = None,
    ) -> pd.DataFrame:
        """Return the models that the key may use and that fit, one row each.

        `max_price` is in US dollars per million input tokens, `modality` is read or written (text, image, pdf, audio,
        video), `search` are words of the name, description, provider or features.
        """
        wish = Wish(task, modality, max_price, min_context, region, provider, search)
        return self._ask(asks.models(wish))

    def recommend(self, *, task: str = "chat", **wish: Any) -> Advice:
        """Rank the models that fit, with the reasons: by cost of a usual call, by latency seen, by how much they read.

        `wish` takes the fields of `workbench.client.models.Wish`: `max_cost` (US dollars a call), `max_latency`
        (seconds), `min_context`, `modality`, `region`, `provider`, `search`, `input_tokens`, `output_tokens`.
        """
        return self._ask(asks.recommend(Wish(task=task, **wish)))

    # -- the caller's own --------------------------------------------------------------------------------------------

    def me(self) -> dict[str, Any]:
        """Return what the key is: kind, owner, expiry, scopes, limits."""
        return self._ask(asks.me())

    def calls(
        self,
        request_id: str | None = None,
        *,
        tags: Mapping[str, str] | None = None,
        since: str | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Return the caller's ledger rows, newest first, or the rows of one call.

        With `tags` they are those of all exploration keys of the caller's that carry these tags; `since` is a time, or
        `7d` for so long ago.
        """
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            wanted = asks.calls(request_id, tags=tags, since=since, limit=limit - len(rows), cursor=cursor)
            page, cursor = self._ask(wanted)
            rows += page
            if cursor is None or len(rows) >= limit:
                return rows

    def call_body(self, request_id: str) -> dict[str, Any]:
        """Return what was said in one of the caller's own exploration calls; raises NotFound where it is not kept."""
        return self._ask(asks.call_body(request_id))

    def own_usage(self) -> dict[str, Any]:
        """Return what the caller's own calls used and cost: sums, and a row for each of its `models`."""
        return self._ask(asks.own_usage())

    def feedback(self, request_id: str, value: Any, comment: str | None = None) -> dict[str, Any]:
        """Tell how good the answer of one of the caller's calls was; telling it again replaces it."""
        return self._ask(asks.feedback(request_id, value, comment))

    def feedback_since(self, after: int = 0, *, limit: int = 500) -> list[dict[str, Any]]:
        """Return what all callers said after row `after`, oldest first, by an identity rather than a key."""
        return self._ask(asks.feedback_since(after, limit))

    def usage(
        self, by: str = "use_case,model", *, since: str | None = "30d", until: str | None = None, **which: str
    ) -> pd.DataFrame:
        """Return what all callers' calls used and cost, a row a group, by an identity rather than a key.

        `by` names groups: use_case, user, model, provider, day, month, path, stage, key, `tag:NAME`; `since` and
        `until` are times, or `7d` for so long ago; `which` chooses calls, as `model="fast"`. `attrs["total"]` is the
        sum of all. Raises PermissionDenied for who is no admin.
        """
        return self._ask(asks.usage(by, since=since, until=until, which=which))

    # -- published prompts -------------------------------------------------------------------------------------------

    def published(self, name: str, alias: str = "production") -> PublishedPrompt:
        """Return the prompt that is live under an alias; raises IntegrityError where its text was changed."""
        return self._ask(asks.published(name, alias))

    def served(self, name: str, alias: str = "production") -> Loaded:
        """Return what is live under an alias without asking each time, and how fresh that is.

        It is kept for a lease and renewed in the background, within a second of a change; while no gateway answers,
        the last good version is served, also by a new process. Raises as `published` does where there never was one.
        """
        return self._loader.load(name, alias)

    def live_prompts(self) -> list[dict[str, Any]]:
        """Return all prompts that are live under an alias, a row each: `name`, `alias`, `version` and what they say."""
        return self._ask(asks.live_prompts())

    def history(self, name: str, alias: str = "production") -> list[dict[str, Any]]:
        """Return all that was published under an alias, newest first."""
        return self._ask(asks.history(name, alias))

    def publish(
        self,
        name: str,
        version: int,
        template: Prompt,
        *,
        alias: str = "production",
        parameters: Mapping[str, Any] | None = None,
        schema: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        evidence: Mapping[str, Any] | None = None,
        reason: str,
        expects: int | None = None,
    ) -> dict[str, Any]:
        """Publish a version under an alias, by an identity rather than a key; return the gateway's record.

        `form` is how the template is filled in, where that is not just `{{name}}`: see `Prompt.form`. `expects` is the
        number of the publication that was live when it was decided, 0 for none: raises Conflict where another is now.
        """
        return self._ask(
            asks.publish(
                name,
                version,
                template,
                alias=alias,
                parameters=parameters,
                schema=schema,
                evidence=evidence,
                reason=reason,
                form=form,
                expects=expects,
            )
        )

    @property
    def promotion(self) -> PromotionDesk:
        """Requests, approvals, rollback and the record of published prompts, by an identity rather than a key."""
        return PromotionDesk(self._ask)

    def rollout(self, name: str, alias: str = "production") -> dict[str, Any]:
        """Return how the latest rollout under an alias stands: `state`, `weight`, `arms`, `plan`, `events`."""
        return self._ask(asks.rollout(name, alias))

    def start_rollout(
        self,
        name: str,
        alias: str = "production",
        *,
        candidate: str = "canary",
        plan: Mapping[str, Any] | None = None,
        reason: str,
    ) -> dict[str, Any]:
        """Begin to roll out what is published as `name@{candidate}`, by an identity rather than a key.

        `plan` may hold `steps` (percent of the users), `rule` (`not_worse`, `better`, `guardrails`), `margin`,
        `bounds`, `min_n`, `confidence`, `max_error_increase`, `max_latency_ratio`, `max_cost_ratio` and `min_calls`.
        """
        return self._ask(asks.start_rollout(name, alias, candidate=candidate, plan=plan, reason=reason))

    def steer_rollout(
        self, name: str, verb: Literal["pause", "resume", "advance", "abort"], alias: str = "production", *, reason: str
    ) -> dict[str, Any]:
        """Pause, resume, advance or abort a rollout by hand, by an identity rather than a key."""
        return self._ask(asks.steer_rollout(name, alias, verb, reason=reason))

    # -- the client itself -------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close connections, and revoke a key that was issued to this client."""
        self._loader.close()
        self.openai.close()
        self._closing()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, ask: Ask[T]) -> T:
        with self._translated():
            body = getattr(self.openai, ask.method)(**self._request(ask))
        if ask.method == "post" and ask.path.startswith("/v1/prompts/"):
            self._loader.wrote(body)
        return ask.read(body)

    def _get(self, path: str, query: Mapping[str, str], *, within: float, retries: int) -> Any:
        with self._translated():
            options = self._sdk.patience(query=query, within=within, retries=retries)
            return self.openai.get(self._keys.url + path, cast_to=object, options=options)

    def _cost_of(self, request_id: str) -> float | None:
        """Return the cost of a stream that has ended; None where the gateway can't tell it any more."""
        with contextlib.suppress(WorkbenchError):
            for row in self.calls(request_id):
                return None if row["cost_usd"] is None else float(row["cost_usd"])
        return None
