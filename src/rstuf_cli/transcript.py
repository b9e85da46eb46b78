"""`--transcript FILE`: a record to keep of what a command signed and published, as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Final

import typer

import rstuf
from rstuf.clock import SystemClock, iso
from rstuf.errors import ProposalRefused, RstufError
from rstuf_cli.actions import in_words
from rstuf_cli.console import escape, folded
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.run import Run, actor
from rstuf_cli.sitting import review_of
from rstuf_cli.wording import listed

TranscriptFile = Annotated[
    Path | None,
    typer.Option("--transcript", metavar="FILE", help="Write a record to keep, to a new file: who signed what."),
]

_WIDTH: Final = 80
_COLUMN: Final = 14
_ENDS: Final = {
    ExitCode.DONE: "done",
    ExitCode.REFUSED: "not done, or not all of it",
    ExitCode.UNVERIFIED: "signed, and not published yet",
    ExitCode.WAITING: "waits for more signatures",
}


class Transcript:
    """The record of one command, from its beginning; nothing is written where no file was named."""

    def __init__(self, run: Run, file: Path | None) -> None:
        """
        Raises:
            InvalidInput: the file is there already, or cannot be written.
            UsageFault: no file is meant.
        """
        self._run, self._file = run, file
        self._begun = SystemClock().now().replace(microsecond=0)
        if file is not None:
            if str(file) == "-":
                raise UsageFault("a record is a file: what stdout has is the answer", hint="--transcript FILE")
            rstuf.refuse_taken_transcript(file)
        self._before = _Before() if file is None else _before(run)

    def end(self, code: int) -> int:
        """Write what came of a command that works in a repository, note it in its log; the same exit code."""
        if self._file is None:
            return code
        with self._run.open(signing=True) as repository:
            # A ceremony may have made the workspace, below another one.
            here = self._before.place == rstuf.find_workspace(self._run.directory)
            told = list(_of_repository(repository, self._before if here else _Before()))
            names = {str(entry.keyid): entry.name for entry in repository.keys()}
            root = repository.root(1)
            first = None if root is None else rstuf.read_root(root).pin.sha256
            head = self._head(repository.events.repository_name, first)
            digest = rstuf.write_transcript(self._file, _text([*head, *told, *_keys(names), *_outcome(code)]))
            repository.events.note_transcript(self._file.name, digest)
        self._tell(digest)
        return code

    def end_holder(self, review: rstuf.Review, document: rstuf.SignatureDocument | None, code: int) -> int:
        """The same for a key holder, who has no repository; `document` holds what they signed, if they did."""
        if self._file is None:
            return code
        names = {str(keyid): name for keyid, name in review.names.items()}
        listed_keys = {str(keyid): names.get(str(keyid), "") for keyid in review.keys}
        lines = [*self._head(review.bundle.repository, review.bundle.first_root), "", "what was shown"]
        lines += [*_field("event", escape(review.event)), *_field("code", review.code)]
        for part in review.parts:
            lines += _part(part.role, part.version, part.digest)
        lines += _of_review(review, names)
        lines += ["", "who signed here"]
        for each in document.signatures if document is not None else ():
            lines += [*_field("signed by", _name(names, each.keyid)), *_field("sha256", each.digest)]
        if document is None:
            lines.append("  nobody")
        self._tell(rstuf.write_transcript(self._file, _text([*lines, *_keys(listed_keys), *_outcome(code)])))
        return code

    def _head(self, repository: str, first_root: str | None) -> Iterator[str]:
        yield f"Record of {self._run.purpose}"
        yield ""
        yield from _field("repository", escape(repository))
        yield from _field("first root", first_root or "none is published yet")
        if first_root is not None:
            yield from _words(first_root)
        yield from _field("by", escape(actor()))
        yield from _field("begun", iso(self._begun))
        yield from _field("ended", iso(SystemClock().now()))
        yield from _field("tool", f"rstuf {version_of('rstuf')}")

    def _tell(self, digest: str) -> None:
        # The one document is written already, and the log has the digest, too.
        say = self._run.console.note if self._run.console.is_json else self._run.console.result
        say(f"record  {escape(str(self._file))}")
        say(f"sha256  {digest}")


def refuse_without_result(run: Run, file: Path | None) -> None:
    """
    Raises:
        UsageFault: a record is asked for of something that signs nothing.
    """
    if file is not None:
        raise UsageFault("--transcript is a record of what is signed, and nothing is", hint=f"{run.purpose} --help")


# --- what came of it


@dataclass(frozen=True, slots=True)
class _Before:
    """What was before a command.

    Attributes:
        place: the workspace that it is of; None where there was none, and nothing was.
        entry: the number of the newest entry in the log.
        ended: the events that had ended.
    """

    place: Path | None = None
    entry: int = 0
    ended: frozenset[int] = frozenset()


def _before(run: Run) -> _Before:
    """The same of the workspace that the person stands in."""
    session = rstuf.Session(purpose=run.purpose, actor=actor(), secrets=rstuf.load_secrets([], [], None))
    try:
        place = rstuf.find_workspace(run.directory)
        with rstuf.open_repository(place, session, search=rstuf.Search.HERE, stage=rstuf.Stage.SIGNING) as repository:
            newest = max((entry.sequence for entry in repository.log()), default=0)
            views = repository.events.views(ended=True)
    except RstufError:
        # It is not for a record to say what is wrong: the command itself meets it.
        return _Before()
    return _Before(place, newest, frozenset(view.event.id for view in views if view.event.closed is not None))


def _of_repository(repository: rstuf.Repository, before: _Before) -> Iterator[str]:
    """The events that were open meanwhile, the roots that were published, and all that the log says."""
    done = list(repository.log(after=before.entry))
    for view in repository.events.views(ended=True):
        if view.event.id not in before.ended:
            yield from _of_event(repository, view)
    for entry in done:
        if entry.action == "root.publish":
            yield from _of_published(repository, int(entry.details["version"]))
        elif entry.action == "ceremony.end":
            yield from _of_delegations(repository)
    yield ""
    yield "what was done"
    for entry in done:
        yield from _folded(f"  {iso(entry.at)}  {escape(in_words(entry))}", indent=24)
    if not done:
        yield "  nothing"


def _of_event(repository: rstuf.Repository, view: rstuf.EventView) -> Iterator[str]:
    event, names = view.event, {str(keyid): name for keyid, name in view.names.items()}
    yield ""
    yield f"{escape(event.name)}, {event.phase}"
    yield from _field("code", repository.events.code_of(event))
    for part in view.parts:
        yield from _part(part.part.role, part.part.version, part.digest)
        for each in part.part.signatures:
            yield from _field("", f"signed by {_name(names, each.keyid)}, {iso(each.at)}, {escape(each.actor)}")
    if event.phase is not rstuf.EventPhase.OPEN:
        return
    if view.wanted:
        yield from _field("missing", listed([_name(names, keyid) for keyid in view.wanted], last="or"))
    try:
        yield from _of_review(review_of(repository.events.bundle(event.name)), names)
    except ProposalRefused as error:
        yield from _field("refused", escape(error.message))


def _of_published(repository: rstuf.Repository, version: int) -> Iterator[str]:
    data = repository.root(version)
    if data is None:
        return
    names = {str(entry.keyid): entry.name for entry in repository.keys()}
    digest = rstuf.read_root(data).pin.sha256
    yield ""
    yield f"root v{version}, published"
    yield from _field("sha256", digest)
    yield from _words(digest)
    envelope = rstuf.strict_loads(data, what="root")
    yield from _field("signed by", listed([_name(names, each["keyid"]) for each in envelope["signatures"]]))
    yield from _of_root(repository.events.changes(version), names)


def _of_delegations(repository: rstuf.Repository) -> Iterator[str]:
    """The roles that a new repository delegates to by their names: for what, who must sign, and what they signed."""
    for view in repository.delegations.views():
        each = view.delegation
        yield ""
        yield f"{escape(each.name)} v{view.role.visible}, published"
        yield from _field("delegated", f"by {escape(view.parent)}")
        yield from _field("for", escape(", ".join(each.paths) or "everything else"))
        keys = escape(listed(list(view.signers)))
        yield from _field("signed by", f"{each.keys.threshold} of {len(view.signers)} must sign: {keys}")
        if view.role.file is not None:
            yield from _field("sha256", view.role.file.sha256)


def _part(role: str, version: int, digest: str) -> Iterator[str]:
    """What signatures are made over."""
    yield from _field("to sign", f"{escape(role)} v{version}")
    yield from _field("sha256", digest)


def _of_review(review: rstuf.Review, names: Mapping[str, str]) -> Iterator[str]:
    for part in review.parts:
        if part.root is not None:
            yield from _of_root(part.root, names)
        if part.targets is not None:
            yield from _field("expires", f"targets {iso(part.targets.expires)}")
    for concern in review.concerns:
        yield from _field("unusual" if concern.grave else "note", escape(concern.message))


def _of_root(root: rstuf.RootChanges, names: Mapping[str, str]) -> Iterator[str]:
    yield from _field("expires", f"root {iso(root.expires)}")
    for role, who in root.roles.items():
        keys = listed([_name(names, keyid) for keyid in who.keyids])
        yield from _field(escape(role), f"{who.threshold} of {len(who.keyids)} must sign: {keys}")


def _keys(names: Mapping[str, str]) -> Iterator[str]:
    yield ""
    yield "keys"
    for keyid, name in names.items():
        yield f"  {escape(name) or 'without a name'}"
        yield from _field("", escape(keyid))
        yield from _words(keyid)


def _outcome(code: int) -> Iterator[str]:
    yield ""
    yield from _field("outcome", f"{_ENDS.get(ExitCode(code), 'not done')} (exit code {int(code)})")


# --- lines


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _name(names: Mapping[str, str], keyid: str) -> str:
    return escape(names.get(keyid, "")) or f"{escape(keyid)[:12]}…"


def _words(digest: str) -> Iterator[str]:
    """A fingerprint to read aloud; an id that is none has no words."""
    try:
        words = rstuf.fingerprint_words(digest)
    except ValueError:
        return
    for line in wrap(" ".join(words), _WIDTH - _COLUMN - 2):
        yield from _field("", line)


def _field(name: str, value: str) -> Iterator[str]:
    yield from _folded(f"  {name:<{_COLUMN - 2}}{value}", indent=_COLUMN)


def _folded(text: str, *, indent: int) -> list[str]:
    return [line.rstrip() for line in folded(text, width=_WIDTH, indent=indent)]
