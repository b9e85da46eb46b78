"""`rstuf sign`: what waits for the keys that are here is shown, asked about, and signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf.clock import SystemClock, iso
from rstuf.errors import (
    EventExpired,
    EventOutdated,
    InvalidInput,
    ProposalRefused,
    RstufError,
    SignerMismatch,
    SigningError,
    nearest,
)
from rstuf_cli import prompts
from rstuf_cli.behind import first_of
from rstuf_cli.console import escape_message
from rstuf_cli.event_steps import steps_among
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.holding import HolderDir, check_code
from rstuf_cli.reports import publication_document
from rstuf_cli.reports import sign as done_sign
from rstuf_cli.review_document import review_document
from rstuf_cli.run import Run, run_of
from rstuf_cli.sitting import Sitting, closed_document, tell_closed
from rstuf_cli.steps import merged, show_steps, steps_document
from rstuf_cli.transcript import Transcript, TranscriptFile
from rstuf_cli.waiting import (
    completion_document,
    event_document,
    exit_of,
    keeps_in_words,
    named,
    reception_document,
    tell_completions,
    tell_leaked,
    tell_waiting,
)
from rstuf_cli.wording import number

EXAMPLES = {
    "sign": """
rstuf sign                       all that waits for the keys that are here
rstuf sign root-v4
rstuf sign root-v4 --key laptop
rstuf sign root-v4 --yes --code 4F2K-91XX-7Q0D-MB3E   in a script
"""
}

_SO_FAR: Final = "what was signed so far is kept; run the same command again for the rest"


def sign(
    ctx: typer.Context,
    event: Annotated[
        str | None, typer.Argument(metavar="EVENT", help="What to sign: by default all that your keys can.")
    ] = None,
    *,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="NAME", help="Sign with this key alone; repeatable. By default all here."),
    ] = None,
    code: Annotated[
        str | None,
        typer.Option("--code", metavar="CODE", help="The code that the other signers saw; nothing else is signed."),
    ] = None,
    holder_dir: HolderDir = None,
    transcript: TranscriptFile = None,
) -> int:
    """Sign what waits for you, once you have seen what it changes.

    You are shown what signing does, and a code to compare with the other signers, and are asked; the answer is no
    unless you say yes, and only then are keys opened. What has all its signatures is published at once. Exit code 4
    says that somebody else must still sign.
    """
    run = run_of(ctx)
    run.interrupted = run.unsigned = "nothing was signed"
    if code is not None and event is None:
        raise UsageFault("a code stands for one event", hint="name it: rstuf sign EVENT --code CODE")
    record = Transcript(run, transcript)
    with run.open(signing=True) as repository:
        keyids = None if key is None else [_keyid_of(repository, name) for name in key]
        sitting = Sitting.begin(run, repository, holder_dir=holder_dir)
        exit_code = _Round(run, repository, sitting, keyids, code).hold(event)
    return record.end(exit_code)


@dataclass
class _Round:
    """What waits, one after the other.

    Attributes:
        keyids: with which keys alone; None for all that are here.
        code: what the signers compared; None where they compare it now.
    """

    run: Run
    repository: rstuf.Repository
    sitting: Sitting
    keyids: Sequence[str] | None
    code: str | None
    reviews: list[rstuf.Review] = field(default_factory=list)
    receptions: list[rstuf.Reception] = field(default_factory=list)
    completions: list[rstuf.Completion] = field(default_factory=list)
    declined: bool = False

    def hold(self, name: str | None) -> int:
        """Sign one event, or all; the exit code."""
        desk = self.repository.events
        self.run.interrupted = _SO_FAR
        ended = desk.end_ceremony()
        if ended is not None:
            return self._tell_ended(ended)
        self.run.interrupted = self.run.unsigned
        # Root last: what it lets others sign may have to be published before it.
        chosen = sorted(desk.views() if name is None else [desk.view(name)], key=lambda view: view.event.role == "root")
        ids = {view.event.id for view in chosen}
        if name is not None:
            self._refuse_other(chosen[0])
        for view in chosen:
            if view.leaks:
                self._refuse_leaky(view, alone=all(each.leaks for each in chosen))
        chosen = [view for view in chosen if not view.is_void and not view.leaks]
        self._refuse_unreachable(chosen)
        if any(view.ready for view in chosen) or (desk.interrupted and not any(self._mine(view) for view in chosen)):
            self.run.interrupted = _SO_FAR
            self._take(desk.complete())
        if any(self._mine(view) for view in chosen):
            self._refuse_without_person(chosen)
            for view in chosen:
                # What came out meanwhile can have changed who must sign it.
                now = next((each for each in desk.views() if each.event.id == view.event.id), None)
                if now is not None and self._mine(now):
                    self._sign(now)
        return self._end([view for view in desk.views() if view.event.id in ids])

    def _tell_ended(self, publication: rstuf.PublicationReport) -> int:
        """Everybody had signed, and the ceremony was interrupted before its end: nothing is left to sign."""
        document: dict[str, Any] = {
            "signed": [],
            "completed": [],
            "events": [],
            "reviews": [],
            "closed": [],
            "next_steps": [],
            "ceremony": publication_document(publication),
        }
        self.run.console.document(document)
        version = f"timestamp v{number(publication.timestamp_version)}"
        self.run.console.result(
            f"{done_sign(self.run.console, ok=True)} root v1 was signed; the ceremony has its end now, as {version}"
        )
        return ExitCode.DONE

    def _refuse_other(self, view: rstuf.EventView) -> None:
        """See that what was asked for can be signed, and has the code that was given, whoever signs it here.

        Raises:
            EventExpired, EventOutdated: nobody can use it any more.
            ProposalRefused: nobody should sign it.
        """
        if view.expired:
            raise EventExpired(view.event.name, iso(view.expires), first=view.event.kind == rstuf.EventKind.CEREMONY)
        if view.outdated is not None:
            raise EventOutdated(view.event.name, view.outdated.why, again=view.outdated.again)
        if self.code is not None:
            check_code(self.sitting.review(self.repository.events.bundle(view.event.name)), self.code)

    def _refuse_leaky(self, view: rstuf.EventView, *, alone: bool) -> None:
        """
        Raises:
            ProposalRefused: nothing else is to be signed.
        """
        try:
            self.repository.events.bundle(view.event.name)
        except ProposalRefused as error:
            if alone:
                raise
            self.run.console.warning(f"{escape_message(error.message)}; {escape_message(error.hint or '')}")

    def _refuse_unreachable(self, views: Sequence[rstuf.EventView]) -> None:
        """
        Raises:
            SignerUnavailable, StorageError, SigningError: a key that was named is not where it should be.
            SignerMismatch: it may sign none of this.
        """
        for keyid in self.keyids or ():
            for each in (closed for view in views for closed in view.unreachable):
                if each.keyid == keyid:
                    raise each.error
            listed_keys = {key for view in views for part in view.parts for side in part.sides for key in side.keyids}
            if views and keyid not in listed_keys:
                names = ", ".join(view.event.name for view in views)
                key = next(entry.name for entry in self.repository.keys() if entry.keyid == keyid)
                raise SignerMismatch(
                    key, f"it may not sign {names}", hint=f"rstuf event show {views[0].event.name} names those who may"
                )

    def _mine(self, view: rstuf.EventView) -> list[str]:
        return list(view.ours) if self.keyids is None else [keyid for keyid in view.here if keyid in self.keyids]

    def _refuse_without_person(self, views: Sequence[rstuf.EventView]) -> None:
        if not self.run.options.yes and (self.run.console.is_json or not prompts.person_is_there()):
            name = next(view.event.name for view in views if self._mine(view))
            hint = f"--yes says that it is meant, and --code CODE what; rstuf event show {name} shows its code"
            raise UsageFault(f"there is nobody to ask whether to sign {name}", hint=hint)

    def _sign(self, view: rstuf.EventView) -> None:
        console, name, mine = self.run.console, view.event.name, self._mine(view)
        review = self.sitting.review(self.repository.events.bundle(name))
        check_code(review, self.code)
        self.reviews.append(review)
        self.sitting.show(review)
        if view.keeps:
            console.warning(f"{name}: {keeps_in_words(view)}")
        if not self.run.options.yes:
            with self.run.pondering():
                agreed = prompts.agrees(f"Sign {name} with {named(view, mine)}?")
            if not agreed:
                console.note(f"{name} was not signed")
                self.declined = True
                return
        self.run.interrupted = _SO_FAR
        signed = self.sitting.sign(review, keyids=[keyid for keyid in view.wanted if keyid in mine])
        self._take(signed)
        took = dict.fromkeys(each.keyid for each in signed.receptions if each.outcome is not rstuf.Outcome.REFUSED)
        if took:
            self.run.unsigned = _SO_FAR
            self.run.keeps(_SO_FAR)
            console.result(f"{done_sign(console, ok=True)} {name} is signed with {named(view, took)}")
        tell_leaked(console, signed.receptions, signed.completions)
        tell_completions(console, signed.completions)

    def _take(self, signed: rstuf.Signed) -> None:
        self.receptions += signed.receptions
        # What kept an event back before may be gone now.
        again = {each.event.id for each in signed.completions}
        self.completions = [each for each in self.completions if each.event.id not in again]
        self.completions += signed.completions

    def _end(self, waiting: Sequence[rstuf.EventView]) -> int:
        console, unreachable = self.run.console, self._unreachable(waiting)
        if self.sitting.closed and not self.receptions and not self.completions:
            raise _nobody_signed(self.sitting.closed)
        blocked = {each.event.id for each in self.completions if each.obstacle is not None}
        others = [view for view in waiting if view.event.id not in blocked]
        among = self.repository.events.views()
        steps = merged(step for view in others for step in steps_among(view, among))
        steps = first_of(self.repository, steps) if waiting else steps
        console.document(
            {
                "signed": [reception_document(each) for each in self.receptions],
                "completed": [completion_document(each) for each in self.completions],
                "events": [event_document(view) for view in waiting],
                "reviews": [review_document(each) for each in self.reviews],
                "closed": closed_document([*self.sitting.closed, *unreachable]),
                "next_steps": steps_document(steps),
            }
        )
        if not self.reviews:
            tell_completions(console, self.completions)
        tell_closed(console, self.sitting.closed)
        tell_closed(console, unreachable, verb="is not here")
        if not (waiting or self.completions):
            console.result("nothing waits for a signature")
        tell_waiting(console, others)
        show_steps(console, steps, now=SystemClock().now())
        if self.declined and not self.receptions:
            return ExitCode.REFUSED
        return exit_of(self.completions, waiting)

    def _unreachable(self, views: Sequence[rstuf.EventView]) -> list[rstuf.ClosedKey]:
        """Where nobody has signed, here or elsewhere: the keys that should be here, and are not."""
        found = {each.keyid: each for view in views for each in view.unreachable if not view.signed}
        return list(found.values())


def _nobody_signed(closed: Sequence[rstuf.ClosedKey]) -> RstufError:
    error: RstufError = closed[0].error
    if len(closed) == 1:
        return error
    why = "; ".join(f"{each.name}: {each.reason}" for each in closed)
    hint = next((each.error.hint for each in closed if each.error.hint), None)
    return SigningError(f"none of the keys that are here signed. {why}", hint=hint)


def _keyid_of(repository: rstuf.Repository, name: str) -> str:
    """
    Raises:
        InvalidInput: no key has this name.
    """
    entries = repository.keys()
    for entry in entries:
        if entry.name.casefold() == name.casefold():
            return entry.keyid
    meant = nearest(name, [entry.name for entry in entries])
    hint = f"did you mean {meant}?" if meant is not None else "rstuf key list shows those that are known"
    raise InvalidInput(f"no key is called {name}", hint=hint)
