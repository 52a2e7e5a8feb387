"""`workbench simulate`: providers that fail when they are told to, for rehearsing an outage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from workbench.simulator.simulator import Simulator


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8790, show_default=True, help="0 for any free one.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("simulated"),
    show_default=True,
    help="Where a workbench.toml and its credential files are written.",
)
@click.option(
    "--fail",
    "faults",
    multiple=True,
    metavar="KIND[:NAME=VALUE,...]",
    help="Lay a fault, such as status:status=429,retry-after=7,times=0; may be given again.",
)
@click.option(
    "--limit",
    "quotas",
    multiple=True,
    metavar="NAME=VALUE,...",
    help="Put a quota in force, such as requests=60,seconds=60,region=eu; may be given again.",
)
@click.option("--tls", is_flag=True, help="Speak TLS, by a certificate that is written into the folder.")
def command(*, port: int, folder: Path, faults: tuple[str, ...], quotas: tuple[str, ...], tls: bool) -> None:
    """Serve simulated providers in the foreground, until Ctrl-C.

    OpenAI, Azure, Anthropic, Gemini, Vertex AI and Bedrock, in their own wire formats. While it runs, faults are laid
    by POST /simulator/faults, quotas by POST /simulator/quotas; GET /simulator/requests tells what arrived,
    GET /simulator/invoice what it cost (?format=csv), and DELETE /simulator lets everything go well again.
    """
    from workbench.simulator.configuration import BASE_URLS, write_configuration
    from workbench.simulator.faults import Fault
    from workbench.simulator.quota import Quota
    from workbench.simulator.serve import serve
    from workbench.simulator.simulator import Simulator
    from workbench.simulator.state import AWS_KEY_ID, AWS_SECRET, CREDENTIAL

    simulator = Simulator()
    for text in faults:
        simulator.faults.add(_read(text, Fault, "--fail"))
    for text in quotas:
        simulator.quotas.add(_read(text, Quota, "--limit"))

    def ready(url: str) -> None:
        file = write_configuration(simulator.state, url, folder)
        click.echo(f"workbench simulator ready at {url}")
        click.echo("\nBase URLs:")
        for name, base_url in BASE_URLS.items():
            click.echo(f"  {name:<16} {base_url.format(url=url)}")
        click.echo(f"\nKey: {CREDENTIAL}   AWS: {AWS_KEY_ID} {AWS_SECRET}")
        click.echo(f"\nA gateway in front of it:  workbench gateway --config {file}")
        _tell(simulator)

    serve(simulator, port=port, ready=ready, tls=folder if tls else None)


def _tell(simulator: Simulator) -> None:
    for fault in simulator.faults.waiting:
        times = f"the next {fault.times}" if fault.times else "all"
        click.echo(f"Fault: {fault.kind}, {times} requests" + (f" for {fault.model}" if fault.model else ""))


def _read(text: str, kind: Any, option: str) -> Any:
    """Return the fault or quota that an option tells; names with a hyphen are headers."""
    import msgspec

    head, _, rest = text.partition(":") if kind.__name__ == "Fault" else ("", "", text)
    fields: dict[str, Any] = {"kind": head} if head else {}
    for told in filter(None, rest.split(",")):
        name, equals, value = told.partition("=")
        if not equals:
            raise click.BadParameter(f"{told!r} is no NAME=VALUE.", param_hint=option)
        if "-" in name:
            fields.setdefault("headers", {})[name] = value
        else:
            fields[name] = value
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        known = ", ".join(kind.__struct_fields__)
        raise click.BadParameter(f"{text!r}: {error}. Known: {known}.", param_hint=option) from error
