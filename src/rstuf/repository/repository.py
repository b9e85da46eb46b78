"""The facade: one repository, its use cases as methods. Faces hold one of these and little else of the engine.

What only some of them need is imported by these, so that a look at the status does not wait for all the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from rstuf.errors import ArtifactNotFound, RstufError
from rstuf.metadata.bins import PREFIX
from rstuf.metadata.fragments import row_of
from rstuf.model.artifacts import Artifact, ArtifactState, ListedArtifact, View
from rstuf.model.audit import AuditEntry
from rstuf.model.keys import KeyEntry, PublicKey
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName, target_path
from rstuf.model.policy import BinSigners
from rstuf.repository import artifacts
from rstuf.repository.intake import Conflict
from rstuf.repository.ports import Ports
from rstuf.repository.reading import Source
from rstuf.repository.stages import Stage, refuse_unfinished, waiting_ceremony

if TYPE_CHECKING:
    from rstuf.model.events import SigningEvent
    from rstuf.model.superseded import Retention, SupersededFile
    from rstuf.repository.bin_advice import BinAdvice
    from rstuf.repository.delegation_desk import DelegationDesk
    from rstuf.repository.event_desk import EventDesk
    from rstuf.repository.event_views import EventView
    from rstuf.repository.keys import KeyChange, KeyView
    from rstuf.repository.lost_metadata import MetadataRecovery
    from rstuf.repository.prune import PrunePlan, PruneReport
    from rstuf.repository.publication_plan import PublicationPlan
    from rstuf.repository.rebin import ResizeReport
    from rstuf.repository.records import RecordFormat
    from rstuf.repository.reports import (
        AcceptedChange,
        PublicationReport,
        RenewalReport,
        Status,
        VerifyReport,
        VisibleVersions,
    )
    from rstuf.repository.rotation_desk import RotationDesk
    from rstuf.repository.sync import Comparison, StampTrust, Tree
    from rstuf.repository.verify import Depth
    from rstuf.repository.verify_own import LogReport
    from rstuf.repository.why import Explanation


class Repository:
    """A TUF repository whose ceremony has ended. Use it as a context manager, or close it."""

    def __init__(self, ports: Ports, *, stage: Stage = Stage.LIVE) -> None:
        """
        Args:
            stage: `Stage.SIGNING` lets a ceremony in that waits for signers: its `events` can be used, its keys and
                its log be looked at.

        Raises:
            CeremonyUnfinished: its ceremony was interrupted.
            CeremonyWaiting: its ceremony waits for signers.
        """
        refuse_unfinished(ports, stage=stage)
        self._ports = ports

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the state."""
        self._ports.state.close()

    @property
    def keeps_contents(self) -> bool:
        """Whether contents of added files are copied here, to be served beside the metadata."""
        return self._ports.artifacts is not None

    # --- artifacts

    def add_files(
        self,
        sources: Iterable[Source],
        *,
        conflict: Conflict = Conflict.REFUSE,
        custom: Mapping[str, Any] | None = None,
    ) -> AcceptedChange:
        """Accept files; see `repository.artifacts.add_files`. Clients see them after `publish`."""
        return artifacts.add_files(self._ports, sources, conflict=conflict, custom=custom)

    def add_artifacts(self, new: Iterable[Artifact], *, conflict: Conflict = Conflict.REFUSE) -> AcceptedChange:
        """Accept artifacts by what is known of them (path, length, hashes); their contents are served elsewhere."""
        return artifacts.add_artifacts(self._ports, map(row_of, new), conflict=conflict)

    def add_described(self, artifact: Artifact, *, conflict: Conflict = Conflict.REFUSE) -> AcceptedChange:
        """Accept one artifact by what is known of it; without custom data, those of the same content stay."""
        return artifacts.add_described(self._ports, artifact, conflict=conflict)

    def import_records(
        self, stream: BinaryIO, *, form: RecordFormat, source: str, conflict: Conflict = Conflict.REFUSE
    ) -> AcceptedChange:
        """Accept the records of a stream, however long; all or nothing. `source` is its name in messages."""
        from rstuf.repository.imports import import_records

        return import_records(self._ports, stream, form=form, source=source, conflict=conflict)

    def remove_artifacts(self, paths: Iterable[str]) -> AcceptedChange:
        """Accept removals; all or nothing."""
        return artifacts.remove_artifacts(self._ports, map(target_path, paths))

    def compare(self, tree: Tree[Any], *, trust: StampTrust | None = None) -> AbstractContextManager[Comparison]:
        """Hold a directory beside the artifacts, to make these equal to it; see `repository.sync.compare`."""
        from rstuf.repository.sync import StampTrust, compare

        return compare(self._ports, tree, trust=trust or StampTrust.STAMPS)

    def artifact(self, path: str) -> ListedArtifact:
        """One artifact.

        Raises:
            ArtifactNotFound: it is not here.
        """
        with self._ports.state.read() as reader:
            found = reader.artifact(target_path(path))
        if found is None:
            raise ArtifactNotFound(path)
        return found

    def artifacts(self, *, prefix: str = "", after: str = "", limit: int | None = None) -> Iterator[ListedArtifact]:
        """Artifacts by path, streaming; `after` continues behind the last path of a page."""
        with self._ports.state.read() as reader:
            yield from islice(reader.artifacts(prefix=prefix, after=after), limit)

    def exported(self, *, prefix: str = "", after: str = "", view: View = View.VISIBLE) -> Iterator[Artifact]:
        """Artifacts by path, streaming, as an import would make them: what clients see, or all that was accepted."""
        with self._ports.state.read() as reader:
            for listed in reader.artifacts(prefix=prefix, after=after, view=view):
                if view is View.VISIBLE or listed.state is not ArtifactState.REMOVING:
                    yield listed.artifact

    def explain(self, path: str) -> Explanation:
        """Which role is responsible for a path, and what clients find; see `repository.why.explain`."""
        from rstuf.repository.why import explain

        return explain(self._ports, path)

    @property
    def events(self) -> EventDesk:
        """What people sign: signing events, and proposals of a root."""
        from rstuf.repository.event_desk import EventDesk

        return EventDesk(self._ports)

    @property
    def rotations(self) -> RotationDesk:
        """The rotation of an online key: begun, hastened, renounced."""
        from rstuf.repository.rotation_desk import RotationDesk

        return RotationDesk(self._ports)

    # --- publishing

    def plan_publication(self) -> PublicationPlan:
        """What `publish` would bring now; writes nothing."""
        from rstuf.repository.publication_plan import plan_publication

        return plan_publication(self._ports)

    def publish(self, *, drop: Collection[SigningEvent] = ()) -> PublicationReport:
        """Make every accepted change visible; see `repository.publish.publish`."""
        from rstuf.repository.publish import Spacing, publish

        return publish(self._ports, spacing=Spacing.GROUPED, drop=drop)

    def renew(self, *, force: Collection[str] = ()) -> RenewalReport:
        """Sign again what is due, or named; see `repository.renewal.renew`."""
        from rstuf.repository.renewal import renew

        return renew(self._ports, force=force)

    def publish_from_copy(self) -> RenewalReport:
        """Go on from a copy that was put back; see `repository.from_copy.publish_from_copy`."""
        from rstuf.repository.from_copy import publish_from_copy

        return publish_from_copy(self._ports)

    def recover_metadata(self) -> MetadataRecovery:
        """Bring back what is lost of the metadata; see `repository.lost_metadata.recover_metadata`."""
        from rstuf.repository.lost_metadata import recover_metadata

        return recover_metadata(self._ports)

    # --- delegations

    @property
    def delegations(self) -> DelegationDesk:
        """The named delegations."""
        from rstuf.repository.delegation_desk import DelegationDesk

        return DelegationDesk(self._ports)

    # --- superseded files

    def retention(self) -> Retention:
        """How long metadata files stay that others took the place of."""
        with self._ports.state.read() as reader:
            return reader.retention()

    def set_retention(self, retention: Retention) -> Retention:
        """Let them stay for so long from now on; see `repository.prune.set_retention`."""
        from rstuf.repository.prune import set_retention

        return set_retention(self._ports, retention)

    def plan_prune(self, *, retention: Retention | None = None) -> PrunePlan:
        """Which of them `prune` would remove now; writes nothing."""
        from rstuf.repository.prune import plan_prune

        return plan_prune(self._ports, retention=retention)

    def prunable(self, *, retention: Retention | None = None) -> tuple[int, int]:
        """How many of them may go now, and their bytes, by the state alone; see `repository.prune.count_prunable`."""
        from rstuf.repository.prune import count_prunable

        return count_prunable(self._ports, retention=retention)

    def prune(self, *, retention: Retention | None = None) -> PruneReport:
        """Remove all that may go; see `repository.prune.prune`."""
        from rstuf.repository.prune import prune

        return prune(self._ports, retention=retention)

    def prune_some(self, *, limit: int, after: SupersededFile | None = None) -> PruneReport:
        """Remove at most `limit` of those that may go; see `repository.prune.prune_some`."""
        from rstuf.repository.prune import prune_some

        return prune_some(self._ports, limit=limit, after=after)

    # --- bins

    def bin_count(self, role: RoleName | None = None) -> int:
        """Over how many bins a role's artifacts are shared out; 0 where it has none, or is not here.

        Args:
            role: None for the bins of what no named delegation is for.
        """
        names = (TARGETS, RoleName(PREFIX)) if role is None else (role,)
        found = 0
        with self._ports.state.read() as reader:
            for name in names:
                with suppress(KeyError):
                    bits = reader.role(name).bin_bits
                    found = found if bits is None else 1 << bits
        return found

    def advise_bins(self, counts: Sequence[int] = (), *, role: RoleName | None = None) -> BinAdvice:
        """What clients download with this and with other numbers of bins; see `repository.bin_advice.advise_bins`."""
        from rstuf.repository.bin_advice import advise_bins

        return advise_bins(self._ports, counts, role=role)

    def resize_bins(
        self,
        count: int,
        *,
        role: RoleName | None = None,
        signers: BinSigners | None = None,
        allow_large: bool = False,
        drop: Collection[SigningEvent] = (),
    ) -> ResizeReport:
        """Share artifacts out over another number of bins; see `repository.rebin.resize_bins`."""
        from rstuf.repository.rebin import resize_bins

        return resize_bins(self._ports, count, role=role, signers=signers, allow_large=allow_large, drop=drop)

    def bins_in_the_way(self, role: RoleName | None = None) -> list[EventView]:
        """What waits of a role that is to have other bins; see `repository.rebin.in_the_way`."""
        from rstuf.repository.rebin import in_the_way

        return in_the_way(self._ports, role)

    def bin_signers(self, role: RoleName | None = None) -> BinSigners | None:
        """Who signs the bins of a role; see `repository.rebin.bin_signers`."""
        from rstuf.repository.rebin import bin_signers

        return bin_signers(self._ports, role)

    # --- looking

    @property
    def name(self) -> str:
        """What its people call it; free text."""
        with self._ports.state.read() as reader:
            return reader.settings().name

    def waiting_ceremony(self) -> EventView | None:
        """What its ceremony waits for; None where that has ended. See `repository.stages.waiting_ceremony`."""
        return waiting_ceremony(self._ports)

    def status(self) -> Status:
        """One look at it."""
        from rstuf.repository.status import look

        return look(self._ports)

    def verify(self, *, depth: Depth | None = None) -> VerifyReport:
        """Audit what is published; see `repository.verify_own.verify_own`. By default `Depth.ROLES`."""
        from rstuf.repository.verify import Depth
        from rstuf.repository.verify_own import verify_own

        return verify_own(self._ports, depth=depth or Depth.ROLES)

    def visible_versions(self) -> VisibleVersions:
        """What clients see at this instant, by the state."""
        from rstuf.repository.reports import VisibleVersions

        with self._ports.state.read() as reader:
            root, snapshot, timestamp = (reader.role(name).visible for name in (ROOT, SNAPSHOT, TIMESTAMP))
        return VisibleVersions(root=root, snapshot=snapshot, timestamp=timestamp)

    def keys(self) -> list[KeyEntry]:
        """Its keys, by name."""
        with self._ports.state.read() as reader:
            return reader.keys()

    def entry_of(self, key: PublicKey) -> KeyEntry | None:
        """What is known of this very key, however it is spelt; None where it is not."""
        from rstuf.repository.keys import entry_of

        return entry_of(self._ports, key)

    def view_keys(self) -> list[KeyView]:
        """Its keys, what each signs and whether it is there; see `repository.keys.view_keys`."""
        from rstuf.repository.keys import view_keys

        return view_keys(self._ports)

    def open_public_half(self, name: str, signer: str) -> PublicKey:
        """The public half of the private key at `signer` (a URI), which is opened for it.

        Raises:
            SignerUnavailable: it cannot be reached, or is not of a kind that rstuf lets in.
            PassphraseNeeded, WrongPassphrase, UnsafeDirectory: it stays closed.
        """
        return self._ports.signers.public_of(name, signer)

    def opens(self, entry: KeyEntry) -> bool:
        """Whether a key can sign: it is opened for it, with the passphrases that the session has."""
        try:
            self._ports.signers.open(entry)
        except RstufError:
            return False
        return True

    def add_key(self, name: str, key: PublicKey, *, signer: str | None) -> KeyChange:
        """Let a key be known by a name, and where it signs; see `repository.keys.add_key`."""
        from rstuf.repository.keys import add_key

        return add_key(self._ports, name, key, signer=signer)

    def root(self, version: int) -> bytes | None:
        """The bytes of one root version."""
        with self._ports.state.read() as reader:
            found = reader.root(version)
        return found.data if found is not None else None

    def log(self, *, after: int = 0, since: datetime | None = None, action: str = "") -> Iterator[AuditEntry]:
        """Audit entries, oldest first, streaming; see `repository.logs.select`. `after` continues behind a number."""
        from rstuf.repository.logs import select

        with self._ports.state.read() as reader:
            yield from select(reader.audit(after=after), since=since, action=action)

    def check_log(self, *, sought: str | None = None) -> LogReport:
        """Check the chain of the log, and what it tells; see `repository.verify_own.check_log`."""
        from rstuf.repository.verify_own import check_log

        return check_log(self._ports, sought=sought)
