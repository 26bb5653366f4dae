"""Start one program in a container made of Linux namespaces; see `walls`.

Run as a script: `python -I -S launcher.py PLAN`. What is started is compiled each time, what is imported is not: hence
a file of its own.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    here = os.path.dirname(__file__)
    sys.path += [here, f"{here}/inside"]  # -I leaves them out
    import lean  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports] - what the inside uses
    import walls  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports] - beside this file

    sys.exit(walls.main(lean.loads(sys.argv[1])))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
