"""A ceremony for practice: all of it, with keys that are thrown away, in a directory that is gone afterwards."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from rstuf.durable import storage_error
from rstuf.errors import InvalidInput
from rstuf.founding import hold_ceremony
from rstuf.wiring import Session, look_with_stock_client

if TYPE_CHECKING:
    from rstuf.repository.ceremony import CeremonyReport
    from rstuf.repository.plan import KeyPlan, Plan
    from rstuf.storage.stock_client import ClientView

_KIND: Final = "ed25519"


class Practice:
    """One rehearsal of a plan. Use it as a context manager: where that ends, nothing of it is left.

    Attributes:
        plan: the plan as it is rehearsed: its names, thresholds and periods, and other keys.
    """

    def __init__(self, plan: Plan, session: Session) -> None:
        """
        Args:
            session: nobody is asked for a passphrase, since no key of a rehearsal has one.

        Raises:
            InvalidPlan: the ceremony would be refused for want of signers, whom the keys of a rehearsal stand for.
        """
        from rstuf.repository.plan_delegations import refuse_absent_signers

        refuse_absent_signers(plan)
        self.plan = _with_other_keys(plan)
        self._session = replace(session, on_note=None)
        self._directory: Path | None = None
        self._report: CeremonyReport | None = None

    def __enter__(self) -> Self:
        """
        Raises:
            StorageError: there is no room for temporary files.
        """
        try:
            self._directory = Path(tempfile.mkdtemp(prefix="rstuf-rehearsal-"))
        except OSError as error:
            raise storage_error("write", "temporary files", error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """
        Raises:
            StorageError: something of it could not be removed; it names the directory.
        """
        place, self._directory = self._place(), None
        try:
            shutil.rmtree(place)
        except OSError as left:
            with suppress(OSError):
                shutil.rmtree(place, ignore_errors=True)
            if error is None:
                raise storage_error("remove", str(place), left) from left

    def hold(self) -> CeremonyReport:
        """Make the keys, sign root with all of them, publish.

        Raises:
            RstufError: as `hold_ceremony` says: so would the ceremony be refused.
        """
        place = self._place()
        self._report = hold_ceremony(self.plan, place / "workspace", self._session, inputs=place)
        return self._report

    def look(self) -> ClientView:
        """What a stock client makes of it, delegations among it, that knows nothing but root version 1.

        Raises:
            InvalidInput: nothing is published yet.
        """
        root = None if self._report is None else self._report.root
        if root is None:
            raise InvalidInput("nothing was published that a client could look at", hint="hold it first")
        # A path that a delegation is for lets the client load, and verify, its role.
        below: dict[str, str] = {each.name: re.sub(r"[*?]", "x", each.paths[0]) for each in self.plan.delegations}
        return look_with_stock_client(self._place() / "workspace" / self.plan.metadata, trusted_root=root, below=below)

    def _place(self) -> Path:
        if self._directory is None:
            raise RuntimeError("a rehearsal is a context manager")
        return self._directory


def _with_other_keys(plan: Plan) -> Plan:
    """The same policy, in places of its own, with keys that nobody needs."""
    keys = {name: _other_key(key) for name, key in plan.keys.items()}
    return replace(plan, keys=keys, metadata="metadata", artifacts="targets" if plan.artifacts else "")


def _other_key(key: KeyPlan) -> KeyPlan:
    # What the name of a key that exists says of its kind, only its holder could tell.
    kind = key.generate or _KIND
    return replace(key, public=None, generate=kind, signer=f"file:keys/{key.name}.key", encrypt=False)
