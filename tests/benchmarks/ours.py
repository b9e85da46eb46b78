"""rstuf's side: the engine as its faces use it, on a workspace whose keys are not encrypted."""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks.records import Record
from tests.support.plans import plan_text

from rstuf import Artifact, RecordFormat, Session, make_repository, open_repository, target_path
from rstuf.repository.ports import Ports
from rstuf.repository.publish import Spacing, publish
from rstuf.repository.repository import Repository


class _NoSecrets:
    """Nothing here is encrypted."""

    def passphrase(self, key: str, *, new: bool) -> bytes:
        raise AssertionError(f"asked for the passphrase of {key}")

    def may_try_again(self, key: str) -> bool:
        return False


def make(place: Path, *, bits: int) -> None:
    """An empty repository, its ceremony done."""
    plan = place.with_name(place.name + ".toml")
    plan.write_text(plan_text(name="benchmark", signers=("root",), bins=1 << bits, places={"artifacts": ""}))
    make_repository(plan, place, _session())


def opened(place: Path) -> Repository:
    """The repository in `place`."""
    return open_repository(place, _session())


def import_and_publish(repository: Repository, records: Path) -> None:
    """P1."""
    with records.open("rb") as stream:
        repository.import_records(stream, form=RecordFormat.NDJSON, source=records.name)
    _publish(repository)


def publish_one(repository: Repository, new: Record) -> None:
    """P2."""
    artifact = Artifact(path=target_path(new.path), length=new.length, hashes={"sha256": new.sha256})
    repository.add_artifacts([artifact])
    _publish(repository)


def renew_bins(repository: Repository) -> None:
    """P3."""
    repository.renew(force=("bins",))


def public_key(place: Path) -> bytes:
    """The online key, as root says it."""
    signed = json.loads((place / "metadata" / "1.root.json").read_bytes())["signed"]
    (keyid,) = signed["roles"]["timestamp"]["keyids"]
    return bytes.fromhex(signed["keys"][keyid]["keyval"]["public"])


def _publish(repository: Repository) -> None:
    # The facade keeps publications of many bins a second apart; what one costs is asked here.
    ports: Ports = repository._ports
    publish(ports, spacing=Spacing.NONE)


def _session() -> Session:
    return Session(purpose="benchmark", actor="benchmark", secrets=_NoSecrets())
