"""What goes wrong, sorted by whose it is: that decides what a person does next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional


@dataclass(frozen=True)
class Place:
    """Where in a program something is written."""

    file: str
    """The file as it was named, or ``-`` for a text."""
    bytes: tuple[int, int]
    """The first byte, and the one behind the last."""
    start: tuple[int, int]
    """Line and column (in characters), from 1."""
    end: tuple[int, int]
    """Likewise, behind the last character."""
    label: str
    """What is said about this place; may be empty."""


@dataclass(frozen=True)
class Mistake:
    """A mistake of a program or an input, found before anything runs."""

    code: Optional[str]
    """Such as ``E0203``; ``vox explain E0203`` tells more. None for troubles besides the program."""
    message: str
    severity: str
    """``error``, ``warning`` or ``note``."""
    places: tuple[Place, ...]
    """The first is the one that the message is about."""
    help: Optional[str]
    """What to write instead."""

    @staticmethod
    def of(told: Mapping[str, Any]) -> Mistake:
        """Read a mistake as ``vox --message-format json`` tells it."""
        places = tuple(
            Place(
                file=place["file"],
                bytes=(place["bytes"][0], place["bytes"][1]),
                start=(place["start"]["line"], place["start"]["column"]),
                end=(place["end"]["line"], place["end"]["column"]),
                label=place.get("label") or "",
            )
            for place in told.get("places", ())
        )
        return Mistake(
            code=told.get("code"),
            message=told["message"],
            severity=told.get("severity", "error"),
            places=places,
            help=told.get("help"),
        )

    def __str__(self) -> str:
        code = f"[{self.code}]" if self.code else ""
        text = f"{self.severity}{code}: {self.message}"
        if self.places:
            place = self.places[0]
            text += f"\n --> {place.file}:{place.start[0]}:{place.start[1]}"
        if self.help:
            text += f"\nhelp: {self.help}"
        return text


class VoxError(Exception):
    """Something that vox could not do; the base of all others here."""

    def __init__(self, message: str, mistakes: Sequence[Mistake] = (), exit_code: Optional[int] = None):
        super().__init__(message)
        self.mistakes: tuple[Mistake, ...] = tuple(mistakes)
        """All that is wrong with the program and its inputs, each with its places."""
        self.exit_code = exit_code
        """The exit code of the program, where it ran."""

    @property
    def code(self) -> Optional[str]:
        """The code of the first mistake, such as ``E0203``."""
        return next((mistake.code for mistake in self.mistakes if mistake.code), None)


class UsageError(VoxError):
    """Options that make no sense, or something that would be written over."""


class ProgramError(VoxError):
    """The program has mistakes: ``mistakes`` has them all."""


class InputError(VoxError):
    """An input is missing, unreadable, changing, or on another grid."""


class StoreError(VoxError):
    """The store is damaged, refused, read-only or full."""


class MissingError(StoreError, KeyError):
    """A value that this store does not have: never computed, removed, or not copied yet.

    Running the program again brings it back.
    """

    def __str__(self) -> str:
        return str(self.args[0])


class GoalError(VoxError):
    """A goal has no value, because an operator refused what it was given."""


class CrashError(VoxError):
    """The program ended without saying why: it was killed, or it has a bug."""


class StoppedError(VoxError):
    """The run was stopped by a signal; what it had computed is kept."""


class NoBinaryError(VoxError):
    """The program ``vox`` itself is nowhere to be found."""


KINDS: Mapping[int, type[VoxError]] = {
    2: UsageError,
    3: ProgramError,
    4: InputError,
    5: StoreError,
    130: StoppedError,
    143: StoppedError,
}
"""The exceptions of exit codes."""
