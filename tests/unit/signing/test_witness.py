"""Signatures of a release of many files are checked by a second process, as strictly as by this one."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence, Set
from datetime import UTC, datetime

import pytest
from securesystemslib.signer import CryptoSigner

from rstuf.metadata import render
from rstuf.metadata.render import SignedFile
from rstuf.metadata.views import RoleKeys, Signature
from rstuf.model.keys import KeyId, PublicKey
from rstuf.model.names import RoleName
from rstuf.repository.ports import UNWATCHED
from rstuf.signing import witness
from rstuf.signing.witness import SecondProcess

EXPIRES = datetime(2030, 1, 1, tzinfo=UTC)
COUNT = 40


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A witness that looks at even so few."""
    monkeypatch.setattr(witness, "MANY", 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def signed(signer: CryptoSigner, *, size: int = 10) -> tuple[RoleKeys, list[SignedFile]]:
    key = PublicKey.from_dict(signer.public_key.to_dict())
    files = []
    for index in range(COUNT):
        # Two bins are empty: equal files.
        entries = [(f"{index}.bin", b"1" * size)] if index > 1 else []
        part = render.bin_part(RoleName(f"bins-{index:02x}"), version=7, expires=EXPIRES, entries=entries)
        files.append(render.sign_with(part, [Signature(key.keyid, signer.sign(part.payload).signature)]))
    return RoleKeys((key.keyid,), 1, {key.keyid: key}), files


def shown(keys: RoleKeys, files: Sequence[SignedFile], *, pause: float = 0.0) -> Set[str]:
    with SecondProcess().watching(keys, files=len(files)) as watch:
        for file in files:
            watch.show(file)
            time.sleep(pause)
        return watch.found_good()


def changed(file: SignedFile) -> SignedFile:
    """The same file with another signature."""
    start = file.data.index(b'"sig":"') + 7
    data = file.data[:start] + (b"0" if file.data[start : start + 1] != b"0" else b"1") + file.data[start + 1 :]
    return SignedFile(file.name, file.version, file.expires, data, file.facts)


def test_good_files_are_found_good() -> None:
    """Every file that the keys have signed is vouched for, by its hash."""
    keys, files = signed(CryptoSigner.generate_ed25519())
    found = shown(keys, files)
    assert found == {file.facts.sha256 for file in files}
    assert len(found) == COUNT - 1


def test_ecdsa_keys_are_checked_too() -> None:
    """The kind of key does not matter."""
    keys, files = signed(CryptoSigner.generate_ecdsa())
    assert len(shown(keys, files)) == COUNT


@pytest.mark.parametrize("index", [0, COUNT // 2, COUNT - 1])
def test_one_false_signature_takes_the_word_back(index: int) -> None:
    """Where one file is not rightly signed, nothing is vouched for: whoever publishes looks for itself."""
    keys, files = signed(CryptoSigner.generate_ed25519())
    files[index] = changed(files[index])
    assert shown(keys, files) == set()


def test_a_stranger_is_nobody() -> None:
    """Files signed by another key than the role's are not vouched for."""
    _, files = signed(CryptoSigner.generate_ed25519())
    other = PublicKey.from_dict(CryptoSigner.generate_ed25519().public_key.to_dict())
    assert shown(RoleKeys((other.keyid,), 1, {KeyId(other.keyid): other}), files) == set()


def test_a_threshold_is_a_threshold() -> None:
    """One signature where two are needed is not enough."""
    keys, files = signed(CryptoSigner.generate_ed25519())
    assert shown(RoleKeys(keys.keyids, 2, keys.keys), files) == set()


def test_nobody_waits_for_a_slow_witness() -> None:
    """What there is no room for is left out, and only that; the last file that went in half is sent to its end."""
    keys, files = signed(CryptoSigner.generate_ed25519(), size=900_000)
    found = shown(keys, files)
    assert set() < found < {file.facts.sha256 for file in files}


def test_larger_files_than_the_pipe_go_through() -> None:
    """A file may be larger than what a pipe holds."""
    keys, files = signed(CryptoSigner.generate_ed25519(), size=3_000_000)
    assert shown(keys, files[5:7]) >= {files[5].facts.sha256}


@pytest.mark.parametrize("command", ["/does/not/exist", "/bin/false", "/bin/true", "/bin/cat"])
def test_without_the_second_process_nothing_is_vouched_for(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """If it cannot be started, dies or is something else, its silence is no consent."""
    keys, files = signed(CryptoSigner.generate_ed25519())
    monkeypatch.setattr("sys.executable", command)
    assert shown(keys, files, pause=0.001) == set()


def test_few_files_and_one_core_need_no_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is started where it would not pay."""
    keys, files = signed(CryptoSigner.generate_ed25519())
    with SecondProcess().watching(keys, files=1) as watch:
        assert watch is UNWATCHED
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with SecondProcess().watching(keys, files=COUNT) as watch:
        assert watch is UNWATCHED
        watch.show(files[0])
        assert watch.found_good() == set()


def test_leaving_ends_the_second_process() -> None:
    """An error while files are written leaves no process behind, and nobody waits for it."""
    keys, files = signed(CryptoSigner.generate_ed25519())
    watching = SecondProcess().watching(keys, files=COUNT)
    watching.__enter__().show(files[0])
    watching.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
