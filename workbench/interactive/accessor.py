"""`df.wb`: a prompt for each row of a DataFrame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from workbench.client import Gateway
    from workbench.prompts import Prompt
    from workbench.prompts.template import Template


class FrameAccessor:
    """What the workbench can do with one DataFrame."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def prompt(
        self,
        template: Template | Prompt,
        *,
        model: str | None = None,
        into: str = "output",
        preview: int = 3,
        confirm: bool | None = None,
        max_usd: float | None = None,
        concurrency: int = 4,
        progress: bool = True,
        resume: bool = True,
        gateway: Gateway | None = None,
        **parameters: Any,
    ) -> pd.DataFrame:
        """Ask a model about each row, and return the DataFrame with the columns `output`, `cost_usd` and `error`.

        `{{text}}` in the template stands for the column `text`; without `model` the prompt's own is asked, else the
        catalogue's first. The first `preview` rows are asked and shown, with what they cost and what the others will.
        The others follow where they cost nothing, with `confirm=True`, or where the estimate is within `max_usd`,
        which then is not passed; else they stay unasked, and `error` says so. Another `into` than `output` names its
        columns `<into>`, `<into>_cost_usd` and `<into>_error`.

        An answer is kept under its content as it arrives, so nothing is paid twice: rows that are alike are asked once,
        an interrupt waits for the calls under way, and the same again goes on. `confirm=False` returns what is there,
        and `resume=False` asks anew. A row that fails has its `error`, and the others their answers. Raises
        InvalidInput for a variable without a column, and what every call would meet (no such model, no gateway).
        """
        from workbench.interactive.frame_prompt import Terms, prompt_rows  # noqa: PLC0415 - loads with the first use

        terms = Terms(preview=preview, confirm=confirm, max_usd=max_usd, concurrency=concurrency, progress=progress)
        return prompt_rows(
            self._frame,
            template,
            model=model,
            into=into,
            terms=terms,
            resume=resume,
            gateway=gateway,
            parameters=parameters,
        )

    def __repr__(self) -> str:
        return f"df.wb of {len(self._frame)} rows: .prompt(template, model=...)"
