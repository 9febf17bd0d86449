"""Runs a program over one case or a cohort."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, Optional, Union, overload

from vox import call as calling
from vox.call import Event
from vox.program import AnyStore, Cases, Inputs, Program, Settings, ask, store_options
from vox.result import Cohort, Result, Where

if TYPE_CHECKING:
    import pyarrow as pa

INPUTS = ("E024", "E025")
"""How the codes of mistakes of inputs begin."""


@overload
def run(
    program: Program,
    inputs: Optional[Inputs] = ...,
    settings: Optional[Settings] = ...,
    *,
    cases: None = ...,
    store: Union[AnyStore, Literal[False]] = ...,
    output: Union[str, os.PathLike[str], None] = ...,
    threads: Optional[int] = ...,
    options: Sequence[str] = ...,
    on_event: Optional[Callable[[Event], None]] = ...,
) -> Result: ...


@overload
def run(
    program: Program,
    inputs: Optional[Inputs] = ...,
    settings: Optional[Settings] = ...,
    *,
    cases: Cases,
    store: Union[AnyStore, Literal[False]] = ...,
    output: Union[str, os.PathLike[str], None] = ...,
    threads: Optional[int] = ...,
    options: Sequence[str] = ...,
    on_event: Optional[Callable[[Event], None]] = ...,
) -> Cohort: ...


def run(
    program: Program,
    inputs: Optional[Inputs] = None,
    settings: Optional[Settings] = None,
    *,
    cases: Optional[Cases] = None,
    store: Union[AnyStore, Literal[False]] = None,
    output: Union[str, os.PathLike[str], None] = None,
    threads: Optional[int] = None,
    options: Sequence[str] = (),
    on_event: Optional[Callable[[Event], None]] = None,
) -> Union[Result, Cohort]:
    """Run a program; what the store knows already is not computed again.

    - `program`: a path, or the text itself.
    - `inputs`: for each name that the program loads a path, an `Image`, or an image of nibabel or
      SimpleITK. With a folder of `cases`, patterns such as ``"{case}_t2.nii.gz"``.
    - `settings`: other values of the program's top-level names.
    - `cases`: a folder with a subfolder for each case, or a dict of the inputs of each case; the answer
      is then a `Cohort`.
    - `store`: a folder or a `Store`; without, the one that the command line uses from here. False: one that
      goes with the answer.
    - `output`: where what the program saves is written; without, it is only in the store, and read from there.
    - `threads`: how many; without, all cores.
    - `options`: more options of ``vox run``.
    - `on_event`: told what happens while it runs: dicts with ``event`` and in a cohort ``case``.

    A goal that an operator refused is an error of that goal (`Result.errors`), not an exception. Mistakes of
    the program are a ProgramError, of its inputs an InputError. Ctrl-C stops the run, and what it has
    computed is kept.
    """
    hold: Optional[TemporaryDirectory[str]] = None
    if store is False:
        hold = TemporaryDirectory(prefix="vox-store-")
        place: AnyStore = os.path.join(hold.name, "store")
    else:
        place = store
    words = ["run", "--json", "--events", "--message-format", "json", *store_options(place)]
    words += ["--no-save"] if output is None else ["--output", os.fspath(output)]
    if threads is not None:
        words += ["--threads", str(threads)]
    with ask(program, inputs, settings, cases) as asked:
        called = calling.call([*words, *options, *asked.arguments()], asked.text, on_event)
    return answer(called, place, output, hold, is_cohort=cases is not None)


def answer(
    called: calling.Called,
    place: AnyStore,
    output: Union[str, os.PathLike[str], None],
    hold: Optional[TemporaryDirectory[str]],
    *,
    is_cohort: bool,
) -> Union[Result, Cohort]:
    """Return what a run told last, or raise why it told nothing."""
    told = next((told["answer"] for told in reversed(called.told) if told.get("event") == "end"), None)
    if told is None or called.code not in (0, 1, 4):
        raise called.error()
    where = Where(place, output, hold)
    if is_cohort and all("error" in case for case in told["cases"]):
        # What is wrong with all of them is most often said of the program: once, with its places.
        called.mistakes = list(dict.fromkeys(called.mistakes))
        of_program = any(mistake.code and not mistake.code.startswith(INPUTS) for mistake in called.mistakes)
        called.code = 3 if of_program else 4
        raise called.error()
    return Cohort(told, where) if is_cohort else Result(told, where)


def table(
    store: AnyStore,
    program: Program,
    *,
    cases: Cases,
    inputs: Optional[Inputs] = None,
    settings: Optional[Settings] = None,
) -> pa.Table:
    """Return what a program prints over a cohort: a row for each case, sorted; `case`, then its goals.

    A table is a view of the store: what is there is only read, the rest is computed and kept. Where an operator
    refused, a cell is null. Numbers are doubles, sequences lists, records structs.
    """
    return run(program, inputs, settings, cases=cases, store=store).table()
