"""Where the program ``vox`` is."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from vox.errors import NoBinaryError


def find() -> str:
    """Return the path of the program.

    ``$VOX_BINARY`` names one; else it is the one that was installed with this package; else the first
    on the path.
    """
    named = os.environ.get("VOX_BINARY")
    if named:
        if os.access(named, os.X_OK):
            return named
        raise NoBinaryError(f"$VOX_BINARY names `{named}`, which cannot be run")
    beside = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    for folder in beside:
        for name in ("vox", "vox.exe"):
            if os.access(folder / name, os.X_OK):
                return str(folder / name)
    found = shutil.which("vox")
    if found:
        return found
    raise NoBinaryError(
        "there is no program `vox` beside this Python or on the path: install the wheel, or let $VOX_BINARY name it"
    )
