"""Looks for mistakes without running anything."""

from __future__ import annotations

from typing import Optional

from vox import call as calling
from vox.errors import Mistake
from vox.program import Inputs, Program, Settings, ask


def check(program: Program, inputs: Optional[Inputs] = None, settings: Optional[Settings] = None) -> list[Mistake]:
    """Return all mistakes of a program and of its inputs, with their places; warnings and notes too.

    Names, arities, kinds, files, grids and goals are checked; nothing is run, and no store is opened.
    """
    with ask(program, inputs, settings) as asked:
        called = calling.call(["check", "--message-format", "json", *asked.arguments()], asked.text)
    if called.code and not called.mistakes:
        raise called.error()
    return called.mistakes
