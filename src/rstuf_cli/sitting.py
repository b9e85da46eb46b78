"""Whoever signs at a workspace: what they are shown, by their own record too, what is signed, and what is taken down.

Exactly the bytes that were shown are signed: what takes their place meanwhile is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import rstuf
from rstuf.clock import SystemClock
from rstuf.errors import RecordDamaged, StorageError, UnsafeDirectory
from rstuf_cli import holding
from rstuf_cli.console import Console, escape, escape_message
from rstuf_cli.review_screen import screen
from rstuf_cli.run import Run


def review_of(bundle: rstuf.Bundle, *, record: rstuf.HolderRecord | None = None) -> rstuf.Review:
    """A bundle of this workspace, judged by the newest root that it published.

    Raises:
        ProposalRefused: nobody should sign it.
        RecordDamaged, UnsafeDirectory, StorageError: the record cannot be relied on.
    """
    review = rstuf.review_bundle(
        bundle,
        now=SystemClock().now(),
        trusted=bundle.chain[-1] if bundle.chain else None,
        trusted_from=rstuf.TrustSource.WORKSPACE,
        record=record,
    )
    # Keys are called here what this workspace calls them.
    return replace(review, concerns=tuple(each for each in review.concerns if each.code != "names-unknown"))


def list_review(console: Console, review: rstuf.Review) -> None:
    """A review as the answer of a command."""
    for line in screen(review):
        console.line(line.painted(console, error=False))


@dataclass
class Sitting:
    """One after the other is shown and signed.

    Attributes:
        record: what its signer signed before; None where there is no place for that, or it cannot be relied on.
        closed: the keys that were to sign and did not.
    """

    run: Run
    repository: rstuf.Repository
    record: rstuf.HolderRecord | None
    closed: list[rstuf.ClosedKey] = field(default_factory=list)

    @classmethod
    def begin(cls, run: Run, repository: rstuf.Repository, *, holder_dir: Path | None = None) -> Sitting:
        """With the record of whoever runs this."""
        sitting = cls(run, repository, None)
        try:
            sitting.record = holding.open_record(run, holder_dir, quiet=True)
        except UnsafeDirectory as error:
            sitting._leave_record_out(error.message)
        return sitting

    def review(self, bundle: rstuf.Bundle) -> rstuf.Review:
        """What signing it does, and what its signer's record says of it.

        Raises:
            ProposalRefused: nobody should sign it.
        """
        try:
            return review_of(bundle, record=self.record)
        except (RecordDamaged, UnsafeDirectory, StorageError) as error:
            if self.record is None:
                raise
            self._leave_record_out(error.message)
            return review_of(bundle)

    def show(self, review: rstuf.Review) -> None:
        """Show it to whoever will be asked."""
        holding.show_review(self.run, review)

    def sign(self, review: rstuf.Review, *, keyids: Sequence[str] | None = None) -> rstuf.Signed:
        """Sign what was shown, and nothing else, and take it down.

        Raises:
            EventNotFound, EventReplaced, EventExpired, EventOutdated, SignatureRefused: that does not wait any more.
        """
        shown = {part.digest for part in review.parts}
        wanted = None if keyids is None else [rstuf.KeyId(keyid) for keyid in keyids]
        signed = self.repository.events.sign(review.event, keyids=wanted, shown=shown)
        refused = [each.error for each in signed.receptions if each.error is not None]
        if refused and len(refused) == len(signed.receptions):
            # It was dropped or replaced while its keys were opened.
            raise refused[0]
        made = list(_taken_down(review, signed.receptions))
        if made:
            holding.take_down(self.run, self.record, review, made)
        self.closed += [each for each in signed.closed if each not in self.closed]
        return signed

    def _leave_record_out(self, message: str) -> None:
        self.record = None
        if not self.run.console.is_json:
            self.run.console.warning(escape(f"your record of what you signed is left out: {message}"))


def _taken_down(review: rstuf.Review, receptions: Sequence[rstuf.Reception]) -> Iterator[rstuf.SignedBefore]:
    """What a record keeps of the signatures that were made here."""
    parts = {part.digest: part for part in review.parts}
    for each in receptions:
        part = parts.get(each.digest)
        if part is not None and each.outcome is not rstuf.Outcome.REFUSED:
            yield rstuf.SignedBefore(part.role, part.version, part.digest, each.keyid, review.now)


def tell_closed(console: Console, closed: Sequence[rstuf.ClosedKey], *, verb: str = "did not sign") -> None:
    """Why keys did not sign, and what to do, for people."""
    if console.is_json:
        return
    for each in closed:
        console.warning(f"{escape(each.name)} {verb}: {escape_message(each.reason)}")
        if each.error.hint:
            console.error(console.fold(f"    {escape_message(each.error.hint)}", indent=4))


def closed_document(closed: Sequence[rstuf.ClosedKey]) -> list[dict[str, str | None]]:
    """The same as data."""
    return [
        {
            "key": each.name,
            "keyid": each.keyid,
            "code": each.error.code,
            "message": each.reason,
            "hint": each.error.hint,
        }
        for each in closed
    ]
