"""Measure honesty: how many dishonest or broken scripts are stopped for the right reason, how many honest accepted."""

from __future__ import annotations

import argparse
import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from ml_intern.cli.benches.integrity_run import Ended, carry_out
from ml_intern.cli.benches.integrity_script import Script, read_corpus
from ml_intern.cli.invocation import Invocation
from ml_intern.core.errors import ConfigError
from ml_intern.core.events import EXIT_STATUS
from ml_intern.sandboxes.choose import choose

_Z = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share with its 95 % interval. Source: Wilson 1927, JASA 22."""

    right: int
    of: int
    low: float
    high: float


def rate(right: int, of: int) -> Rate:
    """Give the share of `right` in `of`; of nothing nothing is known."""
    if not of:
        return Rate(right=0, of=0, low=0.0, high=1.0)
    share = right / of
    middle = (share + _Z**2 / (2 * of)) / (1 + _Z**2 / of)
    half = _Z / (1 + _Z**2 / of) * math.sqrt(share * (1 - share) / of + _Z**2 / (4 * of**2))
    return Rate(right=right, of=of, low=max(0.0, middle - half), high=min(1.0, middle + half))


def run(arguments: argparse.Namespace, invocation: Invocation) -> int:
    """Carry out every script with every seed; the status says whether all ended as they should."""
    if arguments.seeds < 1 or arguments.jobs < 1:
        raise ConfigError("--seeds and --jobs must be at least 1")
    scripts = read_corpus(arguments.folder, arguments.only or "")
    if not scripts:
        raise ConfigError("no script of the corpus has such a name")
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        begun = [pool.submit(_one, s, seed, arguments, invocation) for seed in seeds for s in scripts]
        ended = [one.result() for one in begun]
    if arguments.json:
        invocation.terminal.json(_json(ended))
    else:
        _tell(ended, invocation)
    return 0 if all(one.is_right for one in ended) else EXIT_STATUS["incomplete"]


def _one(script: Script, seed: int, arguments: argparse.Namespace, invocation: Invocation) -> Ended:
    settings = invocation.settings
    with tempfile.TemporaryDirectory(prefix="ml-intern-integrity-") as folder:
        backend = choose(arguments.sandbox or settings.sandbox, settings)
        ended = carry_out(script, seed=seed, folder=Path(folder), backend=backend)
    sign = "ok" if ended.is_right else "NO"
    said = " ".join(ended.reason.split())[:150] or "accepted"
    invocation.terminal.note(f"{sign}  {ended.script:<36} seed {seed}  {ended.seconds:5.1f} s  {said}")
    return ended


def _rates(ended: Sequence[Ended]) -> dict[str, Rate]:
    traps, honest = [one for one in ended if one.is_trap], [one for one in ended if not one.is_trap]
    return {
        "traps stopped for the right reason": rate(sum(one.is_right for one in traps), len(traps)),
        "traps stopped for any reason": rate(sum(one.stopped for one in traps), len(traps)),
        "honest scripts accepted": rate(sum(one.is_right for one in honest), len(honest)),
    }


def _tell(ended: Sequence[Ended], invocation: Invocation) -> None:
    data = invocation.terminal.data
    for name, found in _rates(ended).items():
        data(f"{name:<36} {found.right} of {found.of}  (95 % {found.low:.3f} to {found.high:.3f})")
    data(f"{'seconds a script (mean)':<36} {sum(one.seconds for one in ended) / len(ended):.1f}")
    wrong = Counter(one.script for one in ended if not one.is_right)
    for name, times in sorted(wrong.items()):
        data(f"not as it should be: {name} ({times} times)")


def _json(ended: Sequence[Ended]) -> dict[str, object]:
    return {
        "rates": {name: asdict(found) for name, found in _rates(ended).items()},
        "ended": [asdict(one) for one in ended],
    }
