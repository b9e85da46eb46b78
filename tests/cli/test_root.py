"""`rstuf root …`: a new root is shown, asked about and signed; every root can be looked at."""

from __future__ import annotations

import hashlib
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, tree
from tests.support.clients import Client, directory_site
from tests.support.person import ENTER, Person
from tests.support.plans import plan_text

from rstuf.clock import SystemClock


@pytest.fixture
def carol(filled: Path, cli: Cli) -> Path:
    """A workspace that knows one key more, which signs nothing."""
    assert cli("key", "generate", "carol", "--unencrypted").code == 0
    return filled


def away(workspace: Path, name: str, tmp_path: Path) -> None:
    """Take a key to where nobody here can reach it."""
    shutil.move(workspace / "keys" / f"{name}.key", tmp_path / f"{name}.key")


def refreshed(workspace: Path, tmp_path: Path) -> Client:
    """A stock client that knows root v1 and has seen what is published."""
    site = directory_site(workspace / "metadata", workspace / "targets")
    client = Client.fresh(tmp_path / "client", site, root=(workspace / "metadata/1.root.json").read_bytes())
    client.refresh()
    client.walk()
    return client


def test_a_new_root_is_signed_and_published(carol: Path, cli: Cli, tmp_path: Path) -> None:
    """With the keys of both sides here one command is enough, and clients follow."""
    done = cli("root", "update", "--add", "carol", "--threshold", "2", "--yes")
    assert (done.code, done.out) == (0, "✓ root v2 is signed and published\n")
    assert "root: 1 of 2 → 2 of 3 must sign" in done.err
    assert '"carol"' in done.err
    assert refreshed(carol, tmp_path).refresh().root == 2
    assert cli("verify").code == 0


def test_below_the_threshold_it_waits(carol: Path, cli: Cli, tmp_path: Path) -> None:
    """Exit 4, who has signed, who is missing, and what to do about it; nothing is visible."""
    assert cli("root", "update", "--add", "carol", "--threshold", "2", "--yes").code == 0
    away(carol, "bob", tmp_path)
    away(carol, "carol", tmp_path)
    before = tree(carol / "metadata")
    done = cli("root", "update", "--expires", "200d", "--yes", "--json")
    assert done.code == 4
    (waiting,) = done.document["waiting"]
    assert waiting == {
        "event": "root-v3",
        "signed": ["alice"],
        "missing": 1,
        "wanted": ["bob", "carol"],
        "expired": False,
        "lacks_targets": False,
        "outdated": None,
    }
    assert [step["command"] for step in done.document["next_steps"]] == ["rstuf bundle export root-v3 -o root-v3.rstuf"]
    assert tree(carol / "metadata") == before


def test_no_sign_only_opens(carol: Path, cli: Cli) -> None:
    """With --no-sign no key is used: the event is there, and nobody has signed it."""
    done = cli("root", "update", "--add", "carol", "--no-sign", "--yes")
    assert done.code == 4
    assert "! root v2 waits for 1 more signature (signed: nobody; missing: alice, bob or carol)" in done.out


def test_dry_run_opens_nothing(carol: Path, cli: Cli) -> None:
    """What it would change is shown without a question, and the state is as it was."""
    before = cli("log", "--json").document
    done = cli("root", "update", "--add", "carol", "--dry-run")
    assert (done.code, done.out.endswith("\nnothing was opened: --dry-run\n")) == (0, True)
    assert '"carol"' in done.out
    shown = cli("root", "update", "--add", "carol", "--dry-run", "--json").document
    assert (shown["opened"], [each["event"] for each in shown["reviews"]]) == (False, ["root-v2"])
    assert cli("log", "--json").document == before


def test_nobody_to_ask_changes_nothing(carol: Path, cli: Cli) -> None:
    """Without a terminal and without --yes it is a usage error that names both ways on."""
    before = tree(carol)
    done = cli("root", "update", "--add", "carol")
    assert (done.code, done.out) == (2, "")
    assert "--dry-run shows it, and --yes says that it is" in done.err
    assert tree(carol) == before


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "nothing is to change"),
        (["--role", "timestamp", "--add", "carol"], "the online key signs timestamp"),
        (["--role", "bins", "--threshold", "2"], "the online key signs bins"),
        (["--role", "targets", "--add", "carol", "--expires", "9d"], "one after the other"),
        (["--add", "nobody", "--yes"], "no key is called nobody"),
        (["--add", "alice", "--yes"], "alice signs root already"),
        (["--remove", "carol", "--yes"], "carol does not sign root"),
        (["--threshold", "3", "--yes"], "say --threshold N too, or keep more keys"),
        (["--remove", "alice", "--remove", "bob", "--yes"], "root has no key"),
        (["--add", "online", "--yes"], "the online key may not sign root"),
        (["--threshold", "1", "--yes"], "that is what the root says already"),
        (["--expires", "soon"], "soon"),
    ],
)
def test_what_makes_no_sense_is_refused(carol: Path, cli: Cli, argv: list[str], said: str) -> None:
    """Each is an error with the reason, before anything is changed."""
    before = tree(carol)
    done = cli("root", "update", *argv)
    assert done.code in {1, 2}
    assert said in done.err
    assert tree(carol) == before


def test_periods_of_online_roles_need_no_event(filled: Path, cli: Cli) -> None:
    """They hold from the next version on, which renew --force makes."""
    done = cli("root", "update", "--role", "timestamp", "--expires", "3d")
    assert done.code == 0
    assert "14 days → 3 days" in done.out
    assert "rstuf renew --force timestamp" in done.out
    assert cli("root", "update", "--role", "timestamp", "--expires", "3d").out.startswith(
        "timestamp lives for 3 days alr"
    )
    assert cli("renew", "--force", "timestamp").code == 0
    roles = {role["name"]: role for role in cli("status", "--json").document["roles"]}
    (entry,) = cli("log", "--action", "policy", "--json").document["entries"]
    assert entry["details"] == {"role": "timestamp", "expires": 3 * 86400}
    assert roles["timestamp"]["version"] == 3
    only = cli("root", "update", "--role", "bins", "--renew-before", "10d", "--dry-run", "--json").document
    assert (only["changed"], only["periods"]["renew_before"]) == (False, "10d")


def test_signatures_of_an_open_event_are_not_dropped_in_silence(filled: Path) -> None:
    """Whose signatures would be lost is said, and the event's name is asked for; another word changes nothing."""
    with Person.running("root", "update", "--threshold", "2", "--no-sign", cwd=filled) as person:
        person.sees("Open root-v2?")
        person.presses("y", ENTER)
        assert person.ends() == 4
    before = tree(filled)
    with Person.running("root", "update", "--expires", "100d", cwd=filled) as person:
        assert "root-v2 waits already, with no signature yet" in person.sees("Open and sign root-v2?")
        person.presses(ENTER)
        assert person.ends() == 1
    assert tree(filled) == before


def test_a_person_types_the_event_that_is_dropped(carol: Path, cli: Cli, tmp_path: Path) -> None:
    """Where somebody has signed, only the event's own name lets another take its place."""
    assert cli("root", "update", "--threshold", "2", "--yes").code == 0
    away(carol, "bob", tmp_path)
    assert cli("root", "update", "--add", "carol", "--yes").code == 4
    with Person.running("root", "update", "--expires", "100d", cwd=carol) as person:
        shown = person.sees("type root-v3 to drop it:")
        assert "the signatures of alice and carol" in shown or "the signatures of carol and alice" in shown
        person.presses("root-v2", ENTER)
        assert person.ends() == 2
    assert "carol" in cli("log", "--action", "event", "--json").document["entries"][-1]["details"]["key"]
    with Person.running("root", "update", "--expires", "100d", cwd=carol) as person:
        person.sees("type root-v3 to drop it:")
        person.presses("root-v3", ENTER)
        assert person.ends() == 4


def test_targets_that_people_sign(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another key for targets: targets signed by both sides come out first, then the root that names the new one."""
    plan = tmp_path / "plan.toml"
    plan.write_text(
        plan_text(name="acme") + '[keys.tia]\ngenerate = "ed25519"\nencrypt = false\n'
        'signer = "file:keys/tia.key"\n[targets]\nthreshold = 1\nsigners = ["tia"]\n'
    )
    place = tmp_path / "people"
    assert cli("--repo", place, "ceremony", "--plan", plan).code == 0
    monkeypatch.chdir(place)
    assert cli("key", "generate", "tom", "--unencrypted").code == 0
    done = cli("root", "update", "--role", "targets", "--add", "tom", "--remove", "tia", "--yes")
    assert (done.code, done.out.count("is signed and published")) == (0, 2), done.out + done.err
    assert refreshed(place, tmp_path).refresh().root == 2
    span = cli("root", "update", "--role", "targets", "--expires", "100d", "--json")
    assert (span.code, span.document["changed"]) == (0, True)


def test_show_a_root(carol: Path, cli: Cli, later: object) -> None:
    """Version, expiry, who signs what by name and short fingerprint, and the file's own SHA-256."""
    assert cli("root", "update", "--add", "carol", "--yes").code == 0
    digest = hashlib.sha256((carol / "metadata/2.root.json").read_bytes()).hexdigest()
    shown = cli("root", "show")
    assert shown.out.startswith("root v2  ·  the newest\n")
    assert "1 of 3 keys: alice (" in shown.out
    assert digest[:4] + " " + digest[4:8] in shown.out
    document = cli("root", "show", "1", "--json").document
    assert (document["version"], document["newest"]) == (1, False)
    assert [key["name"] for key in document["roles"]["root"]["keys"]] == ["alice", "bob"]
    assert cli("root", "show", "--json").document["sha256"] == digest
    assert "the newest is v2" in cli("root", "show", "1").out
    missing = cli("root", "show", "7")
    assert (missing.code, missing.err) == (1, "error: there is no root v7 here\nhint:  rstuf root history lists them\n")


def test_an_expired_root_is_shown_as_such(filled: Path, cli: Cli, later: object) -> None:
    """What has expired is marked, and history tells it too."""
    later(timedelta(days=400))  # type: ignore[operator]
    assert "! expired 35 days ago" in cli("root", "show").out
    assert "v1  expired 35 days ago" in cli("root", "history").out


def test_history_and_differences(carol: Path, cli: Cli) -> None:
    """Each root's change is one line, and any two roots are held side by side."""
    assert cli("root", "update", "--add", "carol", "--threshold", "2", "--yes").code == 0
    assert cli("root", "update", "--remove", "bob", "--yes").code == 0
    lines = cli("root", "history").out.splitlines()
    ends = ["the first: 1 of 2 keys sign it", "root: + carol, threshold 1 → 2", "root: - bob"]
    assert [line.endswith(end) for line, end in zip(lines, ends, strict=True)] == [True] * 3
    assert [each["version"] for each in cli("root", "history", "--json").document["roots"]] == [1, 2, 3]
    newest, whole = cli("root", "diff"), cli("root", "diff", "1")
    assert newest.out.startswith("root v2 → root v3\n")
    assert whole.out.startswith("root v1 → root v3\n")
    assert "- bob (" in newest.out
    assert "+ carol (" not in newest.out
    assert "+ carol (" in whole.out
    assert "1 of 2 → 2 of 2" in whole.out
    data = cli("root", "diff", "1", "3", "--json").document
    assert (data["from"], data["to"], len(data["roles"]["root"]["added"])) == (1, 3, 1)
    assert cli("root", "diff", "3", "1").code == 1
    assert cli("root", "diff", "1", "9").code == 1


def test_history_says_what_a_root_with_the_same_keys_is_for(
    workspace: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A root that lives longer, as long or shorter is told as what it is."""
    moment = SystemClock().now()
    monkeypatch.setattr(SystemClock, "now", lambda self: moment)
    for expires in ("366d", "366d", "100d"):
        assert cli("root", "update", "--expires", expires, "--yes").code == 0
    ends = ["for longer", "to expire at about the same time", "to expire sooner"]
    for line, end in zip(cli("root", "history").out.splitlines()[1:], ends, strict=True):
        assert line.endswith(f"signed again, {end}")


def test_the_first_root_differs_from_nothing(filled: Path, cli: Cli) -> None:
    """Before there is a second root, the difference is all of the first."""
    shown = cli("root", "diff")
    assert (shown.code, shown.out.splitlines()[0]) == (0, "nothing → root v1")


def test_a_root_key_is_revoked(carol: Path, cli: Cli) -> None:
    """A root without it comes out, the log says so, and key list shows that it signs nothing."""
    assert cli("root", "update", "--add", "carol", "--yes").code == 0
    assert cli("key", "revoke", "bob", "--yes").code == 0
    (entry,) = cli("log", "--action", "key.revoke", "--json").document["entries"]
    assert entry["details"]["key"] == "bob"
    assert next(line for line in cli("key", "list").out.splitlines() if line.startswith("bob")).split()[1:4] == [
        "nothing",
        "any",
        "more",
    ]
    again = cli("key", "revoke", "bob", "--yes")
    assert (again.code, "signs nothing" in again.err) == (1, True)
    assert cli("key", "revoke", "alice", "--to", "bob", "--yes").code == 2


def test_revoking_below_the_threshold_is_refused(filled: Path, cli: Cli) -> None:
    """Fewer keys than must sign are refused, with what else to say."""
    assert cli("root", "update", "--threshold", "2", "--yes").code == 0
    done = cli("key", "revoke", "bob", "--yes")
    assert done.code == 1
    assert "root asks for 2 signatures of 1 distinct keys" in done.err
    assert "--threshold N" in done.err
    assert cli("key", "revoke", "bob", "--threshold", "1", "--yes").code == 0


def test_who_signs_an_update_is_told_what_they_signed_before(team: Path, cli: Cli) -> None:
    """The record of whoever signs is kept and asked by every command that signs, not by `rstuf sign` alone."""
    assert cli("key", "generate", "dora", "--unencrypted").code == 0
    first = cli("root", "update", "--add", "dora", "--yes")
    assert (first.code, "you signed another root v2" in first.err) == (4, False)
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    again = cli("root", "update", "--threshold", "1", "--yes")
    assert (again.code, "! you signed another root v2 with " in again.err) == (4, True)
    assert "you signed another root v2" in cli("sign", "--yes").err + cli("event", "show", "root-v2").out + again.err


def test_why_a_key_that_is_here_did_not_sign(team: Path, tmp_path: Path, cli: Cli) -> None:
    """A wrong passphrase is named, with the command that is right, and what waits is told all the same."""
    (tmp_path / "right").write_text("correct horse battery staple")
    (tmp_path / "wrong").write_text("something else altogether")
    for name in ("right", "wrong"):
        (tmp_path / name).chmod(0o600)
    assert cli("key", "generate", "dora", "--passphrase-file", tmp_path / "right").code == 0
    given = ("--passphrase-file", f"dora={tmp_path / 'wrong'}")
    done = cli("root", "update", "--add", "dora", "--yes", *given)
    assert done.code == 4
    assert "! dora did not sign: " in done.err
    assert "root v2 waits" in done.out
    shown = cli("event", "cancel", "root-v2", "--yes") and cli(
        "root", "update", "--add", "dora", "--yes", "--json", *given
    )
    assert [each["key"] for each in shown.document["closed"]] == ["bob", "cleo", "dora"]
    assert shown.document["closed"][-1]["code"] == "wrong-passphrase"


@pytest.mark.parametrize("period", ["99999d", "99999999999d", "9" * 400 + "s"])
def test_a_period_that_is_too_long_is_told_as_that(workspace: Path, cli: Cli, period: str) -> None:
    """However many digits it has, its form is right and its length is what is wrong."""
    done = cli("root", "update", "--expires", period, "--yes")
    assert (done.code, done.out) == (1, "")
    assert "it is more than 100 years" in done.err
