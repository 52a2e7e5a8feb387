"""One prompt, several models: their answers grow beside each other, and stay in the cell as a static table."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.client.results import ChatResult
from workbench.errors import InvalidInput, ProviderError, WorkbenchError
from workbench.interactive.answer import keep
from workbench.interactive.live import PAUSE, Output, in_notebook
from workbench.interactive.markdown import bundle
from workbench.widgets.panels import columns

if TYPE_CHECKING:
    import pandas as pd

    from workbench.client import Stream


@dataclass
class Column:
    """One model's answer as it comes."""

    model: str
    """The model that was asked."""
    text: str = ""
    """What has come."""
    answer: ChatResult | None = None
    """The whole; None until it is there."""
    error: str | None = None
    """Why there is none."""

    @property
    def facts(self) -> str:
        """Return what it took, or how it stands, in words."""
        if self.error is not None:
            return self.error
        return self.answer.facts if self.answer is not None else "..."


@dataclass(frozen=True)
class SideBySide:
    """What several models answered to one prompt; the cell shows it already."""

    columns: tuple[Column, ...]
    """One for each model."""

    def __getitem__(self, model: str) -> ChatResult:
        """Return a model's answer; raises InvalidInput where it gave none."""
        for column in self.columns:
            if column.model == model and column.answer is not None:
                return column.answer
        said = "; ".join(f"{column.model}: {column.facts}" for column in self.columns)
        raise InvalidInput(f"There is no answer of {model!r}.", hint=said)

    @property
    def frame(self) -> pd.DataFrame:
        """The answers as a DataFrame, a row each."""
        import pandas as pd  # noqa: PLC0415 - only a table needs it

        rows = [
            {
                "model": column.model,
                "text": column.text,
                "cost_usd": column.answer.cost_usd if column.answer else None,
                "latency_ms": column.answer.latency_ms if column.answer else None,
                "request_id": column.answer.request_id if column.answer else None,
                "error": column.error,
            }
            for column in self.columns
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        answered = [column.model for column in self.columns if column.answer is not None]
        return f"SideBySide({', '.join(answered) or 'no answer'})"


def ask_all(models: Sequence[str], ask: Callable[[str], Stream]) -> SideBySide:
    """Ask each model by `ask`, all at once; show their answers while they come, and return them.

    A model that fails says so in its column. An interrupt ends the others' work, keeps what came, and is raised again.
    Raises InvalidInput for fewer than two models, ProviderError where none answers.
    """
    if len(set(models)) < 2:
        raise InvalidInput("There is nothing to compare with.", hint="Name two or more models: --compare a,b.")
    asked = tuple(Column(model) for model in dict.fromkeys(models))
    stop = threading.Event()
    threads = [threading.Thread(target=_read, args=(column, ask, stop), daemon=True) for column in asked]
    output = Output() if in_notebook() else None
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(PAUSE / len(threads))
            if output is not None:
                output.show(_content(asked))
    except KeyboardInterrupt:
        for column in asked:
            column.error = column.error or (None if column.answer else "interrupted")
        raise
    finally:
        stop.set()
        if output is not None:
            output.show(_content(asked))
        else:
            print(_plain(asked))  # noqa: T201 - a terminal has no other place for it
        keep(SideBySide(asked))
    if all(column.answer is None for column in asked):
        raise ProviderError("No model answered.", hint=asked[0].error)
    return SideBySide(asked)


def _read(column: Column, ask: Callable[[str], Stream], stop: threading.Event) -> None:
    """Read one stream to its end, or until it is stopped."""
    try:
        with ask(column.model) as stream:
            for piece in stream:
                if stop.is_set():
                    return
                column.text += piece
        column.answer = stream.result
    except WorkbenchError as error:
        column.error = str(error)
    except Exception as error:  # noqa: BLE001 - one model's failure is told in its column and loses no other answer
        column.error = f"{type(error).__name__}: {error}"


def _content(asked: Sequence[Column]) -> Mapping[str, str]:
    return {"text/html": columns((column.model, _panel(column)) for column in asked), "text/plain": _plain(asked)}


def _panel(column: Column) -> str:
    facts = f'<div style="opacity:.6;font-size:85%">{html.escape(column.facts)}</div>'
    return bundle(column.text)["text/html"] + facts


def _plain(asked: Sequence[Column]) -> str:
    return "\n\n".join(f"== {column.model} ({column.facts})\n{column.text}" for column in asked)


def models_in(text: str) -> list[str]:
    """Return the names in a list by commas."""
    return [name for name in (part.strip() for part in text.split(",")) if name]
