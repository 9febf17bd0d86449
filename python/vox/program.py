"""What is run: a program's file or text, its inputs and settings, as options of the command line."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Union

from vox.image import Image
from vox.store import Store

Program = Union[str, os.PathLike[str]]
"""A program: a path, or its text. A str is a path when it is one line that ends in ``.imgql``."""
Input = Union[str, os.PathLike[str], Image, Any]
"""A file, an `Image`, or an image of nibabel or SimpleITK."""
Inputs = Mapping[str, Input]
Setting = Union[bool, float, str]
"""What a top-level name of a program may be set to."""
Settings = Mapping[str, Setting]
Cases = Union[str, os.PathLike[str], Mapping[str, Inputs]]
"""A folder with a subfolder for each case, or the inputs of each case by its name."""
AnyStore = Union[Store, str, os.PathLike[str], None]


@dataclass
class Asked:
    """A program with what it is given, as arguments of the command line."""

    program: str
    text: Optional[str]
    options: list[str] = field(default_factory=list)
    scratch: Optional[tempfile.TemporaryDirectory[str]] = None

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *_: object) -> None:
        if self.scratch is not None:
            self.scratch.cleanup()

    def folder(self) -> Path:
        """Return a folder that lives as long as this."""
        if self.scratch is None:
            self.scratch = tempfile.TemporaryDirectory(prefix="vox-")
        return Path(self.scratch.name)

    def arguments(self) -> list[str]:
        """Return program and options."""
        return [*self.options, "--", self.program]


def is_path(program: Program) -> bool:
    """Say whether a program is given by its file."""
    return not isinstance(program, str) or (program.endswith(".imgql") and "\n" not in program)


def ask(
    program: Program,
    inputs: Optional[Inputs] = None,
    settings: Optional[Settings] = None,
    cases: Optional[Cases] = None,
) -> Asked:
    """Put together what is asked; what is no file yet is written into a folder of its own."""
    if is_path(program):
        asked = Asked(program=os.fspath(program), text=None)
    else:
        asked = Asked(program="-", text=os.fspath(program))
    for name, value in (inputs or {}).items():
        # In a cohort a text may be a pattern with {case} in it.
        path = value if isinstance(value, str) else _file(value, asked.folder, name)
        asked.options += ["--in", f"{name}={os.fspath(path)}"]
    for name, setting in (settings or {}).items():
        asked.options += ["--set", f"{name}={word(setting)}"]
    if isinstance(cases, Mapping):
        asked.options += _cohort(cases, asked.folder() / "cases")
    elif cases is not None:
        asked.options += ["--cases", os.fspath(cases)]
    return asked


def word(setting: Setting) -> str:
    """Return a setting as the command line reads it."""
    if isinstance(setting, bool):
        return "true" if setting else "false"
    if isinstance(setting, str):
        escaped = setting.replace('"', '\\"')
        return f'"{escaped}"'
    number = float(setting)
    if not math.isfinite(number):
        raise ValueError(f"a setting is a finite number, not {number}")
    return repr(number)


def store_options(store: AnyStore) -> list[str]:
    """Return the options that name a store."""
    if store is None:
        return []
    return ["--store", os.fspath(store.path if isinstance(store, Store) else store)]


def _file(value: Input, folder: Any, name: str) -> Path:
    """Return the file of an input, writing one for an image that is in memory."""
    if isinstance(value, (str, os.PathLike)):
        return Path(value)
    image = value
    if not isinstance(value, Image):
        if hasattr(value, "GetSpacing"):
            image = Image.from_sitk(value)
        elif hasattr(value, "affine"):
            image = Image.from_nibabel(value)
        else:
            raise TypeError(f"`{name}` is a {type(value).__name__}: give a path, or vox.Image.of(array, spacing)")
    path: Path = folder() / f"{name}.mha"
    image.write_mha(path)
    return path


def _cohort(cases: Mapping[str, Inputs], root: Path) -> list[str]:
    """Lay out a folder of links with a subfolder for each case, and return the options that read it."""
    patterns: dict[str, str] = {}
    root.mkdir()
    for case, inputs in cases.items():
        if not case or case.startswith(".") or "/" in case or "\\" in case:
            raise ValueError(f"`{case}` cannot be the name of a case: it becomes a folder")
        folder = root / case
        folder.mkdir()
        for name, value in inputs.items():
            path = _file(value, lambda folder=folder: folder, f".{name}")
            suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
            if patterns.setdefault(name, name + suffix) != name + suffix:
                raise ValueError(f"the files of `{name}` end in {suffix} and in another way: one ending for all")
            (folder / f"{name}{suffix}").symlink_to(path.absolute())
    options = ["--cases", os.fspath(root)]
    for name, pattern in patterns.items():
        options += ["--in", f"{name}={pattern}"]
    return options
