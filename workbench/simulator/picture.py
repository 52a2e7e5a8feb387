"""Small real pictures: PNG files written and read with nothing but zlib, so that simulated painters paint.

Source: PNG specification (W3C), eight bits a sample, not interlaced.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass

from workbench.simulator.reply import Refused

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_LARGEST = 4096 * 4096


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels, row by row."""

    width: int
    """Pixels a row."""
    height: int
    """Rows."""
    pixels: tuple[tuple[int, int, int, int], ...]
    """Red, green, blue and opacity of each."""


def painted(prompt: str, *, width: int = 16, height: int = 16) -> bytes:
    """Return a PNG whose colours follow from the prompt."""
    return write(Picture(width, height, _colours(prompt, width, height)))


def edited(picture: Picture, mask: Picture | None, prompt: str, *, white_is_edited: bool = False) -> bytes:
    """Return a PNG in which the masked pixels, or all, are painted anew and the others are as they were.

    OpenAI masks by transparency; Imagen by white, Titan by black: there the caller turns the mask round.
    """
    new = _colours(prompt, picture.width, picture.height)
    if mask is None:
        return write(Picture(picture.width, picture.height, new))
    if (mask.width, mask.height) != (picture.width, picture.height):
        raise Refused(400, "The mask must have the size of the image.")
    chosen = (m[0] > 127 if white_is_edited else m[3] < 128 for m in mask.pixels)
    pixels = tuple(fresh if edit else old for fresh, old, edit in zip(new, picture.pixels, chosen, strict=True))
    return write(Picture(picture.width, picture.height, pixels))


def inverted(mask: Picture) -> Picture:
    """Return a mask with black and white exchanged."""
    pixels = tuple((255 - red, 255 - green, 255 - blue, opacity) for red, green, blue, opacity in mask.pixels)
    return Picture(mask.width, mask.height, pixels)


def write(picture: Picture) -> bytes:
    """Return a PNG file."""
    head = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 6, 0, 0, 0)
    flat = bytes(value for pixel in picture.pixels for value in pixel)
    row = picture.width * 4
    rows = b"".join(b"\0" + flat[i : i + row] for i in range(0, len(flat), row))
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def read(png: bytes) -> Picture:
    """Read a PNG file; raises Refused where it is none, or of a sort that is not read here."""
    try:
        width, height, kind, packed = _parsed(png)
        channels = _CHANNELS[kind]
        rows = _unfiltered(zlib.decompress(packed), width * channels, channels)
    except (struct.error, zlib.error, KeyError, IndexError, ValueError) as error:
        raise Refused(400, "The image is no PNG of 8 bits a sample without interlacing.") from error
    pixels = tuple(_pixel(row[i : i + channels]) for row in rows for i in range(0, len(row), channels))
    if len(pixels) != width * height:
        raise Refused(400, "The image breaks off.")
    return Picture(width, height, pixels)


def _parsed(png: bytes) -> tuple[int, int, int, bytes]:
    if not png.startswith(_SIGNATURE):
        raise ValueError("no signature")
    at, data = len(_SIGNATURE), b""
    width = height = kind = 0
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        name, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        if name == b"IHDR":
            width, height, bits, kind, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            if bits != 8 or interlaced or not 0 < width * height <= _LARGEST:
                raise ValueError("not of this sort")
        elif name == b"IDAT":
            data += body
        at += length + 12
    return width, height, kind, data


def _unfiltered(data: bytes, length: int, channels: int) -> list[bytearray]:
    rows: list[bytearray] = []
    above = bytearray(length)
    for at in range(0, len(data), length + 1):
        row = bytearray(data[at + 1 : at + 1 + length])
        if len(row) != length:
            raise ValueError("short row")
        how = data[at]
        for i in range(length) if how else ():
            left = row[i - channels] if i >= channels else 0
            corner = above[i - channels] if i >= channels else 0
            row[i] = (row[i] + _predicted(how, left, above[i], corner)) & 255
        rows.append(row)
        above = row
    return rows


def _predicted(how: int, left: int, above: int, corner: int) -> int:
    if how == 4:
        guess = left + above - corner
        return min((left, above, corner), key=lambda value: abs(guess - value))  # ties go to the first, as PNG wants
    return (0, left, above, (left + above) // 2)[how]


def _pixel(sample: bytearray) -> tuple[int, int, int, int]:
    match len(sample):
        case 1:
            return (sample[0], sample[0], sample[0], 255)
        case 2:
            return (sample[0], sample[0], sample[0], sample[1])
        case 3:
            return (sample[0], sample[1], sample[2], 255)
        case _:
            return (sample[0], sample[1], sample[2], sample[3])


def _colours(prompt: str, width: int, height: int) -> tuple[tuple[int, int, int, int], ...]:
    raw = hashlib.sha256(prompt.encode()).digest()
    return tuple((raw[(x + y) % 32], raw[x % 32], raw[y % 32], 255) for y in range(height) for x in range(width))


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
