"""What happens to repositories of every layout, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.interop import away
from tests.interop.steps import (
    ODD,
    PRUNE,
    ROTATION,
    Step,
    add,
    contents,
    delegate,
    numbered,
    remove,
    resizes,
    run,
    together,
    update,
)


@dataclass(frozen=True, slots=True)
class World:
    """A repository from its ceremony on.

    Attributes:
        bins: at the beginning; 0 in a flat layout.
        absent_targets: whether somebody signs targets who is not here; else the online key does.
    """

    name: str
    layout: str
    bins: int
    steps: Sequence[Step]
    absent_targets: bool = False


_TEAM: Final = ("team/one", "team/two", "team/inner/a", "team/inner/b", "team/inner/deep/x", "team/inner/deep/y")
_OPS: Final = ("ops/x", "ops/y", "ops/in/x", "ops/in/y", *(f"ops/in/z{number}" for number in range(6)))
_VENDOR: Final = tuple(f"vendor/{number}" for number in range(12))
_CHANGED: Final = ("team/two", "team/inner/deep/x", "ops/y", "ops/in/y", "vendor/3")
_VERA: Final = ("--signer", "vera")
_BRANCHES: Final = (
    delegate("team", "team/*", "team/*/*", "team/*/*/*", more=("--signer", "tara")),
    delegate("inner", "team/inner/*", "team/inner/*/*", more=("--parent", "team", "--terminating", *_VERA)),
    delegate("deep", "team/inner/deep/*", more=("--parent", "inner", "--signer", "tara")),
    delegate("ops", "ops/*", "ops/*/*", more=("--terminating",)),
    delegate("in-ops", "ops/in/*", "ops/?y", more=("--parent", "ops")),
    delegate("under", "ops/in/y", "ops/in/z?", more=("--parent", "in-ops", "--terminating")),
    delegate("vendor", "vendor/*"),
)
_CUSTOM: Final = '{"z": [1, true, null, "ü"], "a": {"9": -1, "10": "x\\"y"}}'


def _plain(*all_in: Step) -> tuple[Step, ...]:
    """Artifacts come, change and go, between the resizes that there are."""
    up, down, again = all_in or (None, None, None)
    steps = (
        ("artifacts added", add(contents(1, *numbered("files", 0, 20), *ODD))),
        ("artifacts replaced", add(contents(2, "files/3.bin", "files/4.bin", "UPPER"))),
        ("artifacts removed", remove("files/5.bin", "files/6.bin", "😀/x")),
        up,
        (
            "artifacts added, with custom data",
            add(contents(1, *numbered("files", 20, 26), "files/5.bin"), "--custom", _CUSTOM),
        ),
        down,
        *ROTATION,
        again,
        ("artifacts replaced again", add(contents(3, *numbered("files", 2, 6)))),
        PRUNE,
        ("artifacts removed after pruning", remove("files/0.bin", "UPPER")),
    )
    return tuple(step for step in steps if step is not None)


def _delegations(*all_in: Step) -> tuple[Step, ...]:
    """Delegations come and change: three deep, by people and online, terminating and not, two of them with bins."""
    return (
        ("artifacts added", add(contents(1, *numbered("files", 0, 8), *ODD, *_TEAM, *_OPS, *_VENDOR))),
        *_BRANCHES,
        *resizes(8, role="vendor"),
        *resizes(4, role="under"),
        ("artifacts added, replaced", add(contents(2, *_CHANGED, "team/new", "ops/in/zz"))),
        ("artifacts removed", remove("team/one", "team/inner/b", "ops/x", "ops/in/x", "vendor/4", "files/2.bin")),
        ("ops for more paths", update("ops", "--path", "ops/*", "--path", "ops/*/*", "--path", "files/*")),
        ("ops is not terminating", update("ops", "--not-terminating")),
        ("ops before team", update("ops", "--before", "team")),
        *resizes(32, 4, role="vendor"),
        *resizes(16, 2, role="under"),
        *all_in,
        *ROTATION,
        ("under for fewer paths, with bins", update("under", "--path", "ops/in/z?")),
        ("vendor with bins is terminating", update("vendor", "--terminating")),
        ("artifacts replaced again", add(contents(3, *_CHANGED, "team/one", "ops/in/z2"))),
        PRUNE,
    )


def _leaving() -> tuple[Step, ...]:
    """Delegations go, with all that is below them, and their names come back."""
    return (
        ("artifacts added", add(contents(1, *numbered("files", 0, 8), *_TEAM, *_OPS, *_VENDOR))),
        together("delegations, two with bins", *_BRANCHES, *resizes(8, role="vendor"), *resizes(4, role="under")),
        ("deep has left", run("delegation", "remove", "deep")),
        ("under with bins has left", run("delegation", "remove", "under")),
        ("in-ops has left", run("delegation", "remove", "in-ops")),
        ("ops has left", run("delegation", "remove", "ops")),
        ("vendor with bins has left", run("delegation", "remove", "vendor")),
        PRUNE,
        *away.absent(),
        delegate("deep", "team/inner/deep/?", more=("--parent", "inner", "--terminating", *_VERA)),
        delegate("ops", "ops/*", "files/1.*"),
        delegate("vendor", "vendor/*", more=("--before", "ops")),
        *resizes(16, role="vendor"),
        ("team signed by another", update("team", *_VERA)),
        ("ops signed by people", update("ops", "--signer", "tara")),
        ("inner for other paths", update("inner", "--path", "team/inner/?", "--path", "team/inner/*/*")),
        ("artifacts replaced", add(contents(2, "team/two", "team/inner/a", "team/inner/deep/y", "vendor/5"))),
        PRUNE,
        ("ops signed online again", update("ops", "--online")),
    )


WORLDS: Final = (
    World("succinct bins", "succinct", 8, _plain(*resizes(32, 4, 64))),
    World("classic bins", "classic", 8, _plain(*resizes(32, 4, 64))),
    World("flat", "flat", 0, _plain()),
    World("flat, delegations", "flat", 0, _delegations()),
    World("succinct bins, delegations", "succinct", 8, _delegations(*resizes(32, 4))),
    World("classic bins, delegations", "classic", 8, _delegations(*resizes(32, 4))),
    World("flat, delegations that leave", "flat", 0, _leaving()),
    World("succinct bins, delegations that leave", "succinct", 8, _leaving()),
    World("succinct bins, delegates elsewhere", "succinct", 8, away.brought()),
    World("flat, delegates elsewhere", "flat", 0, away.brought()),
    World("succinct bins, bins below who is not here", "succinct", 8, away.split()),
    World("classic bins, bins below who is not here", "classic", 8, away.split()),
    World("succinct bins, bins that people sign", "succinct", 8, away.split_by_people()),
    World("flat, bins that people sign", "flat", 0, away.split_by_people()),
    World("succinct bins, targets by who is not here", "succinct", 8, away.absent_targets(), absent_targets=True),
    World("classic bins, targets by who is not here", "classic", 8, away.absent_targets(), absent_targets=True),
    World("flat, targets by who is not here", "flat", 0, away.absent_flat(), absent_targets=True),
)
