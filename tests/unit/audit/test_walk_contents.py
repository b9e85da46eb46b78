"""What files say, properly signed and yet wrong, or signed by others: each fault has its word."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.audits import ARTIFACTS, codes_of, rotated_repo
from tests.support.tuf_repo import Keys, dump, signer, succinct

from rstuf.metadata.audit.findings import Code


def _set(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda signed: signed.update(fields)


def _in(*path: str, **fields: Any) -> Callable[[dict[str, Any]], None]:
    def change(signed: dict[str, Any]) -> None:
        for name in path:
            signed = signed[name]
        signed.update(fields)

    return change


def _without(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(signed: dict[str, Any]) -> None:
        for name in path[:-1]:
            signed = signed[name]
        del signed[path[-1]]

    return change


_SUCCINCT = ("delegations", "succinct_roles")


_EDITS: list[tuple[str, Callable[[dict[str, Any]], Any], set[Code]]] = [
    ("root", _set(version=3), {Code.VERSION_MISMATCH}),
    ("root", _set(version=True), {Code.MALFORMED}),
    ("root", _set(version=0), {Code.MALFORMED}),
    ("root", _set(expires="2029-12-31T23:59:59Z"), {Code.EXPIRED}),
    ("root", _set(expires="2030-01-01T00:00:00Z"), {Code.EXPIRED}),
    ("root", _set(expires="2030-01-01"), {Code.MALFORMED}),
    ("root", _set(spec_version="2.0.0"), {Code.MALFORMED}),
    ("root", _set(spec_version=1), {Code.MALFORMED}),
    ("root", _set(consistent_snapshot=False), {Code.NOT_CONSISTENT, Code.MISSING_FILE}),
    ("root", _in("roles", mirrors={"keyids": [], "threshold": 1}), {Code.MALFORMED}),
    ("root", _without("roles", "snapshot"), {Code.MALFORMED}),
    ("root", _in("roles", "timestamp", threshold=2), {Code.BAD_THRESHOLD, Code.SIGNATURE_MISSING}),
    ("root", _in("roles", "timestamp", threshold=0), {Code.BAD_THRESHOLD}),
    ("root", _in("roles", "timestamp", threshold=True), {Code.BAD_THRESHOLD}),
    ("root", _in("roles", "timestamp", keyids=[]), {Code.BAD_THRESHOLD, Code.SIGNATURE_MISSING}),
    (
        "root",
        _in("roles", "timestamp", keyids=["00" * 32]),
        {Code.KEY_MISSING, Code.BAD_THRESHOLD, Code.SIGNATURE_MISSING},
    ),
    ("root", _set(keys=[]), {Code.MALFORMED, Code.KEY_MISSING, Code.BAD_THRESHOLD, Code.SIGNATURE_MISSING}),
    ("timestamp", _set(_type="snapshot"), {Code.WRONG_TYPE}),
    ("timestamp", _set(expires="2030-01-01T00:00:00Z"), {Code.EXPIRED}),
    ("timestamp", _set(version=-1), {Code.MALFORMED}),
    ("timestamp", _in("meta", **{"other.json": {"version": 1}}), {Code.MALFORMED}),
    ("timestamp", _in("meta", "snapshot.json", version=2), {Code.MISSING_FILE}),
    ("timestamp", _in("meta", "snapshot.json", length=1), {Code.LENGTH_MISMATCH}),
    ("timestamp", _in("meta", "snapshot.json", length=None), {Code.MALFORMED}),
    ("timestamp", _in("meta", "snapshot.json", hashes={"sha256": "0" * 64}), {Code.HASH_MISMATCH}),
    ("timestamp", _in("meta", "snapshot.json", hashes={}), {Code.MALFORMED}),
    ("timestamp", _in("meta", "snapshot.json", hashes={"md5": "0" * 32}), {Code.MALFORMED}),
    ("timestamp", _set(meta={}), {Code.MALFORMED}),
    ("snapshot", _set(_type="targets"), {Code.WRONG_TYPE}),
    ("snapshot", _set(version=2), {Code.VERSION_MISMATCH}),
    ("snapshot", _set(expires="2020-01-01T00:00:00Z"), {Code.EXPIRED}),
    ("snapshot", _set(meta=[]), {Code.MALFORMED, Code.MISSING_ROLE}),
    ("snapshot", _without("meta", "targets.json"), {Code.MISSING_ROLE}),
    ("snapshot", _without("meta", "bins-2.json"), {Code.MISSING_ROLE}),
    ("snapshot", _in("meta", "bins-2.json", version=3), {Code.MISSING_FILE}),
    ("snapshot", _in("meta", "bins-2.json", version="1"), {Code.MALFORMED, Code.MISSING_ROLE}),
    ("snapshot", _in("meta", "bins-2.json", length=3), {Code.LENGTH_MISMATCH}),
    ("snapshot", _in("meta", "bins-2.json", hashes={"sha512": "0" * 128}), {Code.HASH_MISMATCH}),
    ("snapshot", _in("meta", **{"../x.json": {"version": 1}}), {Code.ROLE_NAME}),
    ("snapshot", _in("meta", **{"a/b.json": {"version": 1}}), {Code.ROLE_NAME}),
    ("snapshot", _in("meta", **{"root.json": {"version": 1}}), {Code.ROLE_NAME}),
    ("snapshot", _in("meta", **{"BINS-2.json": {"version": 1}}), {Code.ROLE_NAME}),
    ("snapshot", _in("meta", x={"version": 1}), {Code.ROLE_NAME}),
    ("targets", _set(_type="root"), {Code.WRONG_TYPE}),
    ("targets", _set(version=2), {Code.VERSION_MISMATCH}),
    ("targets", _set(expires="2020-01-01T00:00:00Z"), {Code.EXPIRED}),
    ("targets", _set(targets=[]), {Code.MALFORMED}),
    ("targets", _set(delegations=None), {Code.MALFORMED}),
    ("targets", _in("delegations", roles=[]), {Code.MALFORMED}),
    ("targets", _without(*_SUCCINCT), {Code.MALFORMED}),
    ("targets", _in(*_SUCCINCT, bit_length=3), {Code.MISSING_ROLE, Code.WRONG_BIN}),
    ("targets", _in(*_SUCCINCT, bit_length=1), {Code.WRONG_BIN}),
    ("targets", _in(*_SUCCINCT, bit_length=0), {Code.MALFORMED}),
    ("targets", _in(*_SUCCINCT, bit_length=33), {Code.MALFORMED}),
    ("targets", _in(*_SUCCINCT, bit_length=True), {Code.MALFORMED}),
    ("targets", _in(*_SUCCINCT, bit_length=32), {Code.TOO_COMPLEX, Code.MISSING_ROLE}),
    ("targets", _in(*_SUCCINCT, name_prefix="../bins"), {Code.ROLE_NAME}),
    ("targets", _in(*_SUCCINCT, name_prefix=None), {Code.ROLE_NAME}),
    ("targets", _in(*_SUCCINCT, name_prefix="Bins"), {Code.MISSING_ROLE}),
    ("targets", _in(*_SUCCINCT, threshold=2), {Code.BAD_THRESHOLD, Code.SIGNATURE_MISSING}),
    ("bins-0", _set(_type="snapshot"), {Code.WRONG_TYPE}),
    ("bins-0", _set(version=2), {Code.VERSION_MISMATCH}),
    ("bins-0", _set(expires="2020-01-01T00:00:00Z"), {Code.EXPIRED}),
    ("bins-0", _in("targets", **{"../x": {"length": 1, "hashes": {"sha256": "0" * 64}}}), {Code.BAD_PATH}),
    ("bins-0", _in("targets", **{"files/1.bin": {"length": -1, "hashes": {"sha256": "0" * 64}}}), {Code.BAD_TARGET}),
]  # fmt: skip


@pytest.mark.parametrize(("role", "change", "codes"), _EDITS)
def test_what_a_properly_signed_file_says_wrong_is_named(
    role: str, change: Callable[[dict[str, Any]], Any], codes: set[Code]
) -> None:
    """A wrong value, signed by the right keys, is found with its word; what must follow from it is, too."""
    repo = succinct(bits=2, artifacts=ARTIFACTS)
    repo.rotate_root()
    repo.edit(role, change)
    if role == "snapshot":
        repo.resettle()
    found = codes_of(repo)
    extra = {Code.WRONG_BIN} if role == "bins-0" else set()
    assert codes <= found <= codes | extra


@pytest.mark.parametrize("role", ["targets", "bins-2", "snapshot", "timestamp", "root"])
def test_a_file_signed_by_others_is_refused(role: str) -> None:
    """Each role is judged by the keys that its delegator lists."""
    repo = rotated_repo()
    repo.edit(role, lambda signed: signed, signers=[signer("stranger")])
    if role == "snapshot":
        repo.resettle()
    assert Code.SIGNATURE_MISSING in codes_of(repo)


@pytest.mark.parametrize("signers", [("root-b", "root-c"), ("root-c", "root-d")])
def test_a_root_needs_the_threshold_of_both_sides(signers: tuple[str, ...]) -> None:
    """Signed by enough old keys only, or enough new ones only, a root is refused; the chain goes on."""
    repo = succinct(root=Keys("root-a", "root-b", "root-c", threshold=3))
    repo.rotate_root(Keys("root-b", "root-c", "root-d", threshold=3))
    assert codes_of(repo) == set()
    repo.edit("root", lambda signed: signed, signers=[signer(name) for name in ("root-a", *signers)])
    assert codes_of(repo) == {Code.SIGNATURE_MISSING}


def test_a_skipped_root_version_is_refused() -> None:
    """A root whose own version is not its file's is no next root, whoever signed it."""
    repo = rotated_repo()
    repo.files["4.root.json"] = repo.files["3.root.json"]
    assert Code.VERSION_MISMATCH in codes_of(repo)


def test_a_key_under_two_ids_counts_once_and_is_named() -> None:
    """One key listed twice makes a threshold of two look met; it is not."""
    repo = succinct(artifacts=ARTIFACTS)
    other = dict(repo.load("root")["signed"]["keys"][signer("online").public_key.keyid], note="another id")

    def twice(signed: dict[str, Any]) -> None:
        signed["keys"]["ff" * 32] = other
        signed["roles"]["timestamp"].update(keyids=[*signed["roles"]["timestamp"]["keyids"], "ff" * 32], threshold=2)

    repo.edit("root", twice)
    timestamp = repo.load("timestamp")
    timestamp["signatures"].append({"keyid": "ff" * 32, "sig": timestamp["signatures"][0]["sig"]})
    repo.files["timestamp.json"] = dump(timestamp, "compact")
    assert codes_of(repo) == {Code.KEY_TWICE, Code.BAD_THRESHOLD, Code.SIGNATURE_MISSING}


def test_hostile_shapes_never_raise() -> None:
    """Any JSON value in any place of any file is a finding at most."""
    repo = succinct(bits=1, artifacts=ARTIFACTS)
    values: list[Any] = [None, True, 0, -1, 2**53 - 1, "", "x", [], [[]], [None], {}, {"": {}}, {"x": None}]
    tried = 0
    for role in ("root", "timestamp", "snapshot", "targets", "bins-1"):
        for path in _places(repo.load(role)["signed"]):
            for value in values:
                damaged = repo.copy()
                damaged.edit(role, lambda signed, path=path, value=value: _put(signed, path, value))
                codes_of(damaged, trusted=repo.trusted)
                tried += 1
    assert tried > 800


def _places(value: Any, depth: int = 0) -> list[tuple[Any, ...]]:
    """Every place within a value, to some depth and of a list or object only the first two."""
    if depth == 5:
        return []
    names: list[Any] = (
        list(value)[:2]
        if isinstance(value, dict)
        else list(range(min(2, len(value))))
        if isinstance(value, list)
        else []
    )
    if depth == 0:
        names = list(value)
    return [
        place for name in names for place in ((name,), *((name, *rest) for rest in _places(value[name], depth + 1)))
    ]


def _put(signed: Any, path: tuple[Any, ...], value: Any) -> None:
    for name in path[:-1]:
        signed = signed[name]
    signed[path[-1]] = json.loads(json.dumps(value))
