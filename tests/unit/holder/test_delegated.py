"""Bundles of roles below targets, as their signer's machine judges them: whose, for what, and what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.delegated import delegate
from tests.support.engine import Engine

from rstuf.errors import InvalidBundle, ProposalRefused
from rstuf.holder.record import HolderRecord, SignedBefore
from rstuf.holder.review import Review, review_bundle
from rstuf.metadata.bundle import Bundle, BundlePart, parse_bundle, render_bundle
from rstuf.model.artifacts import digest_of
from rstuf.model.names import TARGETS, RoleName, TargetPath
from rstuf.model.policy import BinSigners
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """team and other, each signed by tara, who is away; a version of team waits for her."""
    engine = Engine.live(tmp_path_factory.mktemp("holder"))
    engine.make_key("tara")
    delegate(engine, "team", "team/*", signers=("tara",))
    delegate(engine, "other", "other/*", signers=("tara",))
    engine.keys.away.add("tara")
    engine.add("team/one", b"one")
    engine.add("team/two", b"two")
    publish(engine.ports)
    return engine


@pytest.fixture
def bundle(engine: Engine) -> Bundle:
    """As it is carried to tara."""
    return parse_bundle(render_bundle(engine.events.bundle("team-v2")))


def judged(engine: Engine, bundle: Bundle, *, record: HolderRecord | None = None) -> Review:
    """By the first root, as tara knows it."""
    return review_bundle(bundle, now=engine.clock.now(), trusted=engine.root(), record=record)


def with_part(bundle: Bundle, role: str = "team", **changes: Any) -> Bundle:
    """A bundle whose part says something else."""
    (part,) = bundle.parts
    return replace(bundle, parts=(BundlePart(role=RoleName(role), signed={**part.signed, **changes}),))


def codes(review: Review) -> dict[str, bool]:
    """What is unusual in it, and whether that is red."""
    return {each.code: each.grave for each in review.concerns}


def test_all_of_it_is_told(engine: Engine, bundle: Bundle) -> None:
    """Who lets her sign what, by targets as the root she trusts lets it be signed; and that all is new to her."""
    review = judged(engine, bundle)
    (part,) = review.parts
    assert part.targets is not None
    assert part.targets.by is not None
    assert (part.targets.by.label, part.targets.by.delegation.paths) == ("targets v3", ("team/*",))
    assert part.targets.changes.since is None
    assert part.targets.changes.counts == (2, 0, 0, 0)
    assert [side.label for side in part.sides] == ["targets v3"]
    assert codes(review)["role-shared"] is False


def test_what_changed_is_told_by_her_own_record(engine: Engine, bundle: Bundle, tmp_path: Path) -> None:
    """Against what she signed last: another content of a path is red, whatever the bundle says that there was."""
    record = HolderRecord(tmp_path / "record")
    (part,) = bundle.parts
    (keyid,) = judged(engine, bundle).parts[0].sides[0].keyids
    review = judged(engine, bundle, record=record)
    signed = SignedBefore(part.role, part.version, part.digest, keyid, engine.clock.now())
    record.add(review.remember([signed]))
    entry = part.signed["targets"]["team/one"]
    targets = {"team/one": {**entry, "length": 4}, "team/three": entry}
    again = judged(engine, with_part(bundle, version=3, targets=targets), record=record)
    changes = again.parts[0].targets.changes if again.parts[0].targets else None
    assert changes is not None
    assert (changes.since, changes.counts) == (2, (1, 1, 1, 0))
    assert codes(again)["artifacts-replaced"] is True
    back = judged(engine, with_part(bundle, version=1), record=record)
    assert codes(back)["signed-newer"] is True


def test_paths_that_are_not_delegated_are_refused(engine: Engine, bundle: Bundle) -> None:
    """Also where her key may sign them as another role."""
    entry = bundle.parts[0].signed["targets"]["team/one"]
    for path in ("other/one", "team/one/two", "team", "../x"):
        with pytest.raises(ProposalRefused) as refused:
            judged(engine, with_part(bundle, targets={path: entry}))
        assert refused.value.rule == "path-outside"


def test_another_role_is_refused(engine: Engine, bundle: Bundle) -> None:
    """One that nobody delegates to; and as the other one of hers it lists what is none of its paths."""
    with pytest.raises(ProposalRefused) as refused:
        judged(engine, with_part(bundle, role="strange"))
    assert refused.value.rule == "not-delegated"
    with pytest.raises(ProposalRefused) as refused:
        judged(engine, with_part(bundle, role="other"))
    assert refused.value.rule == "path-outside"


def test_what_delegates_must_be_signed(engine: Engine, bundle: Bundle) -> None:
    """A targets that lets her sign everything is believed only with the signatures that the root asks for."""
    (targets,) = bundle.delegators

    def widened(signed: Mapping[str, Any]) -> dict[str, Any]:
        roles = [{**role, "paths": ["*"]} for role in signed["delegations"]["roles"]]
        return {**signed, "delegations": {**signed["delegations"], "roles": roles}}

    for other in (replace(targets, signatures=()), replace(targets, signed=widened(targets.signed))):
        with pytest.raises(ProposalRefused) as refused:
            judged(engine, replace(bundle, delegators=(other,)))
        assert refused.value.rule in {"delegator", "form"}
    with pytest.raises(ProposalRefused) as refused:
        judged(engine, replace(bundle, delegators=()))
    assert refused.value.rule == "not-delegated"
    stray = BundlePart(role=RoleName("stray"), signed=targets.signed)
    with pytest.raises(ProposalRefused) as refused:
        judged(engine, replace(bundle, delegators=(targets, stray)))
    assert refused.value.rule == "delegator"


def test_an_older_delegator_is_red(engine: Engine, bundle: Bundle, tmp_path: Path) -> None:
    """By the newest that she has seen: who could sign then may not be to sign any more."""
    record = HolderRecord(tmp_path / "record")
    remembered = judged(engine, bundle).remember([])
    record.add(replace(remembered, delegators={TARGETS: 7}))
    assert codes(judged(engine, bundle, record=record))["delegator-older"] is True
    assert "delegator-older" not in codes(judged(engine, bundle))


def test_another_repository_is_refused(engine: Engine, bundle: Bundle, tmp_path: Path) -> None:
    """One whose first root is not the one that she trusts, with the same names and the same key of hers."""
    other = Engine.live(tmp_path / "other")
    with pytest.raises(ProposalRefused) as refused:
        review_bundle(bundle, now=engine.clock.now(), trusted=other.root())
    assert refused.value.rule == "first-root"


def test_names_of_roles_are_plain(bundle: Bundle) -> None:
    """A bundle can call no part by the name of a top-level role, nor by one that is none."""
    data = render_bundle(bundle)
    for name in (b"targets", b"root", b"../x", b""):
        with pytest.raises(InvalidBundle):
            parse_bundle(data.replace(b'"role":"team"', b'"role":"%b"' % name))


@pytest.fixture
def split(tmp_path: Path) -> Engine:
    """team over two bins that tara signs, too; both change."""
    engine = Engine.live(tmp_path / "repository")
    engine.make_key("tara")
    delegate(engine, "team", "team/*", signers=("tara",))
    waits = resize_bins(engine.ports, 2, role=RoleName("team"), signers=BinSigners.ROLE).waits
    assert waits is not None
    engine.events.sign(waits.event.name)
    engine.keys.away.add("tara")
    for number in range(12):
        engine.add(f"team/{number}", b"new")
    publish(engine.ports)
    return engine


@pytest.fixture
def batch(split: Engine) -> Bundle:
    """As it is carried to tara."""
    (view,) = split.events.views()
    return parse_bundle(render_bundle(split.events.bundle(view.event.name)))


def test_bins_are_told_as_parts_of_their_role(split: Engine, batch: Bundle) -> None:
    """Each is delegated to by team, for a part of its paths; that one key signs all of them is nothing to mark."""
    review = judged(split, batch)
    assert [part.role for part in review.parts] == ["team-bins-0", "team-bins-1"]
    for part, first in zip(review.parts, ("0", "8"), strict=True):
        assert part.targets is not None
        assert part.targets.by is not None
        assert (part.targets.by.label, part.targets.by.delegation.prefixes[0]) == ("team v2", first)
        assert part.targets.by.above is not None
        assert part.targets.by.above.paths == ("team/*",)
    assert "role-shared" not in codes(review)


def test_what_no_client_looks_for_in_a_bin_is_refused(split: Engine, batch: Bundle) -> None:
    """What is another bin's by its hash, and what is none of the role's paths; and a bin that there is not."""
    first, second = batch.parts
    entry = next(iter(first.signed["targets"].values()))
    strange = next(f"other/{number}" for number in range(9) if digest_of(TargetPath(f"other/{number}")) < "8")
    for path in (next(iter(second.signed["targets"])), strange):
        part = BundlePart(role=first.role, signed={**first.signed, "targets": {path: entry}})
        with pytest.raises(ProposalRefused) as refused:
            judged(split, replace(batch, parts=(part, second)))
        assert refused.value.rule == "path-outside"
    for name in ("team-bins-2", "team-bins-00"):
        with pytest.raises(ProposalRefused) as refused:
            judged(split, replace(batch, parts=(BundlePart(role=RoleName(name), signed=first.signed),)))
        assert refused.value.rule == "not-delegated"


def test_the_role_with_its_bins_is_nothing_to_mark(split: Engine) -> None:
    """Whoever signs the role signs its bins: theirs is no stranger's key, and good for nothing else."""
    (waiting,) = split.events.views()
    role = RoleName("team")
    waits = resize_bins(split.ports, 4, role=role, drop=[waiting.event]).waits
    assert waits is not None
    review = judged(split, parse_bundle(render_bundle(split.events.bundle(waits.event.name))))
    assert [part.role for part in review.parts] == ["team", *(f"team-bins-{index}" for index in range(4))]
    assert {each.code for each in review.grave} == {"names-unknown"}
    assert "role-shared" not in codes(review)
