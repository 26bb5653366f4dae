"""Say what this sandbox's Python is and has: asked by the host before packages are added. Reports one JSON object."""

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
from importlib import metadata
from pathlib import Path


def describe() -> dict[str, object]:
    """Give the values that markers of requirements are judged by, installed packages, and the modules' names."""
    version = platform.python_version()
    names = {path.name.partition(".")[0] for path in Path(sysconfig.get_path("purelib")).iterdir()}
    return {
        "environment": {
            "implementation_name": sys.implementation.name,
            "implementation_version": version,
            "os_name": os.name,
            "platform_machine": platform.machine(),
            "platform_python_implementation": platform.python_implementation(),
            "platform_release": "",
            "platform_system": platform.system(),
            "platform_version": "",
            "python_full_version": version,
            "python_version": ".".join(version.split(".")[:2]),
            "sys_platform": sys.platform,
        },
        "packages": {found.metadata["Name"]: found.version for found in metadata.distributions()},
        "modules": sorted({name for name in names if name.isidentifier()} | set(sys.stdlib_module_names)),
    }


if __name__ == "__main__":
    os.write(int(os.environ["ML_INTERN_REPORT_FD"]), json.dumps(describe()).encode() + b"\n")
