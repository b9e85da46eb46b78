"""Where what a person trusts is kept, and how it is shown: the commands of those who download share it."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

import rstuf
from rstuf.clock import iso
from rstuf.errors import TrustNotFound
from rstuf_cli.console import Console, escape
from rstuf_cli.failures import UsageFault
from rstuf_cli.run import Run
from rstuf_cli.wording import both, count, listed, number

TRUST_DIR: Final = "RSTUF_TRUST_DIR"
# Of a line of a fingerprint; six of the longest fit into 80 columns.
_WORDS: Final = 6
TrustDir = Annotated[
    Path | None,
    typer.Option(
        "--trust-dir", metavar="DIR", help="Where pinned roots are kept: by default RSTUF_TRUST_DIR, then your own."
    ),
]


def trust_directory(chosen: Path | None) -> Path:
    """Where pinned roots are kept: as chosen, then `RSTUF_TRUST_DIR`, then where this system keeps a user's data."""
    if chosen is not None:
        return chosen
    named = os.environ.get(TRUST_DIR)
    if named:
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "rstuf" / "trust"
    # The XDG base directory specification: a relative path is to be ignored.
    data = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (data if data.is_absolute() else Path.home() / ".local" / "share") / "rstuf" / "trust"


def open_store(run: Run, directory: Path | None) -> rstuf.TrustStore:
    """What is trusted, for this command.

    Raises:
        UnsafeDirectory: others can change it.
    """

    def waits(lock: str, holder: str | None) -> None:
        run.console.note(escape(f"waiting for the {lock} lock, held by {holder or 'another process'}"))

    return rstuf.TrustStore(
        trust_directory(directory),
        purpose=run.purpose,
        wait=timedelta(seconds=run.options.wait),
        on_wait=waits,
        progress=run.progress,
    )


def only_trusted(store: rstuf.TrustStore) -> rstuf.TrustName:
    """The one repository that is trusted.

    Raises:
        TrustNotFound, UsageFault: there is none, or more than one.
    """
    names = store.names()
    if not names:
        raise TrustNotFound(None, known=())
    if len(names) > 1:
        raise UsageFault("several repositories are trusted", hint=f"say which: --from {listed(names, last='or')}")
    return names[0]


def trusted_document(trusted: rstuf.Trusted, memory: rstuf.Memory | None) -> dict[str, Any]:
    """A trusted repository as data."""
    seen = None
    if memory is not None:
        roles = [
            {"name": name, "version": role.version, "expires": iso(role.expires)} for name, role in memory.roles.items()
        ]
        seen = {"updated": iso(memory.updated), "roles": roles}
    return {
        "name": trusted.name,
        "url": rstuf.shown_place(trusted.url),
        "artifacts": rstuf.shown_place(trusted.artifacts),
        "naming": trusted.naming.value,
        "pinned": {"version": trusted.pin.version, "sha256": trusted.pin.sha256},
        "added": iso(trusted.added),
        "seen": seen,
    }


def root_document(facts: rstuf.RootFacts) -> dict[str, Any]:
    """What a root says, as data."""
    return {
        "version": facts.pin.version,
        "sha256": facts.pin.sha256,
        "words": rstuf.fingerprint_words(facts.pin.sha256),
        "expires": iso(facts.expires),
        "roles": {
            name: {"threshold": role.threshold, "keyids": list(role.keyids)} for name, role in facts.roles.items()
        },
    }


def show_root(console: Console, facts: rstuf.RootFacts, now: datetime) -> None:
    """What a root says, for people."""
    show_fingerprint(console, facts.pin.sha256)
    show_field(console, "version", f"{number(facts.pin.version)}, {expiry(facts.expires, now)}")
    for name, role in facts.roles.items():
        keys = [f"{escape(keyid[:8])}… {escape(facts.keys.get(keyid, 'unknown'))}" for keyid in role.keyids]
        show_field(console, escape(name), f"{role.threshold} of {count(len(keys), 'key')}: {', '.join(keys)}")


def show_fingerprint(console: Console, sha256: str) -> None:
    """A fingerprint in hex and in words, in lines that can be compared."""
    groups = [sha256[start : start + 4] for start in range(0, len(sha256), 4)]
    half = len(groups) // 2
    show_field(console, "fingerprint", " ".join(groups[:half]))
    show_field(console, "", " ".join(groups[half:]))
    words = rstuf.fingerprint_words(sha256)
    for start in range(0, len(words), _WORDS):
        show_field(console, "" if start else "in words", " ".join(words[start : start + _WORDS]))


def show_field(console: Console, name: str, value: str) -> None:
    """A line of a description; `value` is safe as it stands."""
    console.prose(f"  {name:<11}  {value}", indent=15)


def expiry(expires: datetime, now: datetime) -> str:
    """`expires in 341 days, 2027-10-27`."""
    return f"{'expires' if expires > now else 'expired'} {both(expires, now)}"
