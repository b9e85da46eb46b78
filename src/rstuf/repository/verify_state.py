"""What the state says, beside what clients see and beside itself.

Nothing that changes a row of the state behind rstuf's back is to pass unnoticed: what clients see is compared with it
(versions, files, dates, places, artifacts, keys, roots), what they do not see yet is judged by itself (waiting
changes, counts, periods, records), and how it is kept is checked by the adapter.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from rstuf.metadata.audit.findings import Findings, Note
from rstuf.metadata.audit.readings import Known, Reading
from rstuf.metadata.audit.roots import RootChain, Seen
from rstuf.metadata.audit.walk import Audit
from rstuf.model.publication import Publication, PublicationPhase, RootVersion
from rstuf.model.roles import RoleKind
from rstuf.repository.interfaces import StateReader
from rstuf.repository.overtaken import overtaken
from rstuf.repository.verify_artifacts import ArtifactCheck
from rstuf.repository.verify_complaints import Complaints
from rstuf.repository.verify_keys import check_keys
from rstuf.repository.verify_log import RecordCheck
from rstuf.repository.verify_roles import RoleCheck

_HOLDERS: Final = frozenset({RoleKind.TARGETS, RoleKind.DELEGATED})
_LISTED: Final = _HOLDERS | {RoleKind.BIN}


class StateComparison:
    """Compares what the audit reads with one view of the state.

    Attributes:
        behind: whether clients see a newer timestamp than this view of the state knows.
    """

    def __init__(self, state: StateReader, findings: Findings, *, now: datetime) -> None:
        self._state = state
        self._complaints = Complaints(findings)
        self._records = RecordCheck(state, self._complaints)
        self._roles = RoleCheck(self._complaints, ())
        self._unfinished: Publication | None = None
        self._known: Known | None = None
        self._compared = self._newest_number = self._newest_change = 0
        with self._complaints.reading("the number of the newest change"):
            self._newest_number = state.newest_number()
        with self._complaints.reading("the roles"):
            self._roles = RoleCheck(self._complaints, state.roles())
            self._newest_change = max((role.newest for role in self._roles.roles.values()), default=0)
            self._known = self._learn()
        self._artifacts = ArtifactCheck(state, self._complaints, self._roles, newest_number=self._newest_number)
        self.behind = False
        if self._known is not None:
            self._check_rows(now)

    @property
    def checked(self) -> dict[str, int]:
        """Counts by word."""
        return {
            "state_roles": self._compared,
            "state_artifacts": self._artifacts.checked,
            "log_entries": self._records.checked,
        }

    def known(self) -> Known | None:
        """What helps the audit where a file is missing; None if the state itself cannot be read."""
        return self._known

    def _learn(self) -> Known:
        snapshot, root = self._roles.roles.get("snapshot"), 0
        keys: dict[str, dict[str, Any]] = {}
        with self._complaints.reading("the newest root"):
            newest = self._state.newest_root()
            root = newest.version if newest is not None and newest.settled else 0
        with self._complaints.reading("the list of keys"):
            keys = {str(entry.keyid): entry.key.to_dict() for entry in self._state.keys()}
        return Known(
            root=root,
            snapshot=0 if snapshot is None else snapshot.visible,
            roles={str(name): version for name, version in self._state.snapshot_entries()},
            names=frozenset(self._roles.roles),
            keys=keys,
        )

    def _check_rows(self, now: datetime) -> None:
        self._roles.check_rows(newest_number=self._newest_number)
        with self._complaints.reading("the bytes of roles that delegate"):
            self._roles.check_delegators(self._state)
        with self._complaints.reading("the settings"):
            self._roles.check_evidence(self._state.settings().newest_evidence, now=now)
        with self._complaints.reading("the periods"):
            self._roles.learn_periods(self._state.periods())
        with self._complaints.reading("the unfinished publication"):
            self._unfinished = self._state.unfinished_publication()
        with self._complaints.reading("the publications"):
            timestamp = self._roles.roles.get("timestamp")
            self._records.publications(timestamp, newest_number=self._newest_number)

    # --- along the audit ---------------------------------------------------------------------------------

    def top(self, audit: Audit) -> None:
        """Compare roots, timestamp and snapshot."""
        if self._known is None:
            return
        self._note_unfinished(audit)
        with self._complaints.reading("the roots"):
            if audit.roots is not None:
                self._compare_roots(audit.roots)
        for reading in (audit.timestamp, audit.snapshot):
            if reading is not None:
                self._compare_role(reading)
        if audit.snapshot is not None:
            self._compare_entries(audit)
        expected = self._roles.roles.get("timestamp")
        if audit.timestamp is not None and expected is not None:
            self.behind = (audit.timestamp.version or 0) > expected.visible

    def reading(self, reading: Reading) -> None:
        """Compare one targets role, file and artifacts."""
        if self._known is not None:
            self._compare_role(reading)
            self._artifacts.compare(reading)

    def finish(self, audit: Audit) -> None:
        """Check what no file of metadata stands beside, once everything else was looked at."""
        timestamp = self._roles.roles.get("timestamp")
        if audit.timestamp is None and timestamp is not None and timestamp.visible > 0:
            message = "the state knows a version that clients see, and there is none to see"
            self._complaints.disagree(message, role="timestamp")
        if audit.delegated is not None and audit.snapshot is not None and self._known is not None:
            self._roles.compare_delegated(audit.delegated)
        self._artifacts.rest()
        with self._complaints.reading("the keys"):
            listed = None if audit.roots is None or self._known is None else audit.listed
            check_keys(self._state, self._complaints, listed=listed, of_bins=audit.of_bins)
        with self._complaints.reading("the log"):
            for role in overtaken(self._state):
                message = "people must sign it above what clients may have seen before the state was made anew"
                self._complaints.note(Note.OVERTAKEN, message, role=role.name)
            newest_root = max(self._state.root_versions(), default=0)
            self._records.log(newest_root=newest_root, newest_number=self._newest_change)
        with self._complaints.reading("how it is kept"):
            for fault in self._state.damage():
                self._complaints.damaged(fault)

    def _compare_role(self, reading: Reading) -> None:
        self._compared += 1
        self._roles.compare(reading)
        prefix = reading.name.rpartition("-")[0] if reading.place is not None else None
        self._roles.check_periods(reading.name, bins=prefix)

    # --- publications ------------------------------------------------------------------------------------

    def _note_unfinished(self, audit: Audit) -> None:
        publication = self._unfinished
        if publication is None:
            return
        message = f"publication {publication.id} is under way or was interrupted; rstuf publish completes it"
        self._complaints.note(Note.UNFINISHED_PUBLICATION, message)
        visible = audit.timestamp is not None and audit.timestamp.data == publication.timestamp
        if publication.phase is PublicationPhase.COMMITTING and visible:
            with self._complaints.reading("the publication"):
                # Its timestamp was replaced and the state not settled: clients see what it brings.
                for planned, file in self._state.publication_roles(publication.id):
                    self._roles.expect(planned, file)
                self._roles.changing = self._brings_another_tree(publication)

    def _brings_another_tree(self, publication: Publication) -> bool:
        """Whether a publication brings other bins, or other delegations."""
        if self._state.handover_number(publication.id) is not None:
            return True
        holders = [role.name for role in self._roles.roles.values() if role.kind in _HOLDERS]
        resizes = [self._state.resize(name) for name in holders]
        return any(each is not None and each.publication == publication.id for each in resizes)

    # --- roots -------------------------------------------------------------------------------------------

    def _compare_roots(self, chain: RootChain) -> None:
        versions = self._state.root_versions()
        newest = self._state.newest_root()
        for version in sorted({*versions, *chain.seen}):
            seen, known = chain.seen.get(version), self._state.root(version)
            if known is None:
                self._disagree_on_root(f"{version}.root.json is there and the state does not know it")
            elif seen is None:
                self._miss_root(known, newest)
            elif Seen.of(known.data) != seen:
                self._disagree_on_root(f"{version}.root.json has other bytes than the state has for it")
        for before, version in pairwise([0, *sorted({*versions, *chain.seen})]):
            if version > before + 1:
                gap = f"version {before + 1}" if version == before + 2 else f"versions {before + 1} to {version - 1}"
                self._complaints.damaged(f"the state has no root of {gap}, and newer ones", role="root")
        if newest is not None:
            self._compare_root_role(newest, chain)

    def _miss_root(self, root: RootVersion, newest: RootVersion | None) -> None:
        version = root.version
        if root.settled:
            # Clients that start with an older root, or with this one by name, do not get further.
            self._disagree_on_root(f"the state has root version {version}, and {version}.root.json cannot be read")
        elif newest is not None and version == newest.version:
            message = f"root version {version} is signed and its file not there yet; rstuf publish makes it"
            self._complaints.note(Note.UNFINISHED_PUBLICATION, message, role="root")
        else:
            message = f"the file of version {version} was never made, and there is a newer one"
            self._complaints.damaged(message, role="root")

    def _compare_root_role(self, newest: RootVersion, chain: RootChain) -> None:
        role = self._roles.roles.get("root")
        if role is None:
            return
        if role.visible != newest.version:
            message = f"its newest root is version {newest.version}, and the role is at {role.visible}"
            self._complaints.damaged(message, role="root")
            return
        facts = Seen.of(newest.data)
        if role.file is not None and (role.file.length, role.file.sha256) != (facts.length, facts.sha256):
            self._complaints.damaged("what is recorded of its file is not what the newest root is", role="root")
        if chain.version == newest.version:
            self._roles.compare_expiry("root", chain.view.common.expires)
        self._roles.check_periods("root")

    def _disagree_on_root(self, message: str) -> None:
        self._complaints.disagree(message, role="root")

    # --- snapshot ----------------------------------------------------------------------------------------

    def _compare_entries(self, audit: Audit) -> None:
        listed = {name: entry.version for name, entry in audit.entries.items()}
        expected = {
            name: role.visible for name, role in self._roles.roles.items() if role.kind in _LISTED and role.visible > 0
        }
        for name in sorted(listed.keys() | expected.keys()):
            if listed.get(name) != expected.get(name):
                found, wanted = listed.get(name, "nothing"), expected.get(name, "nothing")
                self._complaints.disagree(f"snapshot lists version {found} and the state says {wanted}", role=name)
