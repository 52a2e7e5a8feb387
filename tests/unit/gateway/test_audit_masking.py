"""What looks like a credential is blotted out, whatever stands around it; all else stays."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.gateway.audit import masking
from workbench.gateway.audit.masking import mask_credentials

SECRET = "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA"
NAMES = [
    "authorization", "Authorization", "x-api-key", "api_key", "apiKey", "access_token", "accessToken", "refresh-token",
    "client_secret", "clientSecret", "secret_access_key", "session_token", "password", "Set-Cookie",
]  # fmt: skip
SHAPES = [
    f"wbx-{SECRET}", f"wbp-{SECRET}", f"wbo-{SECRET}", f"sk-proj-{SECRET}", f"ghp_{SECRET}", f"xoxb-{SECRET}",
    "AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", f"AIza{SECRET}", f"hf_{SECRET}", f"gsk_{SECRET}",
    f"eyJ{SECRET}.eyJ{SECRET}.{SECRET}", f"Bearer {SECRET}",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_field_that_is_called_like_a_credential_is_emptied(name: str) -> None:
    body = json.dumps({"tools": [{name: 'a "quoted" one', "kept": "kept"}]}).encode()
    assert json.loads(mask_credentials(body)) == {"tools": [{name: "***", "kept": "kept"}]}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_has_the_shape_of_a_credential_goes_from_any_text(shape: str) -> None:
    masked = mask_credentials(f"it is {shape}, they say".encode())
    assert SECRET not in masked.decode()
    assert shape not in masked.decode()
    assert masked.startswith(b"it is ")
    assert masked.endswith(b", they say")


def test_what_is_none_stays_as_it_is() -> None:
    body = b'{"usage": {"prompt_tokens": 3}, "content": "a risk-free task-list, the key of the matter: they, eyJust"}'
    assert mask_credentials(body) == body


_PARTS = st.sampled_from(
    [*SHAPES, *(f'"{name}": "{SECRET}"' for name in NAMES), *(f'"{name.upper()}" :"x"' for name in NAMES)]
) | st.text('wbxgskhfAKSIzayeJjr-_ "\\:ü', max_size=6)


@given(st.lists(_PARTS, max_size=5))
def test_a_body_that_is_not_looked_at_closely_has_nothing_to_blot_out(parts: list[str]) -> None:
    body = "".join(parts).encode()
    named = masking._NAMED.sub(rb"\1***", body)
    assert mask_credentials(body) == masking._SHAPED.sub(b"***", named)
