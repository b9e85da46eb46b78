"""The audit beside a state of a repository whose targets holds the artifacts itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import orjson
from tests.support.tuf_repo import NOW, Repo, flat
from tuf.api.metadata import Metadata, Targets

from rstuf.clock import parse_iso
from rstuf.model.artifacts import slot_of
from rstuf.model.audit import GENESIS, AuditEntry, entry_digest
from rstuf.model.keys import KeyEntry, PublicKey
from rstuf.model.names import RoleName, TargetPath
from rstuf.model.policy import Periods
from rstuf.model.publication import Publication, PublicationPhase, RootVersion
from rstuf.model.roles import FileFacts, RoleKind, RoleState
from rstuf.model.settings import Phase, RepositorySettings
from rstuf.repository.verify import verify

# An artifact that clients do not see yet, named "wait".
_WAITING: Final = b'{"hashes":{"sha256":"%b"},"length":1}' % (b"ab" * 32)


class _FlatState:
    """What a state would say of a repository without bins that python-tuf made."""

    def __init__(self, repo: Repo, fragments: dict[str, bytes]) -> None:
        self._repo = repo
        self._fragments = fragments

    def roles(self) -> Iterator[RoleState]:
        payload = sum(len(orjson.dumps(path)) + len(fragment) + 2 for path, fragment in self._fragments.items())
        for number, name in enumerate(("root", "targets", "snapshot", "timestamp")):
            data = self._repo.files[self._repo.name_of(name)]
            expires = parse_iso(orjson.loads(data)["signed"]["expires"])
            holds = name == "targets"
            yield RoleState(
                id=number, name=RoleName(name), kind=RoleKind(name), holder=None, index=None, bin_bits=None, version=1,
                visible=1, number=7, newest=9 if holds else 0, forced=False, shown=0, expires=expires, signed_at=NOW,
                sign_by=expires - timedelta(seconds=1), artifacts=len(self._fragments) + 1 if holds else 0,
                payload=payload + len(_WAITING) + 8 if holds else 0,
                file=FileFacts(len(data), hashlib.sha256(data).hexdigest()),
            )  # fmt: skip

    def versions(self, holder: int, low: int, high: int) -> Iterator[tuple[int, TargetPath, int, bytes]]:
        assert (holder, low, high) == (1, 0, 2**32 - 1)
        rows = [(slot_of(path), TargetPath(path), 7, fragment) for path, fragment in self._fragments.items()]
        return iter(sorted([*rows, (slot_of("wait"), TargetPath("wait"), 9, _WAITING)]))

    def settings(self) -> RepositorySettings:
        return RepositorySettings("flat", Phase.LIVE, created=NOW, plan_digest="", newest_evidence=NOW)

    def periods(self) -> Mapping[str, Periods]:
        years = Periods(timedelta(days=9999), timedelta(seconds=1))
        return dict.fromkeys(("root", "targets", "snapshot", "timestamp"), years)

    def publications(self) -> Iterator[Publication]:
        data = self._repo.files["timestamp.json"]
        yield Publication(1, PublicationPhase.DONE, 7, NOW, NOW, 1, data)

    def root(self, version: int) -> RootVersion:
        return RootVersion(version, self._repo.trusted, settled=True)

    def delegator(self, name: RoleName, version: int) -> bytes:
        return self._repo.files[f"{version}.{name}.json"]

    def root_versions(self) -> list[int]:
        return [1]

    def newest_root(self) -> RootVersion:
        return self.root(1)

    def newest_number(self) -> int:
        return 9

    def snapshot_entries(self) -> list[tuple[str, int]]:
        return [("targets", 1)]

    def unfinished_publication(self) -> None:
        return None

    def keys(self) -> list[KeyEntry]:
        signed = orjson.loads(self._repo.trusted)["signed"]
        return [KeyEntry(keyid[:8], PublicKey.from_dict(key), None, NOW) for keyid, key in signed["keys"].items()]

    def key(self, keyid: str) -> KeyEntry:
        return next(entry for entry in self.keys() if entry.keyid == keyid)

    def audit(self) -> Iterator[AuditEntry]:
        previous = GENESIS
        told: list[tuple[str, dict[str, Any]]] = [
            ("root.sign", {"version": 1}), ("artifacts.add", {"number": 9}), ("publish", {"publication": 1})
        ]  # fmt: skip
        for sequence, (action, details) in enumerate(told, start=1):
            fields: dict[str, Any] = {"at": NOW, "actor": "me", "action": action, "details": details}
            entry = AuditEntry(
                sequence=sequence,
                previous=previous,
                digest=entry_digest(sequence=sequence, previous=previous, **fields),
                **fields,
            )
            previous = entry.digest
            yield entry

    def damage(self) -> Iterator[str]:
        return iter(())


def test_where_targets_holds_the_artifacts_itself_they_are_compared_with_it() -> None:
    """Without bins, everything that the holder has is compared with the one role."""
    repo = flat({"b": b"1", "a/c": b"22"})
    targets = Metadata[Targets].from_bytes(repo.files["1.targets.json"]).signed.targets
    fragments = {path: orjson.dumps(target.to_dict(), option=orjson.OPT_SORT_KEYS) for path, target in targets.items()}
    state: Any = _FlatState(repo, fragments)
    report = verify(repo, trusted_root=repo.trusted, now=NOW, state=state)
    assert report.problems == ()
    assert report.checked["state_artifacts"] == 2
    state = _FlatState(repo, {"b": fragments["b"], "d": fragments["b"]})
    report = verify(repo, trusted_root=repo.trusted, now=NOW, state=state)
    assert {(problem.code, problem.path) for problem in report.problems} == {
        ("state-disagrees", "a/c"),
        ("state-disagrees", "d"),
    }
