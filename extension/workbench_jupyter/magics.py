"""`%%prompt`, `%usage` and `%models`; a kernel that has a key mounted has them, elsewhere `%load_ext` brings them.

They parse, and `workbench.interactive` does the work. What the user can mend is told without a traceback.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.interactive.answer import ShownAnswer
    from workbench.interactive.own_usage import OwnUsage

# IPython has no types that mypy follows here: its decorators are Any.
# mypy: disable-error-code="misc,untyped-decorator"


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tell an error of ours, or an interrupt, in words; the cells below it do not run, as after any error."""
    try:
        yield
    except WorkbenchError as error:
        hint = f"\n  {error.hint}" if error.hint else ""
        raise UsageError(f"{error.message}{hint}") from error
    except KeyboardInterrupt as error:
        raise UsageError("Interrupted; wb.last() returns what came.") from error


@magics_class
class WorkbenchMagics(Magics):
    """The workbench's magics."""

    @magic_arguments()
    @argument("name", nargs="?", help="Keep the cell as a version of this prompt; a line alone asks by one kept.")
    @argument("--model", "-m", help="The model to ask; default: the prompt's own, else the catalogue's first.")
    @argument("--temperature", "-t", type=float, help="How much chance there is in the answer.")
    @argument("--max-tokens", "-n", type=int, help="How long the answer may become.")
    @argument("--compare", "-c", metavar="A,B", help="Ask several models, and show their answers side by side.")
    @argument("--var", "-v", action="append", metavar="NAME=TEXT", help="A variable's value; may be repeated.")
    @line_cell_magic
    def prompt(self, line: str, cell: str | None = None) -> ShownAnswer | None:
        """Ask a model by the prompt that the cell is; its answer comes as Markdown.

        {{name}} in the cell stands for the notebook's variable of that name.

          %%prompt --model smollm2-135m --max-tokens 60
          Summarise in one sentence: {{text}}

          %%prompt support.summary --temperature 0     keeps it as a version of the prompt support.summary
          %prompt support.summary@production           asks by the one that is live
        """
        with _told():
            from workbench.interactive.prompt_cell import ask_cell  # noqa: PLC0415 - the kernel's start stays light
            from workbench.interactive.side_by_side import models_in  # noqa: PLC0415

            told = _arguments(self.prompt, line)
            wanted = {"temperature": told.temperature, "max_tokens": told.max_tokens}
            answer: Any = ask_cell(
                None if cell is None else cell.rstrip("\n"),
                name=told.name,
                model=told.model,
                compare=models_in(told.compare or ""),
                parameters={name: value for name, value in wanted.items() if value is not None},
                given=dict(_pair(text) for text in told.var or ()),
                variables=self.shell.user_ns,
            )
            # Answers that stand side by side have told already what they took.
            return None if told.compare else answer

    @line_magic
    def usage(self, line: str) -> OwnUsage:
        """Show what the key of this notebook has spent, and what is left of its limits."""
        with _told():
            from workbench.interactive.own_usage import own_usage  # noqa: PLC0415

            if line.strip():
                raise UsageError(f"%usage takes no arguments, and was given {line.strip()!r}.")
            return own_usage()

    @magic_arguments()
    @argument("search", nargs="*", help="Words of the name, description, provider or features.")
    @argument("--task", help="chat, embedding, image, transcription, speech, moderation or rerank.")
    @argument("--provider", help="Who must serve it.")
    @argument("--modality", help="What it must read or write: text, image, pdf, audio, video.")
    @argument("--region", help="Where it must run.")
    @argument("--max-price", type=float, help="US dollars per million input tokens.")
    @argument("--min-context", type=int, help="Tokens of a prompt that it must take.")
    @line_magic
    def models(self, line: str) -> pd.DataFrame:
        """Return the models that this notebook's key may use, as a DataFrame."""
        with _told():
            from workbench.prompts.defaults import default_gateway  # noqa: PLC0415

            wish = vars(_arguments(self.models, line))
            return default_gateway().models(**{**wish, "search": " ".join(wish["search"]) or None})


def load_ipython_extension(shell: Any) -> None:
    """Register the magics."""
    shell.register_magics(WorkbenchMagics)


def _arguments(magic: Any, line: str) -> Any:
    """Parse a line as a shell would: IPython's own way breaks a quoted text that has a space in it."""
    try:
        return magic.parser.parse_args(shlex.split(line))
    except ValueError as error:
        raise UsageError(f"{line!r} can't be read: {error}.") from error


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(f"--var {text!r} is not NAME=TEXT.")
    return name, value
