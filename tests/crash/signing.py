"""The operations by which people sign, keys take the place of others, and what is lost comes back."""

from __future__ import annotations

from typing import Final

from tests.crash.operations import (
    DETOURS,
    PUBLISH,
    Bins,
    Interruption,
    Operation,
    SignedAway,
    Trust,
    Words,
    rstuf,
)
from tests.support.clients import Site
from tuf.api.exceptions import DownloadHTTPError, UnsignedMetadataError


def _under_new_root(site: Site, error: Exception) -> bool:
    """Whether a client has met the root that came out before all that the new key signs: it cannot come after."""
    try:
        site("2.root.json")
    except FileNotFoundError:
        return False
    return isinstance(error, UnsignedMetadataError)


def _still_lost(site: Site, error: Exception) -> bool:
    """Whether a client has met what was lost before the operation began."""
    return isinstance(error, DownloadHTTPError)


_SHARE: Final = 0.15
_TURNS: Final = 3
_WITHOUT: Final = frozenset({"clock"})
"""A clock that jumps is tried where artifacts change; roots that are renewed by then would blur whom clients trust."""


def _key(name: str) -> Words:
    return rstuf("key", "generate", name, "--unencrypted")


_ROTATE: Final = rstuf("key", "rotate", "online", "--yes")
_LEAKED: Final = rstuf("recover", "online-key", "online", "--leaked", "--yes")
_SIGN: Final = rstuf("sign", "--yes", "--holder-dir", "{place}/holder")
_ADD_SECOND: Final = rstuf("root", "update", "--add", "second", "--yes")
_TARGETS: Final = rstuf("root", "update", "--role", "targets", "--add", "release", "--remove", "online", "--yes")
_TWO: Final = (_key("second"), rstuf("root", "update", "--add", "second", "--threshold", "2", "--yes"))
"""Root v2, which both must sign to change."""
_SIGNED_BY_ONE: Final = (
    *_TWO,
    rstuf("root", "update", "--expires", "400d", "--no-sign", "--yes"),
    rstuf("sign", "--key", "owner", "--yes", "--holder-dir", "{place}/holder"),
)
_UNSIGNED: Final = (_key("second"), rstuf("root", "update", "--add", "second", "--no-sign", "--yes"))
"""Root v2, which waits for everybody."""
_WITH_SIGN: Final = (*DETOURS, _SIGN)
_SECOND_ROOT: Final = (Trust(1), Trust(2))
_DONE_BEFORE: Final = frozenset({"invalid-input"})


def _signing(name: str, argv: Words, trusts: tuple[Trust, ...], **options: object) -> Operation:
    return Operation(name, argv, trusts=trusts, share=_SHARE, turns=_TURNS, without=_WITHOUT, **options)  # type: ignore[arg-type]


SIGNING: Final = (
    _signing("sign", _SIGN, (Trust(2), Trust(3)), setup=_SIGNED_BY_ONE, detours=_WITH_SIGN),
    _signing(
        "bundle import",
        rstuf("bundle", "import", "{place}/away.sig"),
        (Trust(2), Trust(3)),
        setup=(*_SIGNED_BY_ONE, SignedAway("root-v3", "{repo}/keys/second.key")),
        detours=_WITH_SIGN,
    ),
    _signing(
        "root update",
        _ADD_SECOND,
        _SECOND_ROOT,
        setup=(_key("second"),),
        rerun_errors=_DONE_BEFORE,
        detours=_WITH_SIGN,
    ),
    _signing(
        "root update of targets",
        _TARGETS,
        _SECOND_ROOT,
        setup=(_key("release"),),
        rerun_errors=_DONE_BEFORE,
        detours=_WITH_SIGN,
    ),
    _signing(
        "key rotate",
        _ROTATE,
        (Trust(1), Trust(1, Bins.MORE), Trust(2, Bins.MORE)),
        detours=_WITH_SIGN,
        detours_wait=True,
    ),
    _signing(
        "key rotate over an event",
        _ROTATE,
        (Trust(1), Trust(1, Bins.MORE), Trust(2, Bins.MORE)),
        setup=_UNSIGNED,
        detours_wait=True,
    ),
    _signing(
        "key rotate, its end",
        rstuf("renew"),
        (Trust(2, Bins.MORE), Trust(2)),
        setup=(rstuf("key", "rotate", "online", "--overlap", "30m", "--yes"),),
    ),
    _signing(
        "event cancel",
        rstuf("event", "cancel", "root-v2", "--yes"),
        (Trust(1, Bins.MORE), Trust(1)),
        setup=(rstuf("key", "rotate", "online", "--no-sign"),),
        rerun_errors=frozenset({"event-not-found"}),
    ),
    _signing(
        "recover online-key",
        _LEAKED,
        _SECOND_ROOT,
        excuse=_under_new_root,
        rerun_errors=_DONE_BEFORE,
        detours=_WITH_SIGN,
        detours_wait=True,
    ),
    _signing(
        "online-key over an event",
        _LEAKED,
        _SECOND_ROOT,
        setup=_UNSIGNED,
        excuse=_under_new_root,
        rerun_errors=_DONE_BEFORE,
        detours_wait=True,
    ),
    _signing(
        "online-key in a rotation",
        _LEAKED,
        (Trust(1, Bins.MORE), Trust(2, Bins.MORE), Trust(2)),
        setup=(rstuf("key", "rotate", "online", "--no-sign"),),
        excuse=_under_new_root,
        rerun_errors=_DONE_BEFORE,
        detours=_WITH_SIGN,
        detours_wait=True,
    ),
    _signing(
        "recovery of a root",
        _SIGN,
        _SECOND_ROOT,
        setup=(_key("second"),),
        interrupted=Interruption(_ADD_SECOND, "2.root.json"),
        detours=_WITH_SIGN,
    ),
    _signing(
        "recovery of a leaked key",
        PUBLISH,
        _SECOND_ROOT,
        interrupted=Interruption(_LEAKED, "2.root.json", passed=True),
        excuse=_under_new_root,
        detours=_WITH_SIGN,
    ),
    _signing(
        "recover state",
        rstuf("recover", "state", "--yes"),
        (Trust(2),),
        setup=_TWO,
        lost=("state.db*",),
        rerun_errors=frozenset({"state-exists"}),
        detour_errors=frozenset({"state-damaged"}),
    ),
    _signing(
        "recover metadata",
        rstuf("recover", "metadata", "--yes"),
        (Trust(2),),
        setup=_TWO,
        lost=("metadata",),
        detour_errors=frozenset({"invalid-metadata"}),
    ),
    _signing(
        "recover metadata, part",
        rstuf("recover", "metadata", "--yes"),
        _SECOND_ROOT,
        setup=_TWO,
        lost=("metadata/*.bins-[0-3].json", "metadata/*.snapshot.json", "metadata/2.root.json"),
        excuse=_still_lost,
        detour_errors=frozenset({"invalid-metadata"}),
    ),
)
