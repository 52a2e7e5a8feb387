"""`POST /slack/commands`: check that Slack asks, and for whom; one verb; a private answer."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import AuthenticationFailed, NotFound, WorkbenchError
from workbench.gateway.access.identity import Identity
from workbench.gateway.access.slack.signed import check_signed
from workbench.gateway.access.slack.verbs import VERBS
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of
from workbench.gateway.unified.body import read_body
from workbench.gateway.unified.objects.repeats import Repeats
from workbench.settings import resolve_credential

PATH = "/slack/commands"
_LARGEST = 64 * 1024


class SlackRoutes:
    """The slash command."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway
        self._repeats = Repeats(gateway.state)

    async def command(self, request: Request) -> Response:
        """Answer one command; what goes wrong with it is told to its sender alone, with status 200 as Slack wants it.

        Raises NotFound where no command is configured, AuthenticationFailed for what is not Slack's.
        """
        settings = self._gateway.settings
        if settings.slack.signing_secret is None:
            raise NotFound("This gateway has no slash command.", hint="The admin sets one up: [slack] signing_secret.")
        secret = resolve_credential(settings.slack.signing_secret, folder=settings.folder)
        headers = headers_of(request)
        body = await read_body(request.receive, {}, limit=_LARGEST)  # a form; its bytes are what is signed
        await check_signed(body, headers, secret=secret, path=PATH, repeats=self._repeats)
        fields = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        try:
            text = await self._answer(fields)
        except WorkbenchError as error:
            text = f":warning: {error}"
        return json_reply(request, {"response_type": "ephemeral", "text": text})

    async def _answer(self, fields: dict[str, str]) -> str:
        asker = self._asker(fields)
        verb, *words = fields.get("text", "").split() or ["help"]
        told = VERBS.get(verb.lower())
        if told is None:
            return (
                f"There is no verb `{verb[:40].replace('`', '')}`. I know {', '.join(f'`{name}`' for name in VERBS)}."
            )
        return await told[1](self._gateway, asker, words)

    def _asker(self, fields: dict[str, str]) -> Identity:
        settings = self._gateway.settings.slack
        if settings.team is not None and fields.get("team_id") != settings.team:
            raise AuthenticationFailed("Your workspace may not ask here.", hint="[slack] team names the one that may.")
        user_id = fields.get("user_id", "")
        name = settings.users.get(user_id)
        if name is None:
            raise AuthenticationFailed(
                f"Nobody knows here who {user_id[:30] or 'you'} is.", hint="Ask the admin to add you: [slack.users]."
            )
        return self._gateway.identities.roles.identity(name, (), source="slack")
