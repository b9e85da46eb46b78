"""What a signer signed before goes to other roles with a bundle: it is told as what it is, and as no loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.delegated import delegate
from tests.support.engine import Engine
from tests.unit.holder.test_delegated import judged

from rstuf.holder.record import HolderRecord, SignedBefore
from rstuf.holder.review import Review
from rstuf.metadata.bundle import Bundle, DetachedSignature, parse_bundle, render_bundle
from rstuf.metadata.canonical import canonical
from rstuf.model.names import RoleName
from rstuf.model.policy import BinSigners
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins

TEAM = RoleName("team")
PATHS = tuple(f"team/{number}" for number in range(12))
"""They are in all of four bins."""


@pytest.fixture
def record(tmp_path: Path) -> HolderRecord:
    """Tara's, who signs team."""
    return HolderRecord(tmp_path / "record")


@pytest.fixture
def engine(tmp_path: Path, record: HolderRecord) -> Engine:
    """team, which she signs elsewhere, lists twelve artifacts, as she signed them."""
    engine = Engine.live(tmp_path / "repository")
    engine.make_key("tara")
    delegate(engine, "team", "team/*", signers=("tara",))
    engine.keys.away.add("tara")
    for path in PATHS:
        engine.add(path, path.encode())
    publish(engine.ports)
    signs(engine, record)
    return engine


def waiting(engine: Engine) -> Bundle:
    """The one event that waits, as it is carried to her."""
    (view,) = engine.events.views()
    return parse_bundle(render_bundle(engine.events.bundle(view.event.name)))


def signs(engine: Engine, record: HolderRecord, bundle: Bundle | None = None) -> Review:
    """She signs all that waits, which her record keeps, and it comes out; what she was told before."""
    bundle = bundle or waiting(engine)
    review, signer = judged(engine, bundle, record=record), engine.keys.made["tara"].signer
    at = engine.clock.now()
    record.add(
        review.remember([SignedBefore(part.role, part.version, part.digest, signer.keyid, at) for part in review.parts])
    )
    found = [
        DetachedSignature(part.digest, signer.keyid, signer.sign(canonical(part.payload))) for part in bundle.parts
    ]
    engine.events.receive(found)
    return review


def split(engine: Engine, bins: int, by: BinSigners = BinSigners.ROLE) -> Bundle:
    """Other bins of team, as they are carried to her."""
    resize_bins(engine.ports, bins, role=TEAM, signers=by)
    return waiting(engine)


def told(review: Review) -> dict[str, str]:
    """What is said of artifacts, by its code."""
    return {each.code: each.message for each in review.concerns if each.code.startswith("artifacts-")}


def counts(review: Review) -> tuple[int, ...]:
    """Of all parts together: added, replaced, removed and as before."""
    found = [part.targets.changes.counts for part in review.parts if part.targets is not None]
    return tuple(map(sum, zip(*found, strict=True)))


def without(bundle: Bundle, path: str, **instead: Any) -> Bundle:
    """A bundle no part of which lists a path, or one that says something else of it."""

    def listed(targets: Mapping[str, Any]) -> dict[str, Any]:
        others = {each: entry for each, entry in targets.items() if each != path}
        return others | ({path: {**targets[path], **instead}} if instead and path in targets else {})

    parts = (replace(part, signed={**part.signed, "targets": listed(part.signed["targets"])}) for part in bundle.parts)
    return replace(bundle, parts=tuple(parts))


def test_bins_take_what_the_role_listed(engine: Engine, record: HolderRecord) -> None:
    """Split, and over more bins, and over fewer: all is as she signed it, and nothing is said to be gone or new."""
    for bins in (4, 8, 2):
        review = signs(engine, record, split(engine, bins))
        assert told(review) == {}
        assert counts(review) == (0, 0, 0, len(PATHS))
    assert publish(engine.ports).waiting == ()


@pytest.mark.parametrize("before", [None, 4, 8])
def test_what_is_in_no_bin_is_told(engine: Engine, record: HolderRecord, before: int | None) -> None:
    """Other bins are no cover for a removal or another content, whichever bin had it, be it one that goes."""
    if before is not None:
        signs(engine, record, split(engine, before))
    bundle = split(engine, 2)
    for path in PATHS:
        review = judged(engine, without(bundle, path), record=record)
        assert counts(review) == (0, 0, 1, len(PATHS) - 1)
        assert "clients would not find 1 artifact any more that you signed last of team" in told(review).values()
        review = judged(engine, without(bundle, path, length=1), record=record)
        assert counts(review) == (0, 1, 0, len(PATHS) - 1)
        assert told(review).keys() == {"artifacts-replaced"}


def test_what_was_removed_since_is_told_once(engine: Engine, record: HolderRecord) -> None:
    """Once she has signed a bin without it, neither the role nor a bin that is gone brings it up again."""
    signs(engine, record, split(engine, 8))
    signs(engine, record, split(engine, 2))
    engine.remove(PATHS[0])
    publish(engine.ports)
    assert counts(signs(engine, record))[2] == 1
    for bins in (8, 4):
        assert told(signs(engine, record, split(engine, bins))) == {}


@pytest.mark.parametrize("before", [None, 4])
def test_what_the_online_key_lists_cannot_be_seen(engine: Engine, record: HolderRecord, before: int | None) -> None:
    """Bins that others sign are not in what she is brought: that is said, once, and not that artifacts are gone."""
    if before is not None:
        signs(engine, record, split(engine, before))
    review = signs(engine, record, split(engine, 4, BinSigners.ONLINE))
    assert told(review).keys() == {"artifacts-unseen"}
    assert "12 artifacts that you signed last of team" in told(review)["artifacts-unseen"]
    assert told(signs(engine, record, split(engine, 8, BinSigners.ONLINE))) == {}


def test_bins_that_a_bundle_lacks_are_told(engine: Engine, record: HolderRecord) -> None:
    """What would be in a bin that is left out of it cannot be seen either."""
    bundle = split(engine, 4)
    lacking = replace(bundle, parts=bundle.parts[:-1])
    assert "artifacts-unseen" in told(judged(engine, lacking, record=record))


def test_what_another_role_takes_is_told(engine: Engine, record: HolderRecord) -> None:
    """It is told as gone, with the role that has what she signed; where that is not in it, that one may have it."""
    engine.make_key("tom")
    engine.keys.away.add("tom")
    delegate(engine, "sub", "team/3", signers=("tom",), parent="team")
    bundle = waiting(engine)
    review = judged(engine, bundle, record=record)
    assert told(review) == {
        "artifacts-removed": "clients would not find 1 artifact any more that you signed in v2, but what they look for "
        "in sub (1), which has it in this as you signed it"
    }
    parts = tuple(part for part in bundle.parts if part.role != "sub")
    (message,) = told(judged(engine, replace(bundle, parts=parts), record=record)).values()
    assert message.endswith("unless a role lists them that is not in this")


def test_a_role_over_bins_lists_nothing_itself(engine: Engine, record: HolderRecord) -> None:
    """Clients would find that first: another content of what she signed is told as such, though its bin has it."""
    bundle = split(engine, 2)
    (part,) = (each for each in bundle.parts if each.role == "team")
    entry = next(each.signed["targets"][PATHS[1]] for each in bundle.parts if PATHS[1] in each.signed["targets"])
    for listed, more in ({**entry, "length": 666}, {"artifacts-replaced"}), (entry, set[str]()):
        evil = replace(part, signed={**part.signed, "targets": {PATHS[1]: listed}})
        review = judged(engine, replace(bundle, parts=(evil, *bundle.parts[1:])), record=record)
        assert {"artifacts-beside-bins", "artifacts-twice", *more} <= told(review).keys()
        assert all(each.grave for each in review.concerns if each.code in {"artifacts-beside-bins", "artifacts-twice"})


def test_another_content_in_another_role_is_told(engine: Engine, record: HolderRecord) -> None:
    """What she signed of one role is held against what she would sign of another: clients may come to that first."""
    delegate(engine, "early", "team/3", signers=("tara",), before="team")
    bundle = waiting(engine)
    assert "artifacts-replaced" not in told(judged(engine, bundle, record=record))
    review = judged(engine, without(bundle, "team/3", length=1), record=record)
    assert told(review)["artifacts-replaced"].endswith("for 1 path that you signed of another role")
