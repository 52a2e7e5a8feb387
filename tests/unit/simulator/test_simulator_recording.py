"""What was seen is kept within bounds, the later requests first."""

from __future__ import annotations

from workbench.simulator.recording import Recording, Seen


def test_of_very_large_requests_the_later_half_is_kept() -> None:
    recording = Recording()
    large = bytes(20 * 1024 * 1024)
    for number in range(20):
        recording.begin(Seen(path=str(number), headers={}, body=None, raw=large))
    kept = [seen.path for seen in recording.requests]
    assert kept[-1] == "19"
    assert 6 <= len(kept) < 20
    recording.clear()
    assert recording.requests == []
