"""The audit of what is published: from a trusted root to every artifact, file by file.

What is checked, in the order in which it is read:

1. the roots: each is signed by the one before and by itself, versions have no gap, the newest has not expired (§5.3);
2. timestamp, then snapshot: signed, fresh, of the version (length, hashes) that their parent names, within the size
   that clients read (§5.4, §5.5);
3. targets and everything that is delegated, from there (§5.6): the same, judged by the keys of whoever delegates; each
   of the bins of TAP 15 exists; each artifact is well-formed and belongs where it is. Roles with names come first: once
   they are read it is known where every path is looked for;
4. where delegations can overlap: a client that walks them reaches each artifact, and no other content before it.

Nothing is shared with the code that writes metadata. A fault is reported and the walk goes on with what can be used.
Section numbers are those of the TUF specification 1.0.x.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rstuf.metadata.audit.clients import PYTHON_TUF, Size, Survey
from rstuf.metadata.audit.document import Document, Fault, read_document
from rstuf.metadata.audit.files import MetadataFiles, Request, Shelf
from rstuf.metadata.audit.findings import Code, Findings, Note
from rstuf.metadata.audit.keys import Authority, KeyRing, VerifyKey, check_signatures, load_key
from rstuf.metadata.audit.paths import Bin, bin_name, path_digest
from rstuf.metadata.audit.reach import Reach, Tree
from rstuf.metadata.audit.readings import Expiries, Known, Reading
from rstuf.metadata.audit.roots import RootChain, walk_roots
from rstuf.metadata.audit.shapes import Common, Edge, FileEntry, Shape, Succinct, TargetsView
from rstuf.metadata.audit.targets import check_targets, digest_by

# The most that is read of one file. Parsing takes up to some twenty times as much memory.
READ_LIMIT: Final = 8 * 1024 * 1024
# Bounds of the walk itself: beyond what any client reads, and small enough to come to an end.
MAX_BINS_BITS: Final = 17
MAX_VISITS: Final = 300_000
MAX_DELEGATIONS: Final = 70_000
MAX_DELEGATOR_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Visit:
    """A role that is to be read for a delegator; `prefixed` if it is one by hash prefixes."""

    name: str
    authority: Authority | None
    by: str
    place: Bin | None = None
    prefixed: bool = False


class Audit:
    """One audit. `begin`, then everything that `roles` yields; `findings` and `survey` fill meanwhile.

    Args:
        now: what expiry is judged by.
        known: knowledge from a state, if there is one.
        readers: files that are read at once; more than one suits sources with latency.

    Attributes:
        listed: every key that root or a delegation lists for a role, by its value, with who lists it.
        of_bins: the values of those that are listed for bins.
    """

    def __init__(
        self,
        files: MetadataFiles,
        *,
        trusted_root: bytes,
        now: datetime,
        known: Known | None = None,
        readers: int = 1,
        findings: Findings | None = None,
    ) -> None:
        self.findings = Findings() if findings is None else findings
        self.survey = Survey()
        self.expiries = Expiries()
        self.roots: RootChain | None = None
        self.timestamp: Reading | None = None
        self.snapshot: Reading | None = None
        self.listed: dict[bytes, tuple[VerifyKey, str]] = {}
        self.of_bins: set[bytes] = set()
        self.not_compact = 0
        self._trusted_root = trusted_root
        self._now = now
        self._known = known
        self._ring = KeyRing()
        self._shelf = Shelf(files, self.findings, readers=readers)
        self._entries: dict[str, FileEntry] = {}
        self._tree = Tree()
        self._reach = Reach(self._tree, self.findings, self.survey)
        self._named: deque[Iterable[_Visit]] = deque()
        self._bins: deque[Iterable[_Visit]] = deque()
        self._seen: set[str] = set()
        self._holders: list[str] = []
        self._unread: set[str] = set()
        self._cut_off = False
        self._visits = self._delegations = self._delegator_bytes = 0

    @property
    def entries(self) -> Mapping[str, FileEntry]:
        """What snapshot lists (or, if it is damaged, what the state knows of it), by role."""
        return self._entries

    @property
    def delegated(self) -> Set[str] | None:
        """Targets and every role that somebody delegates to; None where not everybody could be asked."""
        return None if self._cut_off else self._seen

    def visits(self, path: str) -> list[str]:
        """The roles that a client visits for a path, in order, if it never finds it."""
        return self._tree.walk(path, path_digest(path).hex())

    def patterns(self, role: str) -> list[str]:
        """The patterns of the delegations to a role."""
        return [pattern.text for edge in self._tree.incoming(role) for pattern in edge.patterns or ()]

    @property
    def unseen(self) -> int:
        """How many roles could not be looked at, as far as that is known: neither their files nor what they list."""
        beyond = self._entries.keys() - self._seen if self._cut_off else set()
        return len(self._unread | beyond)

    def begin(self) -> int:
        """Check roots, timestamp and snapshot; how many roles there are to look at.

        Raises:
            InvalidMetadata: the trusted root is not a root at all.
            StorageError: nothing at all can be read.
        """
        self._learn_keys()
        newest_known = 0 if self._known is None else self._known.root
        self.roots = walk_roots(
            self._trusted_root,
            shelf=self._shelf,
            now=self._now,
            newest_known=newest_known,
            findings=self.findings,
            ring=self._ring,
        )
        self.survey.root = Size(self.roots.size)
        self._list_keys(self.roots.view.authorities.values(), "root")
        self.expiries.note("root", self.roots.view.common)
        self._begin_snapshot(self._begin_timestamp())
        return len(self._entries)

    def roles(self) -> Iterator[Reading]:
        """Check targets and every delegated role, each as it is read.

        Raises:
            StorageError: the storage went away.
        """
        self._named.append([_Visit("targets", self._top_authority("targets"), self._root_name())])
        while self._named or self._bins:
            visits = self._requests((self._named or self._bins).popleft())
            for request, data in self._shelf.many(visits):
                if data is None:
                    self._miss(request.tag)
                else:
                    yield from self._look(request.tag, data)
                self._seen.add(request.tag.name)
        self._check_extra()
        if self._overlaps():
            self._check_reach()
        self._finish_survey()

    # --- the top-level roles -----------------------------------------------------------------------------

    def _begin_timestamp(self) -> FileEntry | None:
        data = self._shelf.required("timestamp.json", role="timestamp", limit=READ_LIMIT)
        known = self._known.snapshot if self._known is not None else 0
        entry = FileEntry(version=known) if known else None
        if data is None:
            return entry
        self.survey.timestamp = Size(len(data))
        document = self._open("timestamp", data, None, PYTHON_TUF.timestamp)
        if document is None:
            return entry
        self._check_top("timestamp", document)
        common, named = self._shape("timestamp").timestamp(document.signed)
        self._check_common("timestamp", common, None)
        self.timestamp = Reading("timestamp", data, common, targets={})
        return entry if named is None else named

    def _begin_snapshot(self, entry: FileEntry | None) -> None:
        data = None
        if entry is not None:
            name = self._file_name("snapshot", entry.version)
            data = self._shelf.required(name, role="snapshot", limit=READ_LIMIT)
        if data is not None and entry is not None:
            self.survey.snapshot = Size(len(data), entry.length is not None)
            document = self._open("snapshot", data, entry, PYTHON_TUF.snapshot)
            if document is not None:
                self._check_top("snapshot", document)
                common, self._entries = self._shape("snapshot").snapshot(document.signed)
                self._check_common("snapshot", common, entry)
                self.snapshot = Reading("snapshot", data, common, targets={})
        if self.snapshot is None and self._known is not None:
            self._entries = {name: FileEntry(version=version) for name, version in self._known.roles.items()}

    def _check_top(self, role: str, document: Document) -> None:
        self._check_signed(role, document, self._top_authority(role), self._root_name())

    # --- targets and what is delegated -------------------------------------------------------------------

    def _requests(self, visits: Iterable[_Visit]) -> Iterator[Request[_Visit]]:
        for visit in visits:
            self._visits += 1
            if self._visits > MAX_VISITS:
                self._too_complex(f"more than {MAX_VISITS} delegations; the others were not followed")
                return
            entry = self._entries.get(visit.name)
            if entry is None:
                if self.snapshot is not None:
                    message = f"{visit.by} delegates to it and snapshot does not list it: look-ups fail"
                    self.findings.problem(Code.MISSING_ROLE, message, role=visit.name)
                self._miss(visit)
                continue
            yield Request(self._file_name(visit.name, entry.version), READ_LIMIT, visit.name, visit)

    def _look(self, visit: _Visit, data: bytes) -> Iterator[Reading]:
        name, entry = visit.name, self._entries[visit.name]
        again = name in self._seen
        document = self._open(name, data, None if again else entry, PYTHON_TUF.targets)
        if document is None:
            self._miss(visit)
            return
        self._check_signed(name, document, visit.authority, visit.by)
        if again:
            message = f"{visit.by} delegates to it, and so does another role: clients differ in whose keys count"
            self.findings.note(Note.DELEGATED_TWICE, message, role=name)
            return
        view = self._shape(name).targets(document.signed)
        self._check_common(name, view.common, entry)
        self.not_compact += not document.compact
        targets = check_targets(view.targets, role=name, place=visit.place, findings=self.findings, survey=self.survey)
        self.survey.role(name, len(data), len(view.targets), named=entry.length is not None)
        self.survey.in_javascript(name, document.payload, document.signed, [edge.name for edge in view.edges])
        if targets:
            self._holders.append(name)
        if view.edges or view.succinct is not None:
            self._follow(name, view, length=len(data))
        elif visit.prefixed:
            self.survey.bins += 1
        if visit.place is not None and self._overlaps():
            self._reach.look(name, targets, place=visit.place)
        shared = view.succinct is not None or view.classic_bits is not None
        yield Reading(name, data, view.common, targets, place=visit.place, shared=shared)

    def _follow(self, name: str, view: TargetsView, *, length: int) -> None:
        """Let those be read whom a role delegates to."""
        self._delegator_bytes += length
        self._delegations += len(view.edges)
        self._list_keys((edge.authority for edge in view.edges), name)
        bins = [] if view.classic_bits is None else [edge.authority for edge in view.edges]
        if view.succinct is not None:
            self._list_keys([view.succinct.authority], name)
            bins.append(view.succinct.authority)
        self.of_bins.update(key.value for authority in bins for key in authority.keys.values())
        if self._delegator_bytes > MAX_DELEGATOR_BYTES or self._delegations > MAX_DELEGATIONS:
            self._too_complex(f"so many delegations that those of {name} and others were not followed")
            return
        self._tree.add(name, view.edges, view.succinct)
        bits = view.classic_bits
        if bits is None:
            self._named.append(self._delegated(view.edges, name))
        else:
            self._bins.append(self._classic_bins(view.edges, name, bits))
        if view.succinct is not None:
            self._bins.append(self._bins_of(name, view.succinct))

    def _overlaps(self) -> bool:
        """Whether a path may be looked for in more than one place."""
        return bool(self._tree.delegators) and (not self._tree.is_plain() or "targets" in self._holders)

    def _miss(self, visit: _Visit) -> None:
        self._unread.add(visit.name)
        # Whom it delegates to is not known either; bins delegate to nobody.
        self._cut_off |= visit.place is None

    def _delegated(self, edges: Iterable[Edge], by: str) -> Iterator[_Visit]:
        for edge in edges:
            self.survey.delegated += 1
            self.survey.prefixes |= edge.prefixes is not None
            yield _Visit(edge.name, edge.authority, by, prefixed=edge.prefixes is not None)

    def _classic_bins(self, edges: Iterable[Edge], by: str, bits: int) -> Iterator[_Visit]:
        self.survey.prefixes = True
        for index, edge in enumerate(edges):
            self.survey.delegated += 1
            yield _Visit(edge.name, edge.authority, by, Bin(holder=by, bits=bits, index=index), prefixed=True)

    def _bins_of(self, holder: str, succinct: Succinct) -> Iterator[_Visit]:
        self.survey.succinct = True
        count = 1 << succinct.bits
        self.survey.bins += count
        self.survey.delegated += count
        if succinct.bits > MAX_BINS_BITS:
            self._too_complex(f"{holder} delegates to {count} bins; only the first {1 << MAX_BINS_BITS} were looked at")
        for index in range(min(count, 1 << MAX_BINS_BITS)):
            place = Bin(holder=holder, bits=succinct.bits, index=index)
            yield _Visit(bin_name(succinct.prefix, succinct.bits, index), succinct.authority, holder, place)

    def _check_extra(self) -> None:
        """Names that nothing delegates: a snapshot never drops one, so retired roles stay in it."""
        known = self._known.names if self._known is not None else None
        retired = 0
        for name in self._entries:
            if name in self._seen:
                continue
            if known is not None and name not in known:
                message = "snapshot lists it, nothing delegates to it, and this repository never had it"
                self.findings.problem(Code.EXTRA_ROLE, message, role=name)
            else:
                retired += 1
        if retired and not self._unread:
            message = f"it lists {retired} names that nothing delegates to (any more)"
            self.findings.note(Note.RETIRED_ROLE, message, role="snapshot")

    def _check_reach(self) -> None:
        requests = [
            Request(self._file_name(name, self._entries[name].version), READ_LIMIT, name, name)
            for name in self._holders
        ]
        self._reach.finish(self._shelf.silent(), requests)

    # --- what is the same for all ------------------------------------------------------------------------

    def _open(self, role: str, data: bytes, entry: FileEntry | None, limit: int) -> Document | None:
        """Size, length, hashes and JSON of a file."""
        named = entry is not None and entry.length is not None
        if len(data) > limit and not named:
            message = f"it has {len(data)} bytes and clients read at most {limit}"
            self.findings.problem(Code.OVERSIZE, message, role=role)
        if entry is not None:
            if named and entry.length != len(data):
                message = f"it has {len(data)} bytes and its parent says {entry.length}"
                self.findings.problem(Code.LENGTH_MISMATCH, message, role=role)
            for algorithm, value in (entry.hashes or {}).items():
                if digest_by(algorithm, data) != value:
                    message = f"its {algorithm} is not the one that its parent names"
                    self.findings.problem(Code.HASH_MISMATCH, message, role=role)
        try:
            return read_document(data)
        except Fault as fault:
            self.findings.problem(Code.MALFORMED_JSON, str(fault), role=role)
            return None

    def _check_signed(self, role: str, document: Document, authority: Authority | None, by: str) -> None:
        if authority is not None:
            check_signatures(document, [(by, authority)], role=role, findings=self.findings, ring=self._ring)

    def _check_common(self, role: str, common: Common, entry: FileEntry | None) -> None:
        if entry is not None and common.version is not None and common.version != entry.version:
            message = f"it is version {common.version} and its parent names version {entry.version}"
            self.findings.problem(Code.VERSION_MISMATCH, message, role=role)
        if common.expires is not None and common.expires <= self._now:
            self.findings.problem(Code.EXPIRED, f"it expired at {common.expires:%Y-%m-%d %H:%M} UTC", role=role)
        self.expiries.note(role, common)

    def _finish_survey(self) -> None:
        self.survey.schemes = frozenset(self._ring.schemes)
        self.survey.foreign_key_fields = self._ring.foreign_fields

    def _learn_keys(self) -> None:
        """With a state, every key is known, so that a signature by another one is out of place."""
        if self._known is None:
            return
        for keyid, key in self._known.keys.items():
            load_key(keyid, dict(key), where="state", findings=Findings(), ring=self._ring)
        self._ring.schemes.clear()
        self._ring.closed = True

    def _list_keys(self, authorities: Iterable[Authority], by: str) -> None:
        for authority in authorities:
            for key in authority.keys.values():
                self.listed.setdefault(key.value, (key, by))

    def _top_authority(self, role: str) -> Authority | None:
        return None if self.roots is None else self.roots.view.authorities.get(role)

    def _root_name(self) -> str:
        return "root" if self.roots is None else f"root version {self.roots.version}"

    def _file_name(self, role: str, version: int) -> str:
        consistent = self.roots is None or self.roots.view.consistent
        return f"{version}.{role}.json" if consistent else f"{role}.json"

    def _shape(self, role: str) -> Shape:
        return Shape(role, findings=self.findings, ring=self._ring)

    def _too_complex(self, message: str) -> None:
        self._cut_off = True
        self.findings.problem(Code.TOO_COMPLEX, message, role="targets")
