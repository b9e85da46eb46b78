"""`rstuf sign`: what waits for keys that are here is shown, asked about, signed and published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from tests.cli.conftest import Cli

Later = Callable[[timedelta], None]


def test_one_of_two_signs_and_the_other_is_named(waiting: Path, cli: Cli) -> None:
    """The key that is here signs; who is missing is told with the command for them, and the exit code says so."""
    done = cli("sign", "--yes")
    assert done.code == 4, done.err
    assert "✓ root-v2 is signed with alice\n" in done.out
    assert "! root v2 waits for 1 more signature (signed: alice; missing: bob or cleo)\n" in done.out
    assert "  rstuf bundle export root-v2 -o root-v2.rstuf\n      for bob or cleo\n" in done.out
    assert not (waiting / "metadata" / "2.root.json").exists()
    again = cli("sign")
    assert (again.code, again.err) == (4, "")
    assert "rstuf bundle export root-v2 -o root-v2.rstuf" in again.out


def test_the_last_signature_publishes(waiting: Path, tmp_path: Path, cli: Cli) -> None:
    """With the last key that is needed root comes out at once; after that nothing waits."""
    cli("sign", "root-v2", "--yes")
    (tmp_path / "bob" / "bob.key").rename(waiting / "keys" / "bob.key")
    done = cli("sign", "root", "--yes")
    assert done.code == 0, done.err
    assert "✓ root v2 has all its signatures, and is published\n" in done.out
    assert (waiting / "metadata" / "2.root.json").exists()
    nothing = cli("sign")
    assert (nothing.code, nothing.out, nothing.err) == (0, "nothing waits for a signature\n", "")
    assert cli("verify").code == 0
