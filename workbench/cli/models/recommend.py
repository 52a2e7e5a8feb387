"""`workbench models recommend`: which model to take, with the reasons."""

from __future__ import annotations

import json
import re

import click

from workbench.cli.models.engines import model_desk
from workbench.cli.options import json_option
from workbench.cli.which_gateway import url_option

_COST = re.compile(r"(\d+(?:\.\d+)?(?:e-?\d+)?)\s*(?:usd)?\s*(/\s*(?:m|million))?", re.IGNORECASE)
_TASKS = ("chat", "embedding", "image", "transcription", "speech", "moderation", "rerank")


class Cost(click.ParamType[float]):
    """US dollars for a call, or with `/M` for a million calls."""

    name = "USD"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return US dollars for one call."""
        found = _COST.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no cost: write 0.002 for a call, or 2000/M for a million calls.", param, ctx)
        return float(found[1]) / (1_000_000 if found[2] else 1)


_COUNT = click.IntRange(min=0)


@click.command()
@click.option("--task", type=click.Choice(_TASKS), default="chat", show_default=True, help="What it is to do.")
@click.option("--max-cost", type=Cost(), help="Most that a call may cost: 0.002, or 2000/M for a million calls.")
@click.option("--max-latency", type=float, metavar="SECONDS", help="Half of its calls must have been faster.")
@click.option("--min-context", type=int, metavar="TOKENS", help="Tokens of a prompt that it must take.")
@click.option("--modality", metavar="NAME", help="What it must read or write, such as image, pdf or audio.")
@click.option("--region", metavar="NAME", help="Where it must run.")
@click.option("--provider", metavar="NAME", help="Who must serve it.")
@click.option("--search", metavar="WORDS", help="Words of its name, description or features, such as tools.")
@click.option("--input-tokens", type=_COUNT, default=1000, show_default=True, help="Input tokens of a usual call.")
@click.option("--output-tokens", type=_COUNT, default=300, show_default=True, help="Output tokens of a usual call.")
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="How many to show.")
@url_option
@json_option
def recommend(*, url: str | None, as_json: bool, top: int, **wished: str | float | None) -> None:
    """Rank the models of the gateway that fit: by cost of a usual call, by latency seen, by how much they read."""
    from workbench.client.models import Wish, recommend
    from workbench.errors import NotFound

    advice = recommend(model_desk(url).catalogue(), Wish(**wished))  # type: ignore[arg-type]  # click has checked them
    if as_json:
        click.echo(json.dumps(advice.as_dict(), indent=2))
    else:
        for number, one in enumerate(advice.models[:top], 1):
            click.echo(f"{number}. {one.model}")
            for reason in one.reasons:
                click.echo(f"     {reason}")
    if advice.models:
        return
    why = "; ".join(f"{name}: {reason}" for name, reason in list(advice.left_out.items())[:5])
    raise NotFound("No model fits.", hint=f"{why or 'The gateway has no models'}.")
