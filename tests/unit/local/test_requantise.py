from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from workbench.errors import InvalidInput
from workbench.local.requantise import requantise

Q4_0, Q4_1 = gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q4_1


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "first.gguf"
    numbers = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Tiny")
    writer.add_file_type(3)
    writer.add_context_length(128)
    writer.add_token_list(["<s>", "Ġa", "b"])
    writer.add_token_types([3, 1, 1])
    writer.add_chat_template("{{ messages }}")
    packed = gguf.quants.quantize(numbers.normal(size=(64, 96)).astype(np.float32), Q4_1)
    writer.add_tensor("blk.0.ffn_up.weight", packed, raw_dtype=Q4_1)
    writer.add_tensor("output_norm.weight", numbers.normal(size=96).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_only_the_named_tensors_change_and_by_little(model: Path, tmp_path: Path) -> None:
    requantise(model, tmp_path / "second.gguf", old="Q4_1", new="Q4_0", progress=False)
    first, second = gguf.GGUFReader(model), gguf.GGUFReader(tmp_path / "second.gguf")
    before, after = ({t.name: t for t in reader.tensors} for reader in (first, second))
    assert list(before) == list(after)
    assert after["blk.0.ffn_up.weight"].tensor_type == Q4_0
    assert np.array_equal(before["output_norm.weight"].data, after["output_norm.weight"].data)
    weights = gguf.quants.dequantize(before["blk.0.ffn_up.weight"].data, Q4_1)
    coarser = gguf.quants.dequantize(after["blk.0.ffn_up.weight"].data, Q4_0)
    assert 0 < np.abs(weights - coarser).mean() < 0.15 * np.abs(weights).mean()


def test_metadata_stays_but_for_the_file_type(model: Path, tmp_path: Path) -> None:
    requantise(model, tmp_path / "second.gguf", old="Q4_1", new="Q4_0", progress=False)

    def fields(path: Path) -> dict[str, object]:
        return {k: f.contents() for k, f in gguf.GGUFReader(path).fields.items() if not k.startswith("GGUF.")}

    assert fields(tmp_path / "second.gguf") == fields(model) | {"general.file_type": 2}


def test_the_same_source_gives_the_same_bytes(model: Path, tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        requantise(model, tmp_path / name, old="Q4_1", new="Q4_0", progress=False)
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


def test_a_file_without_such_tensors_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has no Q5_0 tensors"):
        requantise(model, tmp_path / "second.gguf", old="Q5_0", new="Q4_0", progress=False)
