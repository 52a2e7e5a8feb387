"""Heads leave with the bytes that follow them, and none is kept back."""

from workbench.gateway.protocol import _Joined


class Transport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    get_extra_info = is_closing = pause_reading = resume_reading = None


def joined() -> tuple[_Joined, Transport]:
    transport = Transport()
    return _Joined(transport), transport  # type: ignore[arg-type]


def test_a_head_and_the_first_bytes_are_one_write() -> None:
    ours, below = joined()
    ours.write(b"HTTP/1.1 200 OK\r\n\r\n")
    ours.write(b"body")
    ours.write(b"more")
    assert below.written == [b"HTTP/1.1 200 OK\r\n\r\nbody", b"more"]


def test_a_head_alone_leaves_at_the_end() -> None:
    for end in ("flush", "close"):
        ours, below = joined()
        ours.write(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        getattr(ours, end)()
        assert below.written == [b"HTTP/1.1 304 Not Modified\r\n\r\n"]


def test_a_continue_does_not_wait() -> None:
    ours, below = joined()
    ours.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert below.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]
