"""The chain of roots: only the next version, signed by the keys of both sides, is ever published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.engine import Engine, check_client, plan_document

from rstuf.errors import EventOpen, InvalidInput, ReleaseRefused, RstufError
from rstuf.metadata.bundle import DetachedSignature
from rstuf.metadata.render import Unsigned, part_of, sign_with
from rstuf.metadata.root import with_role_keys
from rstuf.metadata.views import RoleKeys, Signature, open_envelope
from rstuf.model.events import EventKind
from rstuf.model.names import ROOT, TARGETS
from rstuf.repository.publish import publish
from rstuf.repository.root_update import RootUpdate
from rstuf.repository.roots import commit_root
from rstuf.repository.signing_events import Outcome, open_event

YEAR = timedelta(days=365)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Two of three keys sign root; root v2 is out already, so that there is a version to repeat and one to fork."""
    document = plan_document(
        root={"threshold": 2, "signers": ["one", "two", "three"], "expires": "365d"},
        keys={
            name: {"generate": "ed25519", "encrypt": False, "signer": f"file:keys/{name}.key"}
            for name in ("one", "two", "three", "online")
        },
    )
    engine = Engine.live(tmp_path / "repository", document=document)
    engine.add("a.txt", b"first")
    publish(engine.ports)
    for name in ("four", "five", "six"):
        engine.make_key(name)
    engine.events.open(engine.events.propose(RootUpdate(add=("four",))))
    engine.events.sign("root-v2")
    return engine


def root_of(engine: Engine, version: int, signers: Sequence[str], *, threshold: int = 2) -> Unsigned:
    """A root of any version that lets these keys sign root."""
    newest = open_envelope(engine.root(2), name="2.root.json", kind="root")
    keys = {engine.keys.made[name].entry.keyid: engine.keys.made[name].entry.key for name in signers}
    expires = engine.clock.now() + YEAR
    changed = {ROOT: RoleKeys(keyids=tuple(keys), threshold=threshold, keys=keys)}
    return part_of(ROOT, with_role_keys(newest.signed, changed, version=version, expires=expires), expires=expires)


def signed_by(engine: Engine, unsigned: Unsigned, names: Sequence[str]) -> bytes:
    """Its file with the signatures of these keys."""
    signers = [engine.keys.made[name].signer for name in names]
    return sign_with(unsigned, [Signature(each.keyid, each.sign(unsigned.payload)) for each in signers]).data


@dataclass(frozen=True)
class Attempt:
    """A root that somebody would have published: its version, whom it lists for root, and who signed it."""

    version: int
    lists: tuple[str, ...]
    by: tuple[str, ...]


OLD, NEW = ("one", "two", "three", "four"), ("four", "five", "six")
REFUSED = {
    "repeats the newest": Attempt(2, OLD, OLD),
    "forks the newest": Attempt(2, NEW, (*OLD, *NEW)),
    "goes back to the first": Attempt(1, OLD, OLD),
    "skips a version": Attempt(4, OLD, OLD),
    "skips far": Attempt(2**31 - 1, OLD, OLD),
    "is version 0": Attempt(0, OLD, OLD),
    "is signed by the new keys only": Attempt(3, NEW, NEW),
    "is signed by the old keys only": Attempt(3, NEW, ("one", "two", "three")),
    "is signed by one of the old and all of the new": Attempt(3, ("five", "six"), ("one", "five", "six")),
    "is signed by one of the new and all of the old": Attempt(3, ("five", "six"), ("five", *OLD)),
    "is signed by strangers": Attempt(3, NEW, ("online",)),
    "is signed by one key twice": Attempt(3, OLD, ("one", "one")),
    "is signed by nobody": Attempt(3, OLD, ()),
    "is signed by the online key beside one": Attempt(3, OLD, ("one", "online")),
}


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=REFUSED.keys())
def test_no_other_root_is_published(engine: Engine, tmp_path: Path, attempt: Attempt) -> None:
    """A root that is not the next one, signed by both sides, is refused before anything of it is written."""
    data = signed_by(engine, root_of(engine, attempt.version, attempt.lists), attempt.by)
    before = dict(engine.metadata.files)
    with engine.ports.state.publication_lock(purpose="test"), pytest.raises(RstufError) as refused:
        commit_root(engine.ports, data, signed_at=engine.clock.now())
    assert refused.value.code in {"release-refused", "invalid-metadata"}
    assert engine.metadata.files == before
    assert check_client(engine, tmp_path / "client").root == 2


def test_the_next_root_of_both_sides_is_published(engine: Engine, tmp_path: Path) -> None:
    """The same root is published once enough of the old and of the new keys have signed it: the refusals can fail."""
    data = signed_by(engine, root_of(engine, 3, ("five", "six")), ("one", "two", "five", "six"))
    with engine.ports.state.publication_lock(purpose="test"):
        assert commit_root(engine.ports, data, signed_at=engine.clock.now()) == 3
    assert check_client(engine, tmp_path / "client").root == 3
    with engine.ports.state.publication_lock(purpose="test"), pytest.raises(ReleaseRefused):
        commit_root(engine.ports, data, signed_at=engine.clock.now())


@pytest.mark.parametrize("version", [1, 2, 4, 5, 2**31 - 1])
def test_an_event_of_another_version_never_comes_out(engine: Engine, version: int) -> None:
    """However many sign it, an event whose root is not the next one stays invisible, and says why."""
    with engine.ports.state.publication_lock(purpose="test"):
        event = open_event(engine.ports, [root_of(engine, version, OLD)], kind=EventKind.UPDATE)
    before = dict(engine.metadata.files)
    (done,) = engine.events.sign(event.name).completions
    assert isinstance(done.obstacle, ReleaseRefused)
    assert f"has version {version} and must have 3" in done.obstacle.message
    assert engine.metadata.files == before


@pytest.mark.parametrize(
    ("by", "missing"), [(("one", "two"), 2), (("five", "six"), 2), (("one", "five", "six"), 1), ((), 2)]
)
def test_an_event_that_one_side_signed_waits(engine: Engine, by: Sequence[str], missing: int) -> None:
    """Old keys alone or new ones alone leave an event open, and what is missing is told."""
    proposal = engine.events.propose(RootUpdate(add=("five", "six"), remove=OLD))
    engine.events.open(proposal)
    signed = engine.events.receive(engine.signature("root-v3", name) for name in by)
    assert {each.outcome for each in signed.receptions} <= {Outcome.ADDED}
    assert signed.completions == ()
    (view,) = engine.events.views()
    assert max(side.missing for part in view.parts for side in part.sides) == missing
    assert "3.root.json" not in engine.metadata.files


def test_signatures_of_a_fork_are_refused(engine: Engine) -> None:
    """Who signed another root v3 than the one that is open is told so, and it counts for nothing."""
    fork = root_of(engine, 3, NEW)
    engine.events.open(engine.events.propose(RootUpdate(add=("five",))))
    signer = engine.keys.made["one"].signer
    (part,) = engine.events.bundle("root-v3").parts
    wrong = [
        DetachedSignature(part.digest, signer.keyid, signer.sign(fork.payload)),
        DetachedSignature("0" * 64, signer.keyid, signer.sign(fork.payload)),
    ]
    assert [each.outcome for each in engine.events.receive(wrong).receptions] == [Outcome.REFUSED, Outcome.REFUSED]


def test_a_proposal_of_before_is_not_opened(engine: Engine) -> None:
    """What was proposed over a root that is no longer the newest is refused, as a fork would be."""
    stale = engine.events.propose(RootUpdate(add=("five",)))
    engine.events.open(engine.events.propose(RootUpdate(add=("six",))))
    with pytest.raises(EventOpen):
        engine.events.open(stale)
    engine.events.sign("root-v3")
    with pytest.raises(InvalidInput):
        engine.events.open(stale)


def test_any_two_published_roots_are_compared(engine: Engine) -> None:
    """What changed between two roots is told whatever lies between; in the other order, or of one alone, it is not."""
    engine.events.open(engine.events.propose(RootUpdate(add=("five",), remove=("one",))))
    engine.events.sign("root-v3")
    changes = engine.events.difference(1, 3)
    named = {key.entry.keyid: name for name, key in engine.keys.made.items()}
    assert (changes.old_version, changes.new_version) == (1, 3)
    assert [named[keyid] for keyid in changes.roles[ROOT].added] == ["four", "five"]
    assert [named[keyid] for keyid in changes.roles[ROOT].removed] == ["one"]
    for before, after in ((3, 1), (2, 2), (1, 4), (4, 5)):
        with pytest.raises(InvalidInput):
            engine.events.difference(before, after)


def test_a_preview_is_what_would_be_opened(engine: Engine) -> None:
    """The bytes that are shown before an event is opened are the bytes that it waits for."""
    proposal = engine.events.propose(RootUpdate(add=("five",)))
    (preview,) = engine.events.preview(proposal)
    engine.events.open(proposal)
    opened = engine.events.bundle("root-v3")
    assert [part.payload for part in preview.parts] == [part.payload for part in opened.parts]
    assert (preview.chain, preview.names, preview.code) == (opened.chain, opened.names, opened.code)


def test_who_no_longer_signs_is_logged(engine: Engine) -> None:
    """A key that a new root lists nowhere any more is revoked in the log, once, and with its name."""
    engine.events.open(engine.events.propose(RootUpdate(remove=("four",))))
    engine.events.sign("root-v3")
    with engine.ports.state.read() as reader:
        revoked = [entry.details["key"] for entry in reader.audit(after=0) if entry.action == "key.revoke"]
    assert revoked == ["four"]


def test_periods_of_targets_are_no_part_of_root(engine: Engine) -> None:
    """Periods of another role than root cannot slip into root's own."""
    with pytest.raises(InvalidInput):
        engine.events.propose(RootUpdate(role=TARGETS, add=("five",), periods=engine.events.periods(TARGETS)))
