"""PKCS#11 modules: the libraries that speak to tokens. Which are there, which may be loaded, and loading each once.

A module is code that runs in this process and is handed PINs. So it is named by its whole path, and neither it nor the
way to it may be open to everybody. One that is named, by a URI or by `PYKCS11LIB`, is the only one that is asked; else
all are that lie where systems put them.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rstuf.errors import SignerUnavailable, StorageError, shorten
from rstuf.ways import Ways, is_ours, stranger_on

if TYPE_CHECKING:
    from pkcs11 import Slot

VARIABLE: Final = "PYKCS11LIB"
_NAME_ONE: Final = f"install a module for your token, or name one: {VARIABLE}=/PATH, or &module=/PATH in the signer"
_DIRECTORIES: Final = (
    f"/usr/lib/{sysconfig.get_config_var('MULTIARCH') or 'x86_64-linux-gnu'}",
    *("/usr/lib64", "/usr/lib", "/opt/homebrew/lib", "/usr/local/lib", "/Library/OpenSC/lib"),
)
# The proxy first: it opens what it knows of, and what it has open cannot be opened a second time.
_NAMES: Final = (
    *("p11-kit-proxy.so", "p11-kit-proxy.dylib"),
    *("softhsm/libsofthsm2.so", "pkcs11/libsofthsm2.so", "libsofthsm2.so"),
    *("opensc-pkcs11.so", "pkcs11/opensc-pkcs11.so"),
    *("libykcs11.so", "libykcs11.so.2", "libykcs11.dylib"),
)
WELL_KNOWN: Final = tuple(f"{directory}/{name}" for name in _NAMES for directory in _DIRECTORIES)


class CannotLoad(Exception):
    """A module cannot be loaded; its text says why."""


class _TokenInfo(ctypes.Structure):
    """`CK_TOKEN_INFO` of PKCS #11 v2.40 §3.2; the library leaves the lengths of PINs out."""

    _fields_ = (
        *((name, ctypes.c_char * size) for name, size in (("label", 32), ("maker", 32), ("model", 16), ("serial", 16))),
        *((name, ctypes.c_ulong) for name in ("flags", "max_sessions", "sessions", "max_rw", "rw")),
        *((name, ctypes.c_ulong) for name in ("longest_pin", "shortest_pin", "public", "free", "private", "free_too")),
        *((name, ctypes.c_char * size) for name, size in (("hardware", 2), ("firmware", 2), ("time", 16))),
    )


@dataclass(frozen=True, slots=True)
class TokenModule:
    """A module that is loaded.

    Attributes:
        path: where it is, no name in it being a link.
    """

    path: str

    def slots(self) -> list[Slot]:
        """The slots that something is in.

        Raises:
            PKCS11Error: the module does not say.
        """
        import pkcs11

        return pkcs11.lib(self.path).get_slots(token_present=True)

    def pin_lengths(self, slot: int) -> tuple[int, int] | None:
        """The bytes that a PIN of the token in a slot has, least and most; None where the module does not say."""
        if os.name != "posix":
            return None  # the structure is packed there
        info = _TokenInfo()
        try:
            failed = ctypes.CDLL(self.path).C_GetTokenInfo(ctypes.c_ulong(slot), ctypes.byref(info))
        except (OSError, AttributeError):
            return None
        # "Unavailable" is all ones, and some say nothing by a zero.
        known = not failed and 0 < info.longest_pin < 2**31 and info.shortest_pin <= info.longest_pin
        return (info.shortest_pin, info.longest_pin) if known else None

    def close_sessions(self, slot: int) -> None:
        """Close what a login that failed left open: the library lets go of its session without closing it."""
        try:
            ctypes.CDLL(self.path).C_CloseAllSessions(ctypes.c_ulong(slot))
        except (OSError, AttributeError):
            return


def is_installed() -> bool:
    """Whether the package `pkcs11` is."""
    try:
        import pkcs11  # noqa: F401
    except ImportError:
        return False
    return True


def is_chosen() -> bool:
    """Whether the environment names a module."""
    return bool(os.environ.get(VARIABLE))


def load_modules(key: str, *, named: str | None) -> Sequence[TokenModule]:
    """The modules to look for a token in, at least one.

    Args:
        key: what they are needed for.
        named: the one that a signer names.

    Raises:
        SignerUnavailable: the library is not installed, or none can be loaded: those that were tried are named.
    """
    if not is_installed():
        raise SignerUnavailable(key, "keys on tokens need the package python-pkcs11", hint="pip install 'rstuf[hsm]'")
    chosen = named or os.environ.get(VARIABLE)
    tried = dict[str, str]()
    loaded = list[TokenModule]()
    for path in [chosen] if chosen else _well_known():
        try:
            loaded += [module for module in _load(path) if module not in loaded]
        except CannotLoad as error:
            tried[path] = str(error)
    if not loaded:
        why = "; ".join(f"{shorten(path)}: {reason}" for path, reason in tried.items()) or "none is in its usual place"
        raise SignerUnavailable(key, f"there is no PKCS#11 module that can be used ({why})", hint=_NAME_ONE)
    return loaded


# Open in this process, by their paths.
_open: Final[dict[str, TokenModule]] = {}


def _well_known() -> Iterator[str]:
    """Those that are there, each once, however many names it has."""
    seen = set[str]()
    for path in WELL_KNOWN:
        real = os.path.realpath(path)
        if real not in seen and Path(real).is_file():
            seen.add(real)
            yield path


def _load(path: str) -> list[TokenModule]:
    """The module at `path`; those that are open already, where one of them has it open.

    Raises:
        CannotLoad: it may not be loaded, or cannot.
    """
    import pkcs11

    _check(path)
    real = os.path.realpath(path)
    try:
        pkcs11.lib(real)
    except (pkcs11.PKCS11Error, UnicodeError, ImportError) as error:
        if "already initialized" in str(error) and _open:
            return [*_open.values()]
        raise CannotLoad(_reason(error)) from None
    return [_open.setdefault(real, TokenModule(real))]


def _check(path: str) -> None:
    if not Path(path).is_absolute() or "\0" in path:
        raise CannotLoad("it is not a whole path")
    if not Path(path).exists():
        raise CannotLoad("there is no such file")
    try:
        steps = list(Ways().to(Path(path)))
        found = Path(path).stat()
    except (StorageError, OSError):
        raise CannotLoad("it cannot be looked at") from None
    if not stat.S_ISREG(found.st_mode):
        raise CannotLoad("it is not a regular file")
    if not is_ours(found) or any(stranger_on(step) for step in steps):
        raise CannotLoad("it, or a directory above it, belongs to another user, who could change it")
    wide = any(step.about.st_mode & stat.S_IWOTH and not step.about.st_mode & stat.S_ISVTX for step in steps)
    if os.name == "posix" and (wide or found.st_mode & stat.S_IWOTH):
        raise CannotLoad("everybody can write to it, or to a directory above it")


def _reason(error: Exception) -> str:
    text = str(error)
    if "undefined symbol" in text or "C_GetFunctionList" in text:
        return "it is a library of another kind"
    if "already initialized" in text:
        return "this process has it open already"
    return "it is not a library for this machine" if "loading" in text else "it does not start"
