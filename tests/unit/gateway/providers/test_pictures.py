"""Pictures at Bedrock and Vertex behind OpenAI's shape; the simulator paints where the mask tells it to."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from workbench.errors import InvalidInput
from workbench.gateway.providers.http import HttpClient
from workbench.gateway.providers.kinds import make_provider
from workbench.gateway.providers.mask import read_canvas
from workbench.gateway.providers.provider import CallerRefused, Provider
from workbench.gateway.unified.form import Form, read_form
from workbench.settings import parse_settings
from workbench.testing.simulator import SimulatedProviders, simulated_providers

pytestmark = pytest.mark.anyio

CONFIG = """
[providers.bedrock]
kind = "bedrock"
base_url = "{url}"
region = "eu-west-1"
credential = {{ env = "AWS" }}
[providers.vertex]
kind = "vertex"
base_url = "{url}"
project = "pro"
location = "europe-west4"
credential = {{ env = "ACCOUNT" }}
"""
TITAN, IMAGEN = "amazon.titan-image-generator-v2:0", "imagen-3.0-capability-001"
GENERATE, EDIT = "images/generations", "images/edits"


@pytest.fixture
def providers(serve, service_account, monkeypatch):
    with simulated_providers() as simulated:
        tokens = serve(lambda _: (200, {"access_token": simulated.google_token(), "expires_in": 3600}))
        monkeypatch.setenv("AWS", f"{simulated.aws_key_id}:{simulated.aws_secret}")
        monkeypatch.setenv("ACCOUNT", service_account(tokens.url))
        yield simulated


@asynccontextmanager
async def opened(simulated: SimulatedProviders, name: str) -> AsyncIterator[Provider]:
    settings = parse_settings(CONFIG.format(url=simulated.url), file=Path("workbench.toml"))
    client = HttpClient(settings.gateway.timeouts)
    await client.open()
    provider = make_provider(name, settings.providers[name], settings=settings, client=client)
    try:
        await provider.prepare()
        yield provider
    finally:
        await client.close()


class Asked:
    """A question as a provider sees it."""

    forwarded: ClassVar[dict[str, str]] = {}
    query: ClassVar[dict[str, str]] = {}
    method = "POST"
    binary = False

    def __init__(self, operation: str, fields: dict[str, Any], form: Form | None = None) -> None:
        self.operation = operation
        self.form = form
        self._fields = fields

    def body_for(self, model: str) -> bytes:
        return json.dumps({**self._fields, "model": model}).encode()


async def edit(files: dict[str, bytes], **fields: str) -> Asked:
    parts = [
        b'--b\r\ncontent-disposition: form-data; name="%b"; filename="f.png"\r\n\r\n%b\r\n' % (name.encode(), data)
        for name, data in files.items()
    ]
    body = b"".join(parts) + b"--b--\r\n"

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    form = await read_form(receive, {b"content-type": b"multipart/form-data; boundary=b"}, limit=10**8)
    return Asked(EDIT, fields, form)


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def picture(size=(32, 16), colour=(10, 200, 30)) -> Image.Image:
    return Image.new("RGB", size, colour)


def mask(box, size=(32, 16)) -> Image.Image:
    """Opaque, but transparent within the box."""
    shape = Image.new("RGBA", size, (0, 0, 0, 255))
    shape.paste((0, 0, 0, 0), box)
    return shape


def pictures_of(whole) -> list[Image.Image]:
    told = json.loads(whole.body)
    assert isinstance(told["created"], int)
    return [Image.open(io.BytesIO(base64.b64decode(one["b64_json"]))).convert("RGB") for one in told["data"]]


@pytest.mark.parametrize(("name", "model"), [("bedrock", TITAN), ("vertex", IMAGEN)])
async def test_a_picture_is_made(providers, name, model):
    wish = {"prompt": "a bowl", "n": 2, "size": "1024x1024", "quality": "standard", "user": "ana", "seed": 7}
    async with opened(providers, name) as provider:
        whole = await provider.answer(Asked(GENERATE, {**wish, "negative_prompt": "hands"}), model)
    assert len(pictures_of(whole)) == 2
    body = providers.requests[-1].body
    if name == "bedrock":
        assert body == {
            "taskType": "TEXT_IMAGE", "textToImageParams": {"text": "a bowl", "negativeText": "hands"},
            "imageGenerationConfig": {"numberOfImages": 2, "width": 1024, "height": 1024, "seed": 7,
                                      "quality": "standard"},
        }  # fmt: skip
    else:
        assert body["instances"] == [{"prompt": "a bowl"}]
        assert body["parameters"] == {"sampleCount": 2, "aspectRatio": "1:1", "seed": 7, "addWatermark": False,
                                      "negativePrompt": "hands"}  # fmt: skip


@pytest.mark.parametrize(("name", "model"), [("bedrock", TITAN), ("vertex", IMAGEN)])
@pytest.mark.parametrize(("box", "task"), [((8, 4, 20, 10), "in"), ((24, 0, 32, 16), "out")])
async def test_only_what_the_mask_leaves_open_is_painted(providers, name, model, box, task):
    wish = await edit({"image": png(picture()), "mask": png(mask(box))}, prompt="noodles", n="1")
    async with opened(providers, name) as provider:
        (painted,) = pictures_of(await provider.answer(wish, model))
    before, within = picture(), mask(box).getchannel("A").point([255] * 1 + [0] * 255)
    changed = [(x, y) for x in range(32) for y in range(16) if painted.getpixel((x, y)) != before.getpixel((x, y))]
    assert changed
    assert all(within.getpixel(at) == 255 for at in changed)
    body = providers.requests[-1].body
    if name == "bedrock":
        assert body["taskType"] == f"{task.upper()}PAINTING"
    else:
        mode = {"in": "EDIT_MODE_INPAINT_INSERTION", "out": "EDIT_MODE_OUTPAINT"}[task]
        assert body["parameters"]["editMode"] == mode


async def test_the_images_own_transparency_is_a_mask(providers):
    own = picture().convert("RGBA")
    own.paste((0, 0, 0, 0), (0, 0, 8, 16))
    async with opened(providers, "bedrock") as provider:
        await provider.answer(await edit({"image": png(own)}, prompt="noodles"), TITAN)
        assert providers.requests[-1].body["taskType"] == "OUTPAINTING"
        with pytest.raises(InvalidInput, match="mask says") as told:
            await provider.answer(await edit({"image": png(picture())}, prompt="noodles"), TITAN)
        assert told.value.param == "mask"
    async with opened(providers, "vertex") as provider:
        await provider.answer(await edit({"image": png(picture())}, prompt="noodles"), IMAGEN)
        assert providers.requests[-1].body["parameters"]["editMode"] == "EDIT_MODE_DEFAULT"


@pytest.mark.parametrize(
    ("name", "fields", "param"),
    [
        ("bedrock", {"style": "vivid"}, "style"),
        ("bedrock", {"response_format": "url"}, "response_format"),
        ("bedrock", {"background": "transparent"}, "background"),
        ("bedrock", {"quality": "low"}, "quality"),
        ("bedrock", {"size": "big"}, "size"),
        ("bedrock", {"n": 9}, "n"),
        ("vertex", {"size": "1000x1000"}, "size"),
        ("vertex", {"quality": "hd"}, "quality"),
        ("vertex", {"n": 5}, "n"),
    ],
)
async def test_what_can_not_be_honoured_is_named(providers, name, fields, param):
    async with opened(providers, name) as provider:
        with pytest.raises(InvalidInput) as told:
            await provider.answer(
                Asked(GENERATE, {"prompt": "a bowl", **fields}), TITAN if name == "bedrock" else IMAGEN
            )
    assert told.value.param == param
    assert providers.requests == []


async def test_a_prompt_that_is_filtered_is_the_callers(serve, monkeypatch):
    server = serve(lambda _: (200, {"images": [], "error": "This request has been blocked by our content filters."}))
    monkeypatch.setenv("AWS", "AKID:secret")
    text = CONFIG.format(url=server.url).split("[providers.vertex]")[0]
    settings = parse_settings(text, file=Path("workbench.toml"))
    client = HttpClient(settings.gateway.timeouts)
    await client.open()
    provider = make_provider("bedrock", settings.providers["bedrock"], settings=settings, client=client)
    await provider.prepare()
    with pytest.raises(CallerRefused, match="content filters") as told:
        await provider.answer(Asked(GENERATE, {"prompt": "x"}), TITAN)
    await client.close()
    assert told.value.error_code == "content_policy_violation"


@pytest.mark.parametrize(
    ("image", "shape", "param"),
    [
        (b"no picture", None, "image"),
        (png(picture())[:40], None, "image"),
        (png(picture()), png(mask((0, 0, 4, 4), (8, 8))), "mask"),
        (png(picture()), png(picture()), "mask"),
        (png(picture()), b"GIF89a", "mask"),
    ],
)
def test_a_picture_that_can_not_be_used_is_named(image, shape, param):
    with pytest.raises(InvalidInput) as told:
        read_canvas(image, shape)
    assert told.value.param == param


def test_the_picture_itself_goes_without_transparency():
    own = picture().convert("RGBA")
    own.paste((0, 0, 0, 0), (0, 0, 8, 16))
    canvas = read_canvas(png(own), None)
    sent = Image.open(io.BytesIO(base64.b64decode(canvas.picture)))
    assert sent.mode == "RGB"
    assert sent.getpixel((0, 0)) == (255, 255, 255)
    assert sent.getpixel((20, 5)) == (10, 200, 30)
