"""A sampler walks the path of the noising backwards: at each time its inputs have the spread that training gave them.

The data are exchanged for normal ones, of which the best network is known, and that network is sampled from: a wrong
sign, coefficient or time shows in the spread of what it is asked next.

Source: Ho et al., arXiv 2006.11239, algorithm 2; Lipman et al., arXiv 2210.02747; Song et al., arXiv 2011.13456 §3.3.
"""

from __future__ import annotations

import contextlib

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from probes.normal_paths import BestDenoiser, Path, learn_path, normal_splits, places, scorers

_FACTOR = 1.6
"""Between deviations: a few large steps, or values that are clipped, change them by less."""
_LEAST_CALLS = 4
_LEAST = 0.02
"""Deviation below which a part is taken for constant."""


@check(family="loop", cost="dear", needs=("forward", "loss", "train", "evaluate", "raw"))
def sampler_path(candidate: Candidate) -> Outcome | None:
    """Let every function that scores a network on a part of the data score the best one."""
    noisy, time = places(candidate)
    splits = normal_splits(candidate)
    path = learn_path(candidate, splits, noisy, time)
    longest = 0
    for function in scorers(candidate):
        network = BestDenoiser(path, noisy, time)
        with contextlib.suppress(Exception), torch.no_grad():  # other functions may want more than this network has
            torch.manual_seed(0)
            function(network, splits["val"])
        times = {asked for asked, _, _ in network.asked}
        longest = max(longest, len(times))
        is_covered = all(path.covers(asked) for asked in times)
        if len(times) >= _LEAST_CALLS and is_covered and (finding := _leaves(path, network)):
            return failed(
                finding,
                where=candidate.place(function),
                advice="compare the sampler with the noising: sign of the step, coefficients, deviation and not "
                "variance of the noise, order and range of the times",
            )
    return passed(f"{longest} times") if longest >= _LEAST_CALLS else not_applicable("nothing samples step by step")


def _leaves(path: Path, network: BestDenoiser) -> str:
    for time, *deviations in network.asked:
        expected = path.spread(time)
        pairs = zip(deviations, expected, strict=True)
        if any(right > _LEAST and not 1 / _FACTOR < seen / right < _FACTOR for seen, right in pairs):
            return (
                f"with the best network for normal data, sampling reaches time {time:g} with deviations "
                f"{deviations[0]:.3g} (shared by a row) and {deviations[1]:.3g} (the rest), where the noising has "
                f"{expected[0]:.3g} and {expected[1]:.3g}"
            )
    return ""
