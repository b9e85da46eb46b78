"""Hostile bundles whose parts should not be there, or whose targets say what they should not."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.bundles import DAY, Document, World, encode
from tests.support.hostile_changes import MALLORY, Change, changed, drop, many, put, targets_with
from tests.unit.metadata import roots

from rstuf.clock import iso
from rstuf.model.keys import PublicKey


def misplaced(world: World) -> Mapping[str, bytes]:
    """Parts that should not be there."""
    root, targets = world.next_root, world.targets
    return {
        "parts: none": changed(world, put("parts", to=[])),
        "parts: two roots": encode(world.document(root, {**root, "expires": iso(world.now + 300 * DAY)})),
        "parts: root 4 and root 5": encode(world.document(root, {**root, "version": 5})),
        "parts: two targets": encode(world.document(targets, {**targets, "version": 3})),
        "parts: 17": encode(world.document(*[root] * 17)),
        "parts: snapshot": encode(world.document({**targets, "_type": "snapshot"})),
        "parts: timestamp": encode(world.document({**targets, "_type": "timestamp"})),
        "parts: a first root for somebody who has one": encode(world.first()),
        "parts: a lowered root behind targets": encode(
            world.document(
                targets, {**root, "roles": {**root["roles"], "root": {**root["roles"]["root"], "threshold": 1}}}
            )
        ),
    }


def targets_that_lie(world: World) -> Mapping[str, bytes]:
    """Targets that say what they should not."""
    artifacts = {"evil.sh": {"length": 1, "hashes": {"sha256": "ab" * 32}}}
    succinct = ("delegations", "succinct_roles")
    mallory = roots.key(MALLORY)
    other = {"name": "x", "keyids": [mallory.keyid], "threshold": 1, "paths": ["*"], "terminating": True}

    def delegate(signed: Document) -> None:
        signed["delegations"]["keys"][mallory.keyid] = mallory.to_dict()
        signed["delegations"]["roles"] = [other]

    changes: dict[str, Change] = {
        "targets: artifact": put("targets", to=artifacts),
        "targets: many artifacts": put("targets", to={f"{number}.sh": artifacts["evil.sh"] for number in range(60)}),
        "targets: artifacts a list": put("targets", to=[]),
        "targets: past": put("expires", to=iso(world.now - DAY)),
        "targets: far": put("expires", to=iso(world.now + 3650 * DAY)),
        "targets: soon": put("expires", to=iso(world.now + DAY)),
        "targets: version text": put("version", to="2"),
        "targets: version 0": put("version", to=0),
        "targets: another specification": put("spec_version", to="3.0.0"),
        "targets: hidden field": put("x-hidden", to=1),
        "targets: hidden in delegations": put("delegations", "x-hidden", to=1),
        "targets: hidden in a key": put("delegations", "keys", roots.keyid(3), "x-hidden", to=1),
        "targets: threshold 0": put(*succinct, "threshold", to=0),
        "targets: threshold 2": put(*succinct, "threshold", to=2),
        "targets: no keys": put(*succinct, "keyids", to=[]),
        "targets: unknown key": put(*succinct, "keyids", to=[mallory.keyid]),
        "targets: other key under the id": put("delegations", "keys", roots.keyid(3), to=mallory.to_dict()),
        "targets: 33 bits": put(*succinct, "bit_length", to=33),
        "targets: role of mallory before the bins": delegate,
        "targets: delegations a list": put("delegations", to=[]),
        "targets: roles a text": put("delegations", "roles", to="x"),
        "targets: unused key": put("delegations", "keys", mallory.keyid, to=mallory.to_dict()),
        "targets: the last version there is": put("version", to=2**53 - 1),
        "targets: no delegations": drop("delegations"),
        "targets: delegations empty": put("delegations", to={}),
        "targets: bins of mallory": put("delegations", to=_bins_of(mallory)),
        "targets: bins outside": put(*succinct, "name_prefix", to="../../x"),
        "targets: bins hidden": put(*succinct, "name_prefix", to=".x"),
        "targets: bins with an escape": put(*succinct, "name_prefix", to="\x1b[2J"),
        "targets: 32 bits": put(*succinct, "bit_length", to=32),
        "targets: unused keys": put("delegations", "keys", to=many(300)),
        "targets: keys of a role": lambda signed: signed["delegations"].update(
            keys=many(300), roles=[{**other, "keyids": list(many(300))}]
        ),
        "targets: roles": lambda signed: signed["delegations"].update(
            roles=[{**other, "name": f"x{number}", "keyids": [roots.keyid(3)]} for number in range(300)]
        ),
        "targets: a long name": lambda signed: signed["delegations"].update(
            roles=[{**other, "name": "x" * 100_000, "keyids": [roots.keyid(3)]}]
        ),
        "targets: a long key id": lambda signed: signed["delegations"]["keys"].update(
            {"x" * 100_000: mallory.to_dict()}
        ),
        "targets: a long scheme": lambda signed: signed["delegations"]["keys"].update(
            {mallory.keyid: {**mallory.to_dict(), "scheme": "x" * 100_000}}
        ),
        "targets: keys in many roles": lambda signed: signed["delegations"].update(
            keys={**signed["delegations"]["keys"], **many(60)},
            roles=[{**other, "name": f"x{number}", "keyids": list(many(60))} for number in range(60)],
        ),
        "targets: many patterns": lambda signed: signed["delegations"].update(
            roles=[{**other, "name": f"x{n}", "keyids": [roots.keyid(3)], "paths": ["a" * 3000]} for n in range(30)]
        ),
    }
    return {name: targets_with(world, change) for name, change in changes.items()}


def _bins_of(key: PublicKey) -> Document:
    bins = {"bit_length": 8, "keyids": [key.keyid], "name_prefix": "bins", "threshold": 1}
    return {"keys": {key.keyid: key.to_dict()}, "succinct_roles": bins}
