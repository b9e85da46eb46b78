"""`rstuf event list, show, cancel`, and what `rstuf status` says of what waits for signatures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, opened

import rstuf
from rstuf_cli import prompts

Later = Callable[[timedelta], None]


def test_nothing_waits(team: Path, cli: Cli) -> None:
    """Where nothing waits there is no data, and an unknown name is told where to look."""
    done = cli("event", "list")
    assert (done.code, done.out, done.err) == (0, "", "nothing waits for a signature\n")
    assert cli("event", "list", "--json").document == {"events": []}
    unknown = cli("event", "show", "root-v2")
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.err.endswith("hint:  none is open; rstuf event list --all shows those of before\n")


def test_who_has_signed_and_who_is_missing(waiting: Path, cli: Cli) -> None:
    """Both sides of a root with the same keys are one; who signed when, who is missing, the code, and what to do."""
    cli("sign", "--yes")
    done = cli("event", "show", "root")
    assert done.out.startswith("root-v2  the same for longer\n\n  opened    just now, ")
    assert done.out.count("must sign") == 1
    assert "  must sign 2 of 3 of root v1 and root v2, 1 missing\n" in done.out
    assert "    ✓ alice  signed just now, " in done.out
    assert "    - bob    has not signed\n" in done.out
    assert "next\n  rstuf bundle export root-v2 -o root-v2.rstuf\n      for bob or cleo\n" in done.out
    document = cli("event", "show", "root-v2", "--json").document
    with opened(waiting) as repository:
        bundle = repository.events.bundle("root-v2")
    assert document["code"] == bundle.code
    assert document["code"] in done.out
    assert [part["sha256"] for part in document["parts"]] == [bundle.parts[0].digest]
    assert bundle.parts[0].digest in done.out
    assert [each["key"] for each in document["signatures"]] == ["alice"]
    assert ([each["key"] for each in document["missing"]], document["lacking"]) == (["bob", "cleo"], 1)
    assert [side["label"] for side in document["parts"][0]["sides"]] == ["root v1", "root v2"]


def test_sides_that_differ_stand_apart(team: Path, cli: Cli) -> None:
    """Where a root changes its keys, the old ones and the new ones are told each, and so is a key that is here."""
    assert cli("key", "generate", "dora", "--unencrypted").code == 0
    with opened(team) as repository:
        repository.events.open(repository.events.propose(rstuf.RootUpdate(add=("dora",), remove=("cleo",))))
    done = cli("event", "show", "root-v2")
    assert done.out.startswith("root-v2  other keys, thresholds or periods\n")
    assert "  must sign 2 of 3 of root v1, 2 missing\n" in done.out
    assert "  must sign 2 of 3 of root v2, 2 missing\n" in done.out
    assert "    - dora   has not signed; its key is here\n" in done.out
    assert "! root v2 waits for 2 more signatures (signed: nobody; missing: alice, bob, cleo or dora)\n" in done.out
    assert "  rstuf sign root-v2" in done.out
    assert "with alice or dora, here\n" in done.out
    assert "for bob or cleo\n" in done.out


def test_what_ended_is_listed(waiting: Path, tmp_path: Path, cli: Cli) -> None:
    """`--all` has what was cancelled and what came out, with who signed; without it only what waits is shown."""
    cli("sign", "--yes")
    assert "root-v2  the same for longer, opened " in cli("event", "list").out
    assert "! root v2 waits for 1 more signature (signed: alice; missing: bob or cleo)" in cli("event", "list").out
    assert cli("event", "cancel", "root", "--yes").code == 0
    (tmp_path / "bob" / "bob.key").rename(waiting / "keys" / "bob.key")
    assert cli("renew", "--force", "root").code == 0
    assert cli("event", "list").out == ""
    ended = cli("event", "list", "--all")
    assert "root-v2  the same for longer, cancelled " in ended.out
    assert "\n  signed: alice\n" in ended.out
    states = [each["state"] for each in cli("event", "list", "--all", "--json").document["events"]]
    assert states == ["cancelled"]


def test_dropping_is_asked_about(waiting: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose signatures go is said before, and only the event's own name drops it."""
    cli("sign", "--yes")
    nobody = cli("event", "cancel", "root-v2")
    assert (nobody.code, "--yes says that it is meant" in nobody.err) == (2, True)
    monkeypatch.setattr(prompts, "person_is_there", lambda: True)
    monkeypatch.setattr(prompts, "ask", lambda question: "yes")
    refused = cli("event", "cancel", "root-v2")
    assert refused.code == 2
    assert "the signature of alice is dropped\n" in refused.err
    assert len(cli("event", "list", "--json").document["events"]) == 1
    monkeypatch.setattr(prompts, "ask", lambda question: "root-v2")
    done = cli("event", "cancel", "root")
    assert (done.code, done.out) == (0, "✓ root-v2 is cancelled; the signature of alice is dropped\n")
    assert cli("event", "list", "--json").document["events"] == []


def test_dropping_the_root_of_a_rotation_ends_it(team: Path, cli: Cli) -> None:
    """Without the root that names the new key, the old one stays, which is said."""
    assert cli("key", "generate", "online-2", "--unencrypted").code == 0
    with opened(team) as repository:
        repository.rotations.rotate("online", "online-2")
    done = cli("event", "cancel", "root-v2", "--yes", "--json")
    assert (done.document["cancelled"], done.document["rotation_ended"]) == ("root-v2", True)
    assert cli("status", "--json").document["rotation"] is None


def test_status_tells_what_waits(waiting: Path, cli: Cli) -> None:
    """Who signed, who is missing, and a next step for the key that is here and for those elsewhere."""
    before = cli("status")
    assert "  ! root v2 waits for 2 more signatures (signed: nobody; missing: alice, bob or cleo)\n" in before.out
    assert "  rstuf sign root-v2           with alice, here\n" in before.out
    assert "  rstuf bundle export root-v2  for bob or cleo\n" in before.out
    assert "healthy, 2 things to do" in before.out
    cli("sign", "--yes")
    document = cli("status", "--json").document
    assert [(each["name"], each["lacking"]) for each in document["events"]] == [("root-v2", 1)]
    assert [step["command"] for step in document["next_steps"]] == ["rstuf bundle export root-v2"]
    assert cli("status", "--check").code == 0


def test_status_follows_a_rotation_to_its_end(team: Path, tmp_path: Path, cli: Cli, later: Later) -> None:
    """Before root, in the time of both keys and after it: what is said, what to do, and when a monitor is told."""
    (tmp_path / "bob" / "bob.key").rename(team / "keys" / "bob.key")
    assert cli("key", "generate", "online-2", "--unencrypted").code == 0
    with opened(team) as repository:
        repository.rotations.rotate("online", "online-2", overlap=timedelta(days=3))
    begun = cli("status").out
    assert "! the online key is being replaced: online → online-2; both sign until a root" in begun
    assert cli("sign", "--yes").code == 0
    both = cli("status")
    assert "online → online-2; both sign until 20" in both.out
    assert ", then rstuf renew ends it\n" in both.out
    assert "nothing to do before" in both.out
    assert cli("status", "--check").code == 0
    later(timedelta(days=4))
    over = cli("status", "--check")
    assert over.code == 7
    assert "  rstuf renew  the time of both keys is over; online-2 goes on without online\n" in over.out
    assert cli("status", "--json").document["rotation"]["over"] is True
    assert cli("renew").code == 0
    assert cli("status", "--check").code == 0
    assert cli("status", "--json").document["rotation"] is None
