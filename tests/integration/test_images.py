"""Out-painting through a real gateway, by simulated painters of three protocols: the picture stays, the rest is new."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

import workbench as wb
from workbench.client import AsyncGateway, Gateway
from workbench.client.key_desk import KeyDesk
from workbench.errors import InvalidInput, NotFound, ProviderError
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.painter import SimulatedPainter
from workbench.testing.simulator import SimulatedProviders

MODELS = {
    "squares": ("openai", "dall-e-2"),
    "gpt": ("openai", "gpt-image-1"),
    "titan": ("bedrock", "amazon.titan-image-generator-v2:0"),
    "imagen": ("vertex", "imagen-3.0-capability-001"),
    "no-edits": ("openai", "dall-e-3"),
}
CONFIG = """
[gateway]
port = 0
[providers.openai]
kind = "openai"
base_url = "{url}/v1"
credential = {{ env = "SIMULATED_KEY" }}
[providers.bedrock]
kind = "bedrock"
base_url = "{url}"
region = "eu-west-1"
credential = {{ env = "SIMULATED_AWS" }}
[providers.vertex]
kind = "vertex"
base_url = "{url}"
project = "pro"
location = "europe-west4"
credential = {{ file = "account.json" }}
"""


@pytest.fixture(scope="module")
def running(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("images")
    (home / "account.json").write_text(providers.service_account())
    models = "".join(
        f'[[models]]\nname = "{name}"\ntask = "image"\ndeployments = [{{ provider = "{of}", model = "{model}" }}]\n'
        for name, (of, model) in MODELS.items()
    )
    environ = {
        "SIMULATED_KEY": providers.credential,
        "SIMULATED_AWS": f"{providers.aws_key_id}:{providers.aws_secret}",
    }
    with running_gateway(home, config=CONFIG.format(url=providers.url) + models, environ=environ) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def gateway(running: RunningGateway) -> Iterator[Gateway]:
    with Gateway(url=running.url, key=running.issue_key()) as client:
        yield client


@pytest.fixture(autouse=True)
def _as_new(providers: SimulatedProviders) -> None:
    providers.clear()


def dish(width: int = 60, height: int = 40, mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(7)
    channels = len(Image.new(mode, (1, 1)).getbands())
    return Image.fromarray(rng.integers(0, 256, (height, width, channels), dtype=np.uint8), mode)


def painted_part(whole: Image.Image, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return the pixels outside a box."""
    seen = np.ones((whole.height, whole.width), dtype=bool)
    seen[box[1] : box[3], box[0] : box[2]] = False
    return np.asarray(whole.convert("RGB"))[seen]


@pytest.mark.parametrize("model", ["squares", "titan", "imagen"])
def test_every_pixel_of_the_picture_stays_and_what_is_new_is_painted(model: str, gateway: Gateway) -> None:
    picture = dish()
    whole = wb.images.outpaint(
        picture, expand={"left": 30, "top": 0.25}, prompt="a wooden table", model=model, gateway=gateway
    )
    assert (whole.size, whole.mode) == ((90, 50), "RGB")
    assert whole.crop((30, 10, 90, 50)).tobytes() == picture.tobytes()
    new = painted_part(whole, (30, 10, 90, 50))
    assert new.std() > 0, "the new part is a flat colour"
    assert (new == 255).all(axis=1).mean() < 0.05, "the new part is the white of the padding"


def test_what_a_model_is_sent_is_of_its_size_and_masked_where_there_is_nothing(
    gateway: Gateway, providers: SimulatedProviders
) -> None:
    wb.images.outpaint(dish(), aspect="1:1", prompt="a table", model="squares", gateway=gateway)
    seen = next(one for one in providers.requests if one.path.endswith("/images/edits"))
    assert b"256x256" in seen.raw
    assert b"b64_json" in seen.raw


def test_a_transparent_picture_keeps_its_transparency_and_the_new_part_has_none(gateway: Gateway) -> None:
    picture = dish(mode="RGBA")
    whole = wb.images.outpaint(picture, expand=20, prompt="a table", model="squares", gateway=gateway)
    assert whole.crop((20, 20, 80, 60)).tobytes() == picture.tobytes()
    assert whole.getpixel((5, 5))[3] == 255


def test_a_feathered_seam_blends_on_the_sides_that_grow_and_nowhere_else(gateway: Gateway) -> None:
    picture = dish()
    whole = wb.images.outpaint(
        picture, expand={"right": 30}, feather=8, prompt="a table", model="squares", gateway=gateway
    )
    inner = np.asarray(whole.crop((0, 0, 60, 40)))
    before = np.asarray(picture)
    assert (inner[:, :52] == before[:, :52]).all()
    assert (inner[:, 52:] != before[:, 52:]).any()
    assert (inner[:, 59] != before[:, 59]).any()


def test_the_result_tells_the_call_and_the_ledger_knows_it(gateway: Gateway) -> None:
    whole = wb.images.outpaint(
        dish(), expand=10, prompt="a table", model="squares", gateway=gateway, tags={"menu": "noodles"}
    )
    [row] = gateway.calls(whole.info["request_id"])
    assert (row["path"], row["images"], whole.info["model"]) == ("/v1/images/edits", 1, "squares")
    assert whole.info["cost_usd"] == row["cost_usd"]
    assert "menu" in str(row["tags"])


def test_a_picture_that_was_held_sideways_is_painted_upright(gateway: Gateway) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    out = io.BytesIO()
    dish().save(out, "JPEG", exif=exif)
    whole = wb.images.outpaint(out.getvalue(), expand=10, prompt="a table", model="squares", gateway=gateway)
    assert whole.size == (60, 80)


def test_a_large_picture_stays_exact_and_the_caller_is_warned_that_the_new_part_is_soft(gateway: Gateway) -> None:
    picture = dish(700, 500)
    with pytest.warns(UserWarning, match=r"painted at 256x256 and enlarged 3.0 times to 768x500"):
        whole = wb.images.outpaint(
            picture, expand={"left": 68}, prompt="a table", model="squares", canvas=(256, 256), gateway=gateway
        )
    assert whole.crop((68, 0, 768, 500)).tobytes() == picture.tobytes()


def test_a_huge_picture_is_made_smaller_with_a_warning(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.images import outpainting

    monkeypatch.setattr(outpainting, "MOST_PIXELS", 20_000)
    with pytest.warns(UserWarning, match="the picture is made smaller, to 100x100 in 200x100"):
        whole = wb.images.outpaint(
            dish(200, 200), expand={"right": 200}, prompt="a table", model="squares", gateway=gateway
        )
    assert whole.size == (200, 100)


def test_pictures_are_made_of_words(gateway: Gateway) -> None:
    made = wb.images.generate("a bowl of noodles", n=2, size=(256, 256), model="squares", gateway=gateway)
    assert [one.format for one in made] == ["PNG", "PNG"]
    assert made[0].tobytes() != made[1].tobytes()
    assert made[0].info["request_id"] == made[1].info["request_id"]


def test_among_several_models_the_caller_chooses_and_those_that_can_are_named(gateway: Gateway) -> None:
    with pytest.raises(InvalidInput, match="'squares', 'gpt', 'titan', 'imagen'"):
        wb.images.outpaint(dish(), expand=10, prompt="a table", gateway=gateway)
    with pytest.raises(InvalidInput, match="edits none"):
        wb.images.outpaint(dish(), expand=10, prompt="a table", model="no-edits", gateway=gateway)


def test_an_unknown_model_and_an_unknown_parameter_are_told_with_what_is_near(gateway: Gateway) -> None:
    with pytest.raises(NotFound, match="squares"):
        wb.images.outpaint(dish(), expand=10, prompt="a table", model="sqares", gateway=gateway)
    with pytest.raises(InvalidInput, match="'quality'"):
        wb.images.outpaint(dish(), expand=10, prompt="a table", model="squares", qualty="high", gateway=gateway)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"prompt": " "}, "The prompt is empty"),
        ({"feather": 21}, "Use 0 to 20 pixels"),
        ({"feather": -1}, "feather is -1"),
        ({"canvas": (0, 256)}, "is no size"),
    ],
)
def test_a_wrong_wish_costs_no_call(
    wish: dict[str, object], told: str, gateway: Gateway, providers: SimulatedProviders
) -> None:
    with pytest.raises(InvalidInput, match=told):
        wb.images.outpaint(dish(), expand=10, **{"prompt": "a table", "model": "squares", "gateway": gateway, **wish})  # type: ignore[arg-type]
    assert not providers.requests


def test_an_answer_of_another_shape_is_the_providers_fault_and_says_what_to_pass(gateway: Gateway) -> None:
    # The simulated gpt-image-1 answers in the size of what it was sent; here it is told another one.
    with pytest.raises(ProviderError, match=r"canvas=\(width, height\)"):
        _Crooked(gateway).outpaint()


class _Crooked:
    """A gateway whose answer has another shape than what was sent."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def outpaint(self) -> None:
        wb.images.outpaint(dish(), expand=10, prompt="a table", model="squares", gateway=self)  # type: ignore[arg-type]

    def models(self, **wish: str) -> object:
        return self._gateway.models(**wish)  # type: ignore[arg-type]

    def paint(self, prompt: str, *, image: bytes, mask: bytes, **rest: object) -> object:
        half = Image.open(io.BytesIO(image)).crop((0, 0, 256, 128))
        out = io.BytesIO()
        half.save(out, "PNG")
        return self._gateway.paint(prompt, image=out.getvalue(), **rest)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_the_async_client_paints_too(running: RunningGateway) -> None:
    client = AsyncGateway(url=running.url, key=running.issue_key())
    try:
        made = await client.paint("a bowl", model="squares", response_format="b64_json")
    finally:
        await client.close()
    assert made.images[0].startswith(b"\x89PNG")


def test_the_simulated_painter_needs_nothing_and_leaves_nothing(home: object) -> None:
    with SimulatedPainter() as painter:
        whole = wb.images.outpaint(dish(), expand=0.5, prompt="a table", gateway=painter.gateway)
        assert whole.size == (120, 80)
        url = painter.gateway.url
        assert "wbx-" not in repr(painter)
    with pytest.raises(wb.WorkbenchError):
        Gateway(url=url, key="wbx-gone", max_retries=0).me()


def test_a_key_that_may_use_no_painter_is_told_who_can_help(running: RunningGateway) -> None:
    desk = KeyDesk(running.url, running.owner_token)
    bare = desk.issue_scoped({"models": ["smollm2-135m"]}, expires_in=60, timeout=10).key
    with Gateway(url=running.url, key=bare) as client, pytest.raises(NotFound, match='task = "image"'):
        wb.images.outpaint(dish(), expand=10, prompt="a table", gateway=client)
