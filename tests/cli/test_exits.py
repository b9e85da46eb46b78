"""Exit codes: stable, one for each class of error."""

from __future__ import annotations

import pytest

from rstuf import errors
from rstuf_cli.exits import EXIT_CODES, ExitCode, exit_code_of

OURS = [kind for kind in errors.every_error() if kind.__module__.startswith("rstuf.")]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_error_has_its_exit_code(kind: type[errors.RstufError]) -> None:
    """A new class of error has to be given an exit code on purpose."""
    assert kind in EXIT_CODES


def test_codes_are_those_of_the_documentation() -> None:
    """The numbers that scripts rely on do not move."""
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "REFUSED": 1,
        "USAGE": 2,
        "UNVERIFIED": 3,
        "WAITING": 4,
        "LOCKED": 5,
        "STORAGE": 6,
        "DUE": 7,
        "OVERDUE": 8,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.WorkspaceNotFound("/x"), 1),
        (errors.VerificationFailed(["x"]), 3),
        (errors.Locked("publish", holder=None, waited=1), 5),
        (errors.FileMissing("x"), 6),
        (errors.InputMissing("x"), 1),
        (errors.Interrupted("x"), 130),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_meaning_of_a_code(error: errors.RstufError, code: int) -> None:
    """What an exit code says agrees with what happened."""
    assert exit_code_of(error) == code


def test_a_class_that_joins_later_gets_the_code_of_its_kind() -> None:
    """A subclass that the table does not know yet is still of its kind."""

    class TornFile(errors.StorageError):
        pass

    assert exit_code_of(TornFile("read", "x", "it is torn")) == ExitCode.STORAGE
