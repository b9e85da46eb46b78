"""A role below targets whose people are elsewhere: what waits for them, from the command to what clients see."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli, elsewhere
from tests.support.clients import Client, directory_site

from rstuf.clock import SystemClock


@pytest.fixture
def vendor(filled: Path, cli: Cli, tmp_path: Path) -> Path:
    """vendor, signed by vera; her key went away after its first version."""
    for argv in (
        ["key", "generate", "vera", "--unencrypted"],
        ["delegation", "add", "vendor", "--path", "vendor/*", "--signer", "vera", "--yes"],
    ):
        done = cli(*argv)
        assert done.code == 0, done.err
    (tmp_path / "vera").mkdir()
    (filled / "keys" / "vera.key").rename(tmp_path / "vera" / "vera.key")
    (tmp_path / "app.bin").write_bytes(b"app")
    return filled


def client(workspace: Path, memory: Path) -> Client:
    """A stock client that began with the first root."""
    site = directory_site(workspace / "metadata", workspace / "targets")
    root = (workspace / "metadata" / "1.root.json").read_bytes()
    return Client(memory, site, root=root, now=SystemClock().now())


def test_what_is_added_waits_for_whoever_signs_it_elsewhere(
    vendor: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepted, it is awaiting; signed on another machine from a bundle alone, it is published."""
    done = cli("artifact", "add", tmp_path / "app.bin", "--prefix", "vendor")
    assert done.code == 4, done.err
    assert "vendor waits for 1 signature: clients do not see its changes yet" in done.err
    assert "rstuf bundle export vendor-v2" in " ".join(done.err.split())
    assert "awaiting" in cli("artifact", "list", "--prefix", "vendor").out
    assert "! vendor v2 waits for 1 more signature (signed: nobody; missing: vera)" in cli("event", "list").out
    assert "rstuf bundle export vendor-v2" in cli("status").out
    bundle = tmp_path / "vendor-v2.rstuf"
    assert cli("bundle", "export", "vendor-v2", "-o", bundle).code == 0
    sig = elsewhere(tmp_path, "vera", bundle, monkeypatch)
    brought = cli("bundle", "import", sig)
    assert brought.code == 0, brought.err
    assert "vendor v2 has all its signatures, and is published" in brought.out
    assert "published" in cli("artifact", "list", "--prefix", "vendor").out
    assert client(vendor, tmp_path / "client").download("vendor/app.bin") == b"app"
    assert cli("verify", "--full").code == 0
