"""The operations by which roles of their own come, change, are signed elsewhere, and go."""

from __future__ import annotations

from typing import Final

from tests.crash.operations import PRUNE, Operation, SignedAway, Words, digest, rstuf

_SHARE: Final = 0.15
_TURNS: Final = 3
_KEPT: Final = "{place}/away-keys"
_AWAY: Final = (
    ("--json", "key", "generate", "away", "--unencrypted", "--in", _KEPT),
    rstuf("key", "add", "away", f"{_KEPT}/away.pub"),
)
"""A key whose private half the workspace never has."""
_GREEK: Final = ("greek", "--path", "alpha*", "--path", "beta*")
_ADD: Final = rstuf("delegation", "add", *_GREEK, "--yes")
_ADD_AWAY: Final = rstuf("delegation", "add", *_GREEK, "--signer", "away", "--yes")
_REPLACE: Final = rstuf("artifact", "add", "{in}/again/alpha.bin", "--replace")
_AGAIN: Final = digest(b"alpha, in its second edition" * 50)
_IMPORT: Final = rstuf("bundle", "import", "{place}/away.sig")
_UNDISTURBED: Final = frozenset({"errors", "reads", "short", "full", "clock"})
"""What ends with 4 even undisturbed: these suites ask whether it ended with 0."""


def _signed(event: str) -> SignedAway:
    return SignedAway(event, f"{_KEPT}/away.key")


_HELD_AWAY: Final[tuple[Words | SignedAway, ...]] = (*_AWAY, _ADD_AWAY, _signed("greek-v1"), _IMPORT)
"""A role that is visible, and is signed away."""

_SHARED_AWAY: Final[tuple[Words | SignedAway, ...]] = (
    *_HELD_AWAY,
    rstuf("bins", "resize", "2", "--role", "greek", "--signed-by", "role", "--yes"),
    _signed("greek-v2"),
    _IMPORT,
)
"""The same over bins that are signed away."""
_BATCH: Final = "greek-bins-0-v2"
"""What alpha.bin is in."""

_ALSO_AWAY: Final = (
    ("--json", "key", "generate", "far", "--unencrypted", "--in", _KEPT),
    rstuf("key", "add", "far", f"{_KEPT}/far.pub"),
)
_HALF_SIGNED: Final[tuple[Words | SignedAway, ...]] = (
    *_AWAY,
    *_ALSO_AWAY,
    rstuf("delegation", "add", *_GREEK, "--signer", "away", "--signer", "far", "--threshold", "2", "--yes"),
    _signed("greek-v1"),
    _IMPORT,
)
"""A delegation that one of two has signed: what would outdate it is kept back."""
_BOTH: Final = rstuf("artifact", "add", "{in}/again/alpha.bin", "{in}/one.bin", "--replace")
_ONE: Final = {"one.bin": digest(b"\x00\x01" * 9000)}


def _delegating(name: str, argv: Words, **options: object) -> Operation:
    fixed: dict[str, object] = {"share": _SHARE, "turns": _TURNS, "without": frozenset({"clock"})}
    return Operation(name, argv, **(fixed | options))  # type: ignore[arg-type]


DELEGATING: Final = (
    _delegating("delegation add, signed away", _ADD_AWAY, setup=_AWAY, waits=True, without=_UNDISTURBED),
    _delegating("delegation import", _IMPORT, setup=(*_AWAY, _ADD_AWAY, _signed("greek-v1"))),
    _delegating(
        "add, role signed away",
        _REPLACE,
        setup=_HELD_AWAY,
        waits=True,
        without=_UNDISTURBED,
    ),
    _delegating(
        "contents import",
        _IMPORT,
        setup=(*_HELD_AWAY, _REPLACE, _signed("greek-v2")),
        gains={"alpha.bin": _AGAIN},
        detours_wait=True,
    ),
    _delegating(
        "contents cancel",
        rstuf("event", "cancel", "greek-v2", "--yes"),
        setup=(*_HELD_AWAY, _REPLACE),
        rerun_errors=frozenset({"event-not-found"}),
        waits=True,
    ),
    _delegating("add, kept back", _BOTH, setup=_HALF_SIGNED, gains=_ONE, waits=True, without=_UNDISTURBED),
    _delegating(
        "publish, signatures given up",
        rstuf("--yes", "publish"),
        setup=(*_HALF_SIGNED, _BOTH),
        shown=_ONE,
        gains={"alpha.bin": _AGAIN},
        waits=True,
        without=_UNDISTURBED,
    ),
    _delegating(
        "delegation update",
        rstuf("delegation", "update", "greek", "--path", "alpha*", "--yes"),
        setup=(_ADD,),
        rerun_errors=frozenset({"invalid-input"}),
    ),
    _delegating(
        "role split into bins",
        rstuf("bins", "resize", "4", "--role", "greek", "--yes"),
        setup=(_ADD,),
    ),
    _delegating(
        "bins signed away, import",
        _IMPORT,
        setup=_SHARED_AWAY[:-1],
    ),
    _delegating("add, bins signed away", _REPLACE, setup=_SHARED_AWAY, waits=True, without=_UNDISTURBED),
    _delegating(
        "batch import",
        _IMPORT,
        setup=(*_SHARED_AWAY, _REPLACE, _signed(_BATCH)),
        gains={"alpha.bin": _AGAIN},
        detours_wait=True,
    ),
    _delegating(
        "delegation remove, signed away",
        rstuf("delegation", "remove", "greek", "--yes"),
        setup=(*_HELD_AWAY, _REPLACE),
        gains={"alpha.bin": _AGAIN},
        rerun_errors=frozenset({"delegation-not-found"}),
        detours_wait=True,
    ),
    _delegating(
        "prune of a role that is gone",
        PRUNE,
        setup=(_ADD, rstuf("delegation", "remove", "greek", "--yes")),
        tidies=True,
    ),
)
