"""Signatures that are brought where a root is out that this state does not know: they are kept, and that is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli, elsewhere
from tests.cli.test_leaked_keys import commands
from tests.cli.test_recover_keys import new_client
from tests.cli.test_recover_loose_root import GOOD, TAKE, publishes, sees

LED = [TAKE, "put back the newest copy"]


@pytest.fixture
def waiting(team: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What bob signed of a root that waits, while another one of its number, cancelled here, is published."""
    (tmp_path / "a.txt").write_bytes(GOOD)
    assert cli("artifact", "add", tmp_path / "a.txt").code == 0
    assert cli("root", "update", "--expires", "300d", "--yes").code == 4
    loose = tmp_path / "loose"
    loose.mkdir()
    (team / "metadata/2.root.json").unlink(missing_ok=True)
    publishes(team, tmp_path)
    (team / "metadata/2.root.json").rename(loose / "2.root.json")
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    assert cli("root", "update", "--expires", "200d", "--yes").code == 4
    assert cli("bundle", "export", "root-v2", "-o", tmp_path / "root-v2.rstuf").code == 0
    signature = elsewhere(tmp_path, "bob", tmp_path / "root-v2.rstuf", monkeypatch)
    (loose / "2.root.json").rename(team / "metadata/2.root.json")
    return signature


def test_what_is_brought_is_kept_and_that_is_told(waiting: Path, team: Path, cli: Cli, tmp_path: Path) -> None:
    """No face says that nothing was changed, and each tells the one command that leads on; it does."""
    done = cli("bundle", "import", waiting, "--json")
    assert (done.code, [each["outcome"] for each in done.document["signatures"]]) == (1, ["added"])
    (completed,) = done.document["completed"]
    assert (completed["published"], completed["obstacle"]["code"]) == (False, "loose-root-out")
    hint = completed["obstacle"]["hint"]
    assert (hint.startswith("what was signed is kept. "), TAKE in hint, "nothing was changed" in hint) == (
        True,
        True,
        False,
    )
    event = cli("event", "show", "root-v2", "--json")
    assert {each["key"] for each in event.document["signatures"]} == {"alice", "bob"}
    assert [commands(each) for each in (done, event, cli("status", "--json"))] == [LED] * 3
    # Brought again it changes nothing, and that is what is said then.
    again = cli("bundle", "import", waiting)
    assert (again.code, "nothing was changed" in again.err) == (1, True)
    assert cli(*TAKE.split()[1:], "--yes").code in {0, 4}
    assert cli("status", "--check").code == 0
    assert sees(new_client(team, tmp_path / "client"), tmp_path / "later") == GOOD


def test_where_more_must_sign_it_is_told_as_well(waiting: Path, team: Path, cli: Cli, tmp_path: Path) -> None:
    """Also a signature that does not complete an event leads to what comes first, and to no other signature."""
    loose = (team / "metadata/2.root.json").rename(tmp_path / "2.root.json")
    assert cli("root", "update", "--expires", "100d", "--yes", "--no-sign").code == 4
    assert waiting.exists()
    loose.rename(team / "metadata/2.root.json")
    signed = cli("sign", "root-v2", "--yes", "--json")
    assert (signed.code, [each["key"] for each in signed.document["signed"]]) == (4, ["alice"])
    assert [commands(each) for each in (signed, cli("event", "show", "root-v2", "--json"))] == [LED] * 2
    assert cli(*TAKE.split()[1:], "--yes").code in {0, 4}
    assert cli("status", "--check").code == 0
