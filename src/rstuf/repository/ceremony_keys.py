"""The keys of a plan: made or read, and opened as far as they are at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rstuf.errors import InvalidPlan, NotEnoughSigners, RstufError, SignerMismatch, SigningError, UnsafeDirectory
from rstuf.metadata.key_identity import key_identity
from rstuf.metadata.root import Signatories
from rstuf.model.keys import KeyEntry, PublicKey
from rstuf.model.names import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, RoleName
from rstuf.repository.interfaces import KeyMaker, NewKey, RoleSigner, SignerSource
from rstuf.repository.plan import Plan


@dataclass(slots=True)
class CeremonyKeys:
    """The keys of a plan, by name.

    Attributes:
        entries: all of them.
        made: those that are new and not saved yet.
        opened: signers that are open already.
    """

    entries: dict[str, KeyEntry]
    made: Sequence[NewKey]
    opened: dict[str, RoleSigner]
    signers: SignerSource

    def open_present(self, names: Sequence[str]) -> tuple[list[str], dict[str, RstufError]]:
        """Open those of some keys that are at hand; their names, and why the others stay closed.

        Raises:
            SignerMismatch: the file that is named for a key holds another one.
        """
        away: dict[str, RstufError] = {}
        for name in names:
            if name not in self.opened:
                try:
                    self.opened[name] = self.signers.open(self.entries[name])
                except SignerMismatch:
                    # No absentee: root would list a key that perhaps nobody has.
                    raise
                except (SigningError, UnsafeDirectory) as error:
                    away[name] = error
        return [name for name in names if name in self.opened], away

    def open_enough(self, role: RoleName, names: Sequence[str], *, threshold: int) -> list[str]:
        """Open those of a role's keys that are at hand; their names.

        Raises:
            SigningError: they do not meet the threshold.
        """
        present, away = self.open_present(names)
        if names and len(present) < threshold:
            if len(away) == 1:
                raise next(iter(away.values()))
            reasons = {name: getattr(error, "reason", error.message) for name, error in away.items()}
            raise NotEnoughSigners(role, available=len(present), threshold=threshold, reasons=reasons)
        return present


def gather_keys(plan: Plan, *, maker: KeyMaker, signers: SignerSource, now: datetime, reuse: bool) -> CeremonyKeys:
    """Make and read a plan's keys, in memory.

    Args:
        reuse: keys that were saved already are taken as they are.

    Raises:
        InvalidPlan, InvalidKey: a key cannot be used, or two names stand for one key.
        SigningError: a key that tells its public half only when it is opened stays closed.
    """
    # Files that are named are read before anybody chooses a passphrase for the keys that are made.
    publics = {
        key.name: maker.read_public(key.public)
        for key in plan.keys.values()
        if key.generate is None and key.public is not None
    }
    made = {
        key.name: maker.generate(key.name, key.generate, key.signer or "", encrypt=key.encrypt, reuse=reuse, added=now)
        for key in plan.keys.values()
        if key.generate is not None
    }
    entries = {name: key.entry for name, key in made.items()}
    for key in plan.keys.values():
        if key.name not in entries:
            public = publics.get(key.name) or signers.public_of(key.name, key.signer or "")
            entries[key.name] = KeyEntry(name=key.name, key=public, signer=key.signer, added=now)
    _refuse_same_keys(entries.values())
    opened: dict[str, RoleSigner] = {name: key.signer for name, key in made.items()}
    return CeremonyKeys(entries, list(made.values()), opened, signers)


def signatories(plan: Plan, keys: Mapping[str, PublicKey]) -> Mapping[RoleName, Signatories]:
    """Who may sign the top-level roles, as root version 1 says it."""
    online = Signatories([keys[plan.online]], 1)
    targets = Signatories([keys[name] for name in plan.targets_signers], plan.targets_threshold)
    root = Signatories([keys[name] for name in plan.root_signers], plan.root_threshold)
    return {ROOT: root, TARGETS: targets if plan.targets_signers else online, SNAPSHOT: online, TIMESTAMP: online}


def _refuse_same_keys(entries: Iterable[KeyEntry]) -> None:
    seen: dict[bytes, str] = {}
    for entry in entries:
        other = seen.setdefault(key_identity(entry.key), entry.name)
        if other != entry.name:
            raise InvalidPlan(f"[keys.{entry.name}]", f"it is the same key as [keys.{other}]")
