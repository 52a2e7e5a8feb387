"""A second model out of a first: the same network with its quantised tensors packed in another GGML type.

Everything else stays: metadata, tokenizer, chat template and the tensors of other types. Source: the GGUF
specification and the reference quantisation in the `gguf` package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from workbench.errors import InvalidInput, MissingComponent

_FILE_TYPES = {"Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9}  # llama.cpp's LLAMA_FTYPE_MOSTLY_*


def requantise(source: Path, draft: Path, *, old: str, new: str, progress: bool) -> None:
    """Write to `draft` the model of `source`, its tensors of type `old` packed as `new`.

    About 8 s of CPU for 135 million weights. The same source gives the same bytes.
    """
    try:
        import gguf  # noqa: PLC0415 - only this needs it
    except ImportError as error:
        raise MissingComponent(
            "Weights are re-quantised by the package gguf, which is not installed.",
            hint="`pip install 'genai-workbench[local]'`",
        ) from error

    old_type, new_type = gguf.GGMLQuantizationType[old], gguf.GGMLQuantizationType[new]
    reader = gguf.GGUFReader(source)
    if not any(tensor.tensor_type == old_type for tensor in reader.tensors):
        raise InvalidInput(f"{source.name} has no {old} tensors to re-quantise.")
    fields = {key: field for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    writer = gguf.GGUFWriter(draft, fields.pop("general.architecture").contents())
    with tqdm(
        total=len(fields) + len(reader.tensors), unit="part", desc=f"{old} to {new}", disable=not progress
    ) as bar:
        for key, field in fields.items():
            value = _FILE_TYPES[new] if key == "general.file_type" else field.contents()
            _add_field(gguf, writer, key, value, field.types)
            bar.update()
        for tensor in reader.tensors:
            if tensor.tensor_type == old_type:
                weights = gguf.quants.dequantize(tensor.data, old_type)
                writer.add_tensor(tensor.name, gguf.quants.quantize(weights, new_type), raw_dtype=new_type)
            else:
                writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            bar.update()
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def _add_field(gguf: Any, writer: Any, key: str, value: Any, types: list[Any]) -> None:
    inner = types[-1] if types[0] == gguf.GGUFValueType.ARRAY else None
    writer.add_key_value(key, value, types[0], sub_type=inner)
