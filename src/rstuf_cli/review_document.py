"""Reviews of what is to be signed, as data: the documents of commands that show one."""

from __future__ import annotations

import rstuf
from rstuf.clock import iso


def review_document(review: rstuf.Review) -> dict[str, object]:
    """A review as data: all that the screen shows."""
    anchor = review.anchor
    return {
        "event": review.event,
        "code": review.code,
        "repository": {
            "name": review.bundle.repository,
            "first_root": review.bundle.first_root,
            "first_root_checked": anchor.checked,
        },
        "trusted": None
        if anchor.root is None
        else {
            "source": anchor.source.value,
            "version": anchor.version,
            "sha256": anchor.sha256,
            "in_force": anchor.root.version,
        },
        "now": iso(review.now),
        "parts": [_part_document(part) for part in review.parts],
        "keys": {
            keyid: {
                "scheme": None if key is None else key.scheme,
                "label": review.names.get(keyid),
                "words": None if key is None else rstuf.fingerprint_words(key.keyid),
            }
            for keyid, key in review.keys.items()
        },
        "concerns": [
            {"code": each.code, "grave": each.grave, "message": each.message, "keyids": list(each.keyids)}
            for each in review.concerns
        ],
        "power": review.power,
    }


def side_document(side: rstuf.Side | rstuf.PartSide) -> dict[str, object]:
    """Keys of whom so many must sign, and who has."""
    return {
        "label": side.label,
        "threshold": side.threshold,
        "keyids": list(side.keyids),
        "signed": list(side.signed),
        "missing": side.missing,
    }


def _part_document(part: rstuf.PartReview) -> dict[str, object]:
    document: dict[str, object] = {
        "role": part.role,
        "version": part.version,
        "sha256": part.digest,
        "sides": [side_document(side) for side in part.sides],
    }
    if part.root is not None:
        document["root"] = root_changes_document(part.root)
    if part.targets is not None:
        document["targets"] = _targets_document(part.targets)
    return document


def root_changes_document(root: rstuf.RootChanges) -> dict[str, object]:
    """What a root changes, as data."""
    return {
        "version": {"before": root.old_version, "after": root.new_version},
        "expires": {
            "before": None if root.expires_before is None else iso(root.expires_before),
            "after": iso(root.expires),
            "days": root.days,
        },
        "spec_version": {"before": root.spec_version_before, "after": root.spec_version},
        "consistent_snapshot": {"before": root.consistent_snapshot_before, "after": root.consistent_snapshot},
        "roles": {
            name: {
                "threshold": {"before": role.threshold_before, "after": role.threshold},
                "keyids": list(role.keyids),
                "added": list(role.added),
                "removed": list(role.removed),
            }
            for name, role in root.roles.items()
        },
        "unused_keys": list(root.unused_keys),
        "foreign": list(root.foreign),
    }


def _targets_document(targets: rstuf.TargetsFacts) -> dict[str, object]:
    return {
        **_below_document(targets),
        "version": targets.version,
        "expires": {"after": iso(targets.expires), "days": targets.days},
        "spec_version": targets.spec_version,
        "artifacts": targets.artifacts,
        "listed": list(targets.changes.added),
        "listing_sha256": targets.listing,
        "delegated": [
            {
                "name": role.name,
                "threshold": role.threshold,
                "keyids": list(role.keyids),
                "bins": None if role.bins is None else {"count": role.bins[0], "prefix": role.bins[1]},
                "rest": list(role.rest),
            }
            for role in targets.delegated
        ],
        "foreign": list(targets.foreign),
    }


def _below_document(targets: rstuf.TargetsFacts) -> dict[str, object]:
    """Of a role below targets: who lets it sign what, and what it lists against what its signer signed last."""
    by, changes = targets.by, targets.changes
    if by is None:
        return {}
    added, replaced, removed, same = changes.counts
    return {
        "delegated_by": {
            "role": by.parent,
            "version": by.version,
            "proposed": by.proposed,
            "paths": list(by.delegation.paths),
            "path_hash_prefixes": list(by.delegation.prefixes),
        },
        "since": changes.since,
        "changes": {"added": added, "replaced": replaced, "removed": removed, "same": same},
        "moved": dict(changes.moved),
        "replaced": list(changes.replaced),
        "removed": list(changes.removed),
    }
