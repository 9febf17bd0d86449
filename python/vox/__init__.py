"""imgQL image analyses with a store of results, from Python.

    import vox

    found = vox.run("lesion.imgql", inputs={"flair": "scan.nii.gz", "seg": "truth.nii.gz"})
    found["dice"]                    # what the program prints under that name
    found["lesion.nii.gz"].array     # what it saves: a numpy array, read when it is looked at

Axes are x, y, z everywhere, x first; spacings and origins are millimetres; the world is LPS (x to the
left, y to the back, z up), as in DICOM and ITK.

`vox.distributed` spreads cohorts over a Dask cluster, `vox.tables` keeps what they print.
"""

from vox.checking import check
from vox.errors import (
    CrashError,
    GoalError,
    InputError,
    MissingError,
    Mistake,
    NoBinaryError,
    Place,
    ProgramError,
    StoppedError,
    StoreError,
    UsageError,
    VoxError,
)
from vox.image import Grid, Image, Overlay
from vox.result import Cohort, Counts, Goal, Result
from vox.running import run, table
from vox.store import Receipt, Store, load

__all__ = [
    "Cohort",
    "Counts",
    "CrashError",
    "Goal",
    "GoalError",
    "Grid",
    "Image",
    "InputError",
    "MissingError",
    "Mistake",
    "NoBinaryError",
    "Overlay",
    "Place",
    "ProgramError",
    "Receipt",
    "Result",
    "StoppedError",
    "Store",
    "StoreError",
    "UsageError",
    "VoxError",
    "check",
    "load",
    "run",
    "table",
]
