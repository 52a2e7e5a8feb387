"""The paired permutation test: whether the signs of the differences may as well have fallen by chance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_EXACT_UP_TO = 16
_FLIPS = 20_000
_CHUNK = 500


def sign_flip_p_value(differences: NDArray[np.float64], *, seed: int = 0) -> float:
    """Return the two-sided mid-p value of the sign-flip test that paired differences lean to neither side.

    Differences of one size (binary scores) are counted exactly, which is McNemar's mid-p test (Fagerland, Lydersen &
    Laake 2013, BMC Medical Research Methodology 13:91). Up to 16 differences that are not zero are enumerated; more
    are sampled 20,000 times with the seed. The test is Fisher's (The Design of Experiments, 1935, section 21); mid-p
    counts half of the arrangements that are as extreme as the one observed.
    """
    sizes = np.abs(differences[differences != 0])
    if len(sizes) == 0:
        return 1.0
    observed = abs(float(differences.sum()))
    tolerance = 1e-9 * float(sizes.sum())
    if float(np.ptp(sizes)) <= tolerance:
        return _binomial_mid_p(len(sizes), round(observed / float(sizes.mean())))
    if len(sizes) <= _EXACT_UP_TO:
        return _mid_p(_all_sums(sizes), observed, tolerance)
    sums = np.abs(_sampled_sums(sizes, seed))
    above = int((sums > observed + tolerance).sum())
    equal = int((np.abs(sums - observed) <= tolerance).sum())
    # The observed arrangement is one of those that could have been drawn, so a p value is never 0.
    return (above + 0.5 * (equal + 1)) / (_FLIPS + 1)


def _binomial_mid_p(trials: int, lead: int) -> float:
    fewer = (trials - lead) // 2
    if lead == 0:
        return 1 - float(math.comb(trials, fewer) / 2 ** (trials + 1))
    below = sum(math.comb(trials, k) for k in range(fewer))
    return float((2 * below + math.comb(trials, fewer)) / 2**trials)


def _mid_p(sums: NDArray[np.float64], observed: float, tolerance: float) -> float:
    sizes = np.abs(sums)
    above = float((sizes > observed + tolerance).mean())
    equal = float((np.abs(sizes - observed) <= tolerance).mean())
    return above + 0.5 * equal


def _all_sums(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums + size, sums - size])
    return sums


def _sampled_sums(sizes: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    random, n = np.random.default_rng(seed), len(sizes)
    sums = []
    for _ in range(_FLIPS // _CHUNK):
        bits = np.frombuffer(random.bytes(_CHUNK * -(-n // 8)), dtype=np.uint8).reshape(_CHUNK, -1)
        kept = np.unpackbits(bits, axis=1, count=n)
        sums.append(2 * (kept.astype(np.float64) @ sizes) - sizes.sum())
    return np.concatenate(sums)
