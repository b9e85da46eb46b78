"""Errors as text and as data: `error:` says what is wrong, `hint:` what to do, `kept:` what is safe already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rstuf import errors
from rstuf_cli.console import MAX_MESSAGE, Console, Style, escape_message
from rstuf_cli.exits import ExitCode, exit_code_of
from rstuf_cli.streams import Unwritable
from rstuf_cli.wording import listed, number

_INDENT: Final = " " * 7
_MAX_DETAILS: Final = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a command did not do what it was asked.

    Attributes:
        code: the stable word for programs.
        details: lines that belong to the message, for people.
        data: more fields of the error's JSON object.
    """

    code: str
    message: str
    exit_code: ExitCode
    hint: str | None = None
    details: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


class UsageFault(Exception):
    """Options or arguments that do not go together; the parser cannot know."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class Declined(UsageFault):
    """Somebody was asked, and typed something else than what says that it is meant."""


def failure_of(error: BaseException, *, verbose: bool = False) -> Failure:
    """What to say of an error.

    Args:
        verbose: a traceback will follow, so none needs to be asked for.
    """
    if isinstance(error, errors.RstufError):
        return _known(error)
    if isinstance(error, UsageFault):
        return Failure("usage", error.message, ExitCode.USAGE, hint=error.hint)
    if isinstance(error, Unwritable):
        hint = "let it go to a file or a terminal that takes it"
        if error.closed:
            hint = "open it; what nobody should read can go to /dev/null"
            return Failure("error", f"cannot write to stdout: {error.reason}", ExitCode.REFUSED, hint=hint)
        return Failure("storage-error", f"cannot write to stdout: {error.reason}", ExitCode.STORAGE, hint=hint)
    if isinstance(error, FileNotFoundError) and error.filename is None and not _is_somewhere():
        hint = "go to a directory that is there (cd), then run the same command again"
        return Failure("storage-error", "the current directory is not there any more", ExitCode.STORAGE, hint=hint)
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename is not None else ""
        reason = error.strerror or type(error).__name__
        return Failure("storage-error", f"{name}{reason.lower()}", ExitCode.STORAGE)
    return Failure(
        "unexpected",
        f"unexpected {type(error).__name__}: {error}",
        ExitCode.REFUSED,
        hint="this is a defect of rstuf" + ("" if verbose else "; run it again with -v -v to see where"),
    )


def _is_somewhere() -> bool:
    """Whether the directory that this process is in is still there."""
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def show_failure(console: Console, failure: Failure, *, kept: str | None = None, data: Mapping[str, Any]) -> None:
    """Say why a command failed, and what is safe nevertheless.

    Args:
        kept: what stays done.
        data: what the command had to tell before it failed; it stands beside the error.
    """
    if console.is_json and not console.reader_gone:
        error: dict[str, Any] = {"code": failure.code, "message": errors.shorten(failure.message, limit=MAX_MESSAGE)}
        if failure.hint is not None:
            error["hint"] = errors.shorten(failure.hint, limit=MAX_MESSAGE)
        console.document({"error": {**error, **failure.data}, **data})
        return
    lines = _labelled(console, "error: ", Style.BAD, failure.message)
    lines += [_INDENT + escape_message(detail) for detail in failure.details]
    if kept is not None:
        lines += _labelled(console, "kept:  ", Style.STRONG, kept)
    # "nothing was changed" is the engine's word for one step, and another was done before.
    if failure.hint is not None and not (kept is not None and failure.hint.startswith("nothing was changed")):
        lines += _labelled(console, "hint:  ", Style.STRONG, failure.hint)
    console.error(lines)


def _labelled(console: Console, label: str, style: Style, text: str) -> list[str]:
    """A message behind its label, folded where a person reads it."""
    first, *rest = console.fold(label + escape_message(text), indent=len(label))
    return [console.paint_error(label.strip(), style) + first[len(label.strip()) :], *rest]


def _known(error: errors.RstufError) -> Failure:
    message = error.message
    details: Sequence[str] = ()
    data: dict[str, Any] = {}
    if isinstance(error, errors.ArtifactConflict):
        aside = error.offered.startswith(f"{error.signed} with ")
        other = "other custom data or hashes" if aside else "another content"
        place = f"{error.lines}: " if error.lines is not None else ""
        message = f"{place}{errors.shorten(error.path)} is already here with {other}"
        details = (f"here     {_grouped(error.signed)}", f"offered  {_grouped(error.offered)}")
        data = {"path": error.path}
    elif isinstance(error, errors.PathRepeated):
        place = f"{error.lines}: " if error.lines is not None else ""
        message = f"{place}two different contents for {errors.shorten(error.path)}"
        details = (_grouped(error.first), _grouped(error.second))
        data = {"path": error.path}
    elif isinstance(error, errors.HashMismatch):
        message = f"{error.lines}: {errors.shorten(error.path)} does not hash to what is listed"
        details = (f"listed  {error.algorithm} {error.listed}", f"found   {error.algorithm} {error.found}")
        data = {"path": error.path}
    elif isinstance(error, errors.NotEnoughSigners):
        message = f"{error.role} needs {error.threshold} signatures and {error.available} can be made here"
        details = tuple(f"{name}: {reason}" for name, reason in error.reasons.items())
        data = {"missing": dict(error.reasons)}
    elif isinstance(error, errors.VerificationFailed):
        message = error.problems[0] if len(error.problems) == 1 else f"{number(len(error.problems))} things are wrong"
        details = _capped(error.problems) if len(error.problems) > 1 else ()
        data = {"problems": list(error.problems)}
        if isinstance(error, errors.RepositoryRefused):
            data |= {"role": error.role, "reason": str(error.reason)}
        elif isinstance(error, errors.ContentRefused):
            data |= {"path": error.path}
    elif isinstance(error, errors.InvalidMap):
        message = error.message if len(error.problems) == 1 else f"{error.what} is no map that can be relied on"
        details = _capped(error.problems) if len(error.problems) > 1 else ()
        data = {"problems": list(error.problems)}
    if isinstance(error, errors.NotAgreed | errors.TooFewReached):
        from rstuf_cli.maps import said_document, said_lines

        details = _capped(said_lines(error.said))
        data |= {"path": error.path, "said": said_document(error.said)}
    if error.dropped:
        details = (*details, *(f"{name} had expired, and was dropped{_lost(by)}" for name, by in error.dropped.items()))
        data = {**data, "dropped": [{"event": name, "signed": list(by)} for name, by in error.dropped.items()]}
    hint = error.hint
    if hint is not None and error.dropped:
        # That is the engine's word for one step, and events were dropped before it.
        hint = hint.removeprefix("nothing was changed; ").removeprefix("nothing was changed. ")
    return Failure(error.code, message, exit_code_of(error), hint=hint, details=details, data=data)


def _lost(signed: Sequence[str]) -> str:
    return f", with what {listed(signed)} signed" if signed else ""


def _capped(lines: Sequence[str]) -> tuple[str, ...]:
    more = len(lines) - _MAX_DETAILS
    return (*lines[:_MAX_DETAILS], f"and {number(more)} more") if more > 0 else tuple(lines)


def _grouped(description: str) -> str:
    """The engine's "sha256 1b0c…77e1, 4211774 B" with its length grouped."""
    start, _, end = description.rpartition(", ")
    digits = end.removesuffix(" B")
    return f"{start}, {number(int(digits))} B" if digits.isdecimal() and digits.isascii() else description


def usage_failure(message: str, *, command: str | None) -> Failure:
    """A command line that cannot be understood. `message` may quote it; `command` is how far it could."""
    text = message.strip().rstrip(".")
    hint = f"{command} --help" if command is not None else None
    return Failure("usage", text[:1].lower() + text[1:], ExitCode.USAGE, hint=hint)
