"""`rstuf sign`: what waits for the keys that are here is shown, asked about, and signed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

import rstuf
from rstuf.clock import SystemClock
from rstuf.errors import InvalidInput, RecordDamaged, StorageError, UnsafeDirectory, nearest
from rstuf_cli import prompts
from rstuf_cli.console import escape, escape_message
from rstuf_cli.exits import ExitCode
from rstuf_cli.failures import UsageFault
from rstuf_cli.holding import HolderDir, open_record, show_review, take_down
from rstuf_cli.reports import publication_document
from rstuf_cli.reports import sign as done_sign
from rstuf_cli.review_screen import review_document
from rstuf_cli.run import Run, run_of
from rstuf_cli.steps import show_steps, steps_document
from rstuf_cli.transcript import Transcript, TranscriptFile
from rstuf_cli.waiting import (
    completion_document,
    event_document,
    exit_of,
    named,
    reception_document,
    steps_of,
    tell_completions,
    tell_waiting,
)
from rstuf_cli.wording import number

EXAMPLES = {
    "sign": """
rstuf sign                       all that waits for the keys that are here
rstuf sign root-v4
rstuf sign root-v4 --key laptop
rstuf sign root-v4 --yes         without the question, in a script
"""
}


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
    record = Transcript(run, transcript)
    with run.open(signing=True) as repository:
        keyids = None if key is None else [_keyid_of(repository, name) for name in key]
        sitting = _Sitting(run, repository, keyids, holder_dir)
        code = sitting.hold(event)
    return record.end(code)


@dataclass
class _Sitting:
    """One after the other is shown and signed.

    Attributes:
        keyids: with which keys alone; None for all that are here.
        holder_dir: where the signer's record is kept, if they say so.
    """

    run: Run
    repository: rstuf.Repository
    keyids: Sequence[str] | None
    holder_dir: Path | None
    reviews: list[rstuf.Review] = field(default_factory=list)
    receptions: list[rstuf.Reception] = field(default_factory=list)
    completions: list[rstuf.Completion] = field(default_factory=list)
    failed: bool = False

    def hold(self, name: str | None) -> int:
        """Sign one event, or all; the exit code."""
        desk = self.repository.events
        ended = desk.end_ceremony()
        if ended is not None:
            return self._tell_ended(ended)
        # Root last: what it lets others sign may have to be published before it.
        chosen = sorted(desk.views() if name is None else [desk.view(name)], key=lambda view: view.event.role == "root")
        if any(view.ready for view in chosen) or (desk.interrupted and not any(self._mine(view) for view in chosen)):
            self._take(desk.complete())
        if any(self._mine(view) for view in chosen):
            self._refuse_without_person(chosen)
            record = self._record()
            for view in chosen:
                # What came out meanwhile can have changed who must sign it.
                now = next((each for each in desk.views() if each.event.id == view.event.id), None)
                if now is not None and self._mine(now):
                    self._sign(now, record)
        ids = {view.event.id for view in chosen}
        return self._end([view for view in desk.views() if view.event.id in ids])

    def _tell_ended(self, publication: rstuf.PublicationReport) -> int:
        """Everybody had signed, and the ceremony was interrupted before its end: nothing is left to sign."""
        document: dict[str, Any] = {"signed": [], "completed": [], "events": [], "reviews": [], "next_steps": []}
        self.run.console.document({**document, "ceremony": publication_document(publication)})
        version = f"timestamp v{number(publication.timestamp_version)}"
        self.run.console.result(
            f"{done_sign(self.run.console, ok=True)} root v1 was signed; the ceremony has its end now, as {version}"
        )
        return ExitCode.DONE

    def _mine(self, view: rstuf.EventView) -> list[str]:
        return [keyid for keyid in view.here if self.keyids is None or keyid in self.keyids]

    def _refuse_without_person(self, views: Sequence[rstuf.EventView]) -> None:
        if not self.run.options.yes and (self.run.console.is_json or not prompts.person_is_there()):
            name = next(view.event.name for view in views if self._mine(view))
            hint = f"--yes says that it is meant; rstuf event show {name} shows its code, to compare with other signers"
            raise UsageFault(f"there is nobody to ask whether to sign {name}", hint=hint)

    def _record(self) -> rstuf.HolderRecord | None:
        try:
            return open_record(self.run, self.holder_dir, quiet=True)
        except UnsafeDirectory as error:
            self._warn_of_record(error.message)
            return None

    def _warn_of_record(self, message: str) -> None:
        if not self.run.console.is_json:
            self.run.console.warning(escape(f"your record of what you signed is left out: {message}"))

    def _sign(self, view: rstuf.EventView, record: rstuf.HolderRecord | None) -> None:
        console, name, mine = self.run.console, view.event.name, self._mine(view)
        bundle = self.repository.events.bundle(name)
        review, record = self._review(bundle, record)
        self.reviews.append(review)
        if not console.is_json:
            show_review(self.run, review)
        if not self.run.options.yes:
            with self.run.pondering():
                agreed = prompts.agrees(f"Sign {name} with {named(view, mine)}?")
            if not agreed:
                console.note(f"{name} was not signed")
                self.failed = True
                return
        wanted = [keyid for keyid in view.wanted if keyid in mine]
        signed = self.repository.events.sign(name, keyids=wanted)
        self._take(signed)
        took = [each.keyid for each in signed.receptions if each.outcome is not rstuf.Outcome.REFUSED]
        if took:
            take_down(self.run, record, review, _signed_before(view, review, took))
            self.run.keeps("what was signed so far is kept; run the same command again for the rest")
            console.result(f"{done_sign(console, ok=True)} {name} is signed with {named(view, took)}")
        for reason in signed.closed.items():
            self.failed = True
            if not console.is_json:
                console.warning(f"{escape(reason[0])} did not sign: {escape_message(reason[1])}")
        tell_completions(console, signed.completions)

    def _review(
        self, bundle: rstuf.Bundle, record: rstuf.HolderRecord | None
    ) -> tuple[rstuf.Review, rstuf.HolderRecord | None]:
        """The review by the newest root of this repository, and the record, if it could be read for it."""

        def judged(by: rstuf.HolderRecord | None) -> rstuf.Review:
            return rstuf.review_bundle(
                bundle,
                now=SystemClock().now(),
                trusted=bundle.chain[-1] if bundle.chain else None,
                trusted_from=rstuf.TrustSource.WORKSPACE,
                record=by,
            )

        try:
            return judged(record), record
        except (RecordDamaged, UnsafeDirectory, StorageError) as error:
            if record is None:
                raise
            self._warn_of_record(error.message)
            return judged(None), None

    def _take(self, signed: rstuf.Signed) -> None:
        self.receptions += signed.receptions
        # What kept an event back before may be gone now.
        again = {each.event.id for each in signed.completions}
        self.completions = [each for each in self.completions if each.event.id not in again]
        self.completions += signed.completions

    def _end(self, waiting: Sequence[rstuf.EventView]) -> int:
        console = self.run.console
        blocked = {each.event.id for each in self.completions if each.obstacle is not None}
        others = [view for view in waiting if view.event.id not in blocked]
        steps = [step for view in others for step in steps_of(view)]
        console.document(
            {
                "signed": [reception_document(each) for each in self.receptions],
                "completed": [completion_document(each) for each in self.completions],
                "events": [event_document(view) for view in waiting],
                "reviews": [review_document(each) for each in self.reviews],
                "next_steps": steps_document(steps),
            }
        )
        if not self.reviews:
            tell_completions(console, self.completions)
        if not (waiting or self.completions):
            console.result("nothing waits for a signature")
        tell_waiting(console, others)
        show_steps(console, steps, now=SystemClock().now())
        if self.failed and not self.receptions:
            return ExitCode.REFUSED
        return exit_of(self.completions, waiting)


def _signed_before(view: rstuf.EventView, review: rstuf.Review, keyids: Sequence[str]) -> Iterator[rstuf.SignedBefore]:
    """What a record keeps of signatures that were made here."""
    # What comes with an event to say who signs it is not signed with it.
    own = {part.digest for part in view.parts}
    for part in review.parts:
        listed = {keyid for side in part.sides for keyid in side.keyids if part.digest in own}
        for keyid in listed & set(keyids):
            yield rstuf.SignedBefore(part.role, part.version, part.digest, keyid, review.now)


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
