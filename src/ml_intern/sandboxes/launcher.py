"""Start one program in a container made of Linux namespaces; see `walls`.

Run as a script: `python -I -S launcher.py PLAN`. What is started is compiled each time, what is imported is not: hence
a file of its own.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    sys.path.append(os.path.dirname(__file__))  # -I leaves it out
    import walls  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports] - beside this file

    sys.exit(walls.main(sys.argv[1]))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
