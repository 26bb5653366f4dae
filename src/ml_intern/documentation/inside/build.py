"""Build the index of what is installed: `python -I build.py FILE [FOLDER]`. Reads source, imports nothing of it.

Without FOLDER, of this Python's own packages: those that somebody asked for by name (their `REQUESTED` file, as pip
writes it), and a few that they bring. With FOLDER, of every package that was unpacked there.
"""

from __future__ import annotations

import gc
import os
import sys
import sysconfig
import time
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # -I leaves it out

from store import Described, Distribution, write
from surface import Surface

_ALSO = ("scipy", "tokenizers", "pyarrow", "tqdm")
_NEVER = ("pip", "setuptools", "wheel")


def build(place: Path, folder: Path | None = None) -> str:
    """Build the index, and say how large it became."""
    begun = time.monotonic()
    site = folder or Path(sysconfig.get_path("purelib"))
    found = distributions(site, only_asked_for=folder is None)
    place.parent.mkdir(parents=True, exist_ok=True)
    largest_first = sorted(found, key=lambda one: -_size(site, one))
    with ProcessPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        count = write(place, pool.map(described, [site] * len(found), largest_first))
    megabytes, seconds = place.stat().st_size / 1e6, time.monotonic() - begun
    return f"{count} entries of {len(found)} packages, {megabytes:.1f} MB, in {seconds:.1f} s"


def distributions(site: Path, *, only_asked_for: bool) -> list[Distribution]:
    """Give the installed packages that are worth an index."""
    found: dict[str, Distribution] = {}
    for one in metadata.distributions(path=[str(site)]):
        name = one.metadata["Name"]
        is_asked_for = not only_asked_for or one.read_text("REQUESTED") is not None
        if name in _NEVER or not (is_asked_for or name in _ALSO):
            continue
        modules = _modules(one, site)
        if modules:
            found[name] = Distribution(name=name, version=one.version, modules=modules, is_asked_for=is_asked_for)
    return [found[name] for name in sorted(found)]


def described(site: Path, distribution: Distribution) -> Described:
    """Read one package."""
    gc.disable()  # syntax trees have no circles, and looking for some would take longer than reading
    return distribution, [pair for module in distribution.modules for pair in Surface(site, module).entries()]


def _modules(distribution: metadata.Distribution, site: Path) -> tuple[str, ...]:
    """Give the names that a package lets one import, private ones left out."""
    tops = {str(file).split("/")[0] for file in distribution.files or () if str(file).endswith((".py", ".pyi"))}
    names = {top.removesuffix(".py") for top in tops if not top.endswith(".pyi")}
    known = (name for name in names if name.isidentifier() and not name.startswith("_"))
    return tuple(sorted(n for n in known if (site / n / "__init__.py").exists() or (site / f"{n}.py").exists()))


def _size(site: Path, distribution: Distribution) -> int:
    return sum(path.stat().st_size for name in distribution.modules for path in (site / name).rglob("*.py"))


if __name__ == "__main__":
    print(build(*map(Path, sys.argv[1:])))  # noqa: T201 - its output
