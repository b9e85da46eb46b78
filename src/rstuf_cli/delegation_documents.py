"""Named delegations, and changes of them, as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rstuf
from rstuf.clock import iso
from rstuf_cli.reports import publication_document


def change_document(proposal: rstuf.DelegationProposal, report: rstuf.DelegationReport) -> dict[str, Any]:
    return {
        "name": proposal.name,
        "parent": proposal.parent,
        "before": None if proposal.before is None else delegation_document(proposal.before),
        "after": None if proposal.after is None else delegation_document(proposal.after),
        "moved": report.moved,
        "excluded": dict(proposal.excluded),
        "unreached": list(proposal.unreached),
        "publication": None if report.publication is None else publication_document(report.publication),
    }


def delegation_document(delegation: rstuf.Delegation) -> dict[str, Any]:
    """A delegation as it stands in metadata."""
    by: dict[str, Sequence[str]] = (
        {"path_hash_prefixes": list(delegation.prefixes)} if delegation.prefixes else {"paths": list(delegation.paths)}
    )
    return {
        "name": delegation.name,
        "keyids": list(delegation.keys.keyids),
        "threshold": delegation.keys.threshold,
        "terminating": delegation.terminating,
        **by,
    }


def view_document(view: rstuf.DelegationView) -> dict[str, Any]:
    return {
        **delegation_document(view.delegation),
        "parent": view.parent,
        "signers": list(view.signers),
        "online": view.online,
        "version": view.role.visible,
        "expires": None if view.role.expires is None else iso(view.role.expires),
        "artifacts": view.artifacts,
        "bins": view.bins,
        "bins_signed_by": view.bin_signers,
        "period": None if view.periods is None else rstuf.format_duration(view.periods.expires),
    }
