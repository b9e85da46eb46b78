"""A release of many files is judged by two processes, and judged as strictly as by one."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from rstuf.errors import FileMissing, ReleaseRefused
from rstuf.metadata import render
from rstuf.metadata.release_check import Claim
from rstuf.metadata.views import RoleKeys, Signature
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import RoleName
from rstuf.storage import judging
from rstuf.storage.judging import SharedJudge

EXPIRES = datetime(2030, 1, 1, tzinfo=UTC)
COUNT = 40


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[SharedJudge, list[Claim], RoleKeys, Path]:
    """Forty signed files in a directory, with a judge that shares even so few."""
    monkeypatch.setattr(judging, "MANY", 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    signer = CryptoSigner.generate_ed25519()
    key = PublicKey.from_dict(signer.public_key.to_dict())
    claims = []
    for index in range(COUNT):
        part = render.bin_part(RoleName(f"bins-{index:02x}"), version=7, expires=EXPIRES, entries=[])
        file = render.sign_with(part, [Signature(key.keyid, signer.sign(part.payload).signature)])
        (tmp_path / file.file_name).write_bytes(file.data)
        claims.append(Claim(file.file_name, part.name, 7, file.facts.length, file.facts.sha256))
    return SharedJudge(tmp_path), claims, RoleKeys((key.keyid,), 1, {key.keyid: key}), tmp_path


def judged(judge: SharedJudge, claims: list[Claim], keys: RoleKeys) -> int:
    seen: list[int] = []
    judge.judge(claims, keys=keys, on_files=seen.append)
    return sum(seen)


def test_good_files_pass(release: tuple[SharedJudge, list[Claim], RoleKeys, Path]) -> None:
    """Both halves are checked, and every file is told once."""
    judge, claims, keys, _ = release
    assert judged(judge, claims, keys) == COUNT


@pytest.mark.parametrize("index", [0, COUNT // 2 - 1, COUNT // 2, COUNT - 1])
def test_a_changed_byte_is_found_in_either_half(
    release: tuple[SharedJudge, list[Claim], RoleKeys, Path], index: int
) -> None:
    """A file whose bytes are not those that were signed is refused by name, whoever looks at it."""
    judge, claims, keys, directory = release
    place = directory / claims[index].file_name
    place.write_bytes(place.read_bytes().replace(b"2030", b"2031"))
    with pytest.raises(ReleaseRefused, match=claims[index].role):
        judged(judge, claims, keys)


@pytest.mark.parametrize("index", [1, COUNT - 2])
def test_a_foreign_signature_is_found_in_either_half(
    release: tuple[SharedJudge, list[Claim], RoleKeys, Path], index: int
) -> None:
    """A file that is as claimed but not signed by the role's key is refused."""
    judge, claims, keys, directory = release
    place = directory / claims[index].file_name
    data = place.read_bytes()
    start = data.index(b'"sig":"') + 7
    data = data[:start] + (b"0" if data[start : start + 1] != b"0" else b"1") + data[start + 1 :]
    place.write_bytes(data)
    claim = claims[index]
    claims[index] = Claim(claim.file_name, claim.role, 7, len(data), hashlib.sha256(data).hexdigest())
    with pytest.raises(ReleaseRefused, match="signatures"):
        judged(judge, claims, keys)


@pytest.mark.parametrize("index", [2, COUNT - 3])
def test_a_missing_file_is_found_in_either_half(
    release: tuple[SharedJudge, list[Claim], RoleKeys, Path], index: int
) -> None:
    """A file that cannot be read is a storage error."""
    judge, claims, keys, directory = release
    (directory / claims[index].file_name).unlink()
    with pytest.raises(FileMissing):
        judged(judge, claims, keys)


@pytest.mark.parametrize("command", ["/does/not/exist", "/bin/false"])
@pytest.mark.parametrize("damaged", [False, True])
def test_without_the_second_process_this_one_checks_all(
    release: tuple[SharedJudge, list[Claim], RoleKeys, Path],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    damaged: bool,
) -> None:
    """If the helper cannot be started or dies, its share is checked here, and nothing slips through."""
    judge, claims, keys, directory = release
    monkeypatch.setattr("sys.executable", command)
    if damaged:
        (directory / claims[-1].file_name).write_bytes(b"{}")
        with pytest.raises(ReleaseRefused):
            judged(judge, claims, keys)
    else:
        assert judged(judge, claims, keys) == COUNT


def test_a_stranger_is_nobody(release: tuple[SharedJudge, list[Claim], RoleKeys, Path]) -> None:
    """Files signed by another key than the role's are refused."""
    judge, claims, _, _ = release
    other = PublicKey.from_dict(CryptoSigner.generate_ed25519().public_key.to_dict())
    keys = RoleKeys((other.keyid,), 1, {KeyId(other.keyid): other})
    with pytest.raises(ReleaseRefused):
        judged(judge, claims, keys)
