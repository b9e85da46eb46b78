"""Keys that must go, whatever they sign: the new one of a rotation, one of two roles; and no leaked one comes back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, elsewhere, tree
from tests.cli.test_key_rotate import keys_of
from tests.cli.test_leaked_keys import commands, problems, signed_with
from tests.cli.test_recover_keys import new_client, thief_in
from tests.cli.test_root import refreshed
from tests.support.person import ENTER, Person
from tests.support.plans import plan_text
from tests.support.thieves import FARTHEST, Depth

ONLINE = ["targets", "snapshot", "timestamp", "bins"]
REVOKE, RECOVER = ("key", "revoke"), ("recover", "online-key")


def log_of(cli: Cli, action: str) -> list[tuple[str, str | None]]:
    """Which keys the log names under an action, and why."""
    entries = cli("log", "--action", action, "--json").document["entries"]
    return [(entry["details"]["key"], entry["details"].get("kind")) for entry in entries]


@pytest.mark.parametrize("command", [REVOKE, RECOVER])
def test_the_new_key_leaks_in_the_overlap(filled: Path, cli: Cli, tmp_path: Path, command: tuple[str, str]) -> None:
    """A third key takes the place of both, the log says so, and clients that the thief took far ahead come back."""
    warm = refreshed(filled, tmp_path)
    assert cli("key", "rotate", "online", "--yes").code == 0
    overlap = warm.copy(tmp_path / "overlap")
    overlap.refresh()
    thief_in(filled, "online-2").publishes(Depth.BINS)
    assert overlap.refresh().timestamp == FARTHEST
    done = cli(*command, "online-2", "--leaked", "--yes")
    assert done.code == 0, done.err
    assert "the new key signs alone now; nothing names the old one any more" in done.out
    signs = keys_of(cli)
    assert (signs["online"], signs["online-2"], signs["online-3"]) == ([], [], ONLINE)
    assert log_of(cli, "key.revoke") == [("online-2", "leaked")]
    for client in (warm.copy(tmp_path / "warm-later"), overlap, new_client(filled, tmp_path / "new")):
        view = client.refresh()
        assert (view.root, max(view.timestamp, view.snapshot, view.targets) < FARTHEST) == (3, True)
        client.walk()
        assert client.download("a.txt") == b"alpha\n"
    assert cli("verify").code == 0


@pytest.mark.parametrize("command", [REVOKE, RECOVER])
def test_the_new_key_leaks_before_its_root_is_out(filled: Path, cli: Cli, command: tuple[str, str]) -> None:
    """The old key is well: it stays, and another one in its place is refused."""
    assert cli("key", "rotate", "online", "--no-sign").code == 4
    before = tree(filled / "metadata")
    assert cli(*command, "online-2", "--leaked", "--to", "online-2", "--yes").code == 2
    assert tree(filled / "metadata") == before
    done = cli(*command, "online-2", "--leaked", "--yes", "--json")
    assert (done.code, done.document["rotation"], done.document["may_sign_yet"]) == (0, None, [])
    assert (keys_of(cli)["online"], keys_of(cli)["online-2"]) == (ONLINE, [])
    assert cli("event", "list", "--json").document["events"] == []
    assert cli("verify").code == 0


def test_a_replacement_leaks_while_its_root_waits(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """The root that lists it is dropped, and what is signed after it names neither of the two."""
    warm = refreshed(filled, tmp_path)
    assert cli("recover", "online-key", "online", "--leaked", "--yes", "--no-sign").code == 4
    waits = cli("recover", "online-key", "online-2", "--leaked", "--yes", "--no-sign")
    assert (waits.code, "root-v2 waits already" in waits.err) == (4, True), waits.err
    assert cli("sign", "--yes").code == 0
    signs = keys_of(cli)
    assert (signs["online"], signs["online-2"], signs["online-3"]) == ([], [], ONLINE)
    assert log_of(cli, "key.report") == [("online", "leaked"), ("online-2", "leaked")]
    for client in (warm.copy(tmp_path / "later"), new_client(filled, tmp_path / "new")):
        assert client.refresh().root == 2
        client.walk()


def test_a_lost_replacement_that_leaked(filled: Path, cli: Cli) -> None:
    """What is known to be worse counts: a key that was said to be lost turns out to have leaked."""
    (filled / "keys/online.key").unlink()
    assert cli("recover", "online-key", "--lost", "--yes", "--unencrypted", "--no-sign").code == 4
    done = cli("recover", "online-key", "online", "--leaked", "--yes")
    assert done.code == 0, done.err
    assert log_of(cli, "key.revoke") == [("online", "leaked")]


def test_which_of_the_two_is_never_guessed(filled: Path, cli: Cli) -> None:
    """While one key takes the place of another, a name is asked for, and nothing is changed."""
    assert cli("key", "rotate", "online", "--yes").code == 0
    before = tree(filled)
    done = cli("recover", "online-key", "--leaked", "--yes")
    assert (done.code, "online-2 is taking the place of online" in done.err) == (2, True)
    assert "rstuf recover online-key online --leaked, or online-2" in done.err
    assert tree(filled) == before


def test_signatures_that_go_with_a_leaked_key_are_named(team: Path, cli: Cli, tmp_path: Path) -> None:
    """Whoever drops the root that some have signed types its name, and is told to take its number."""
    assert cli("key", "rotate", "online", "--yes").code == 4
    with Person.running("recover", "online-key", "online-2", "--leaked", cwd=team) as person:
        assert "the signature of alice" in person.sees("type root-v2 to drop it:")
        person.presses("root-v2", ENTER)
        person.sees("type online-2 to let it sign nothing any more:")
        person.presses("online-2", ENTER)
        assert "rstuf renew --force root" in person.sees("rstuf verify")
        assert person.ends() == 0
    assert cli("event", "list", "--json").document["events"] == []


@pytest.fixture
def shared(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which alice and bob sign root and targets."""
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN + '[targets]\nthreshold = 1\nsigners = ["alice", "bob"]\n')
    place = tmp_path / "shared"
    done = cli("--repo", place, "ceremony", "--plan", plan)
    assert done.code == 0, done.err
    monkeypatch.chdir(place)
    return place


def test_a_key_goes_from_every_role(shared: Path, cli: Cli, tmp_path: Path) -> None:
    """One root takes it out of root and targets; the log and the list of keys say that it leaked."""
    record = tmp_path / "record.txt"
    done = cli("key", "revoke", "bob", "--leaked", "--yes", "--transcript", record)
    assert done.code == 0, done.err
    assert keys_of(cli)["bob"] == []
    assert log_of(cli, "key.revoke") == [("bob", "leaked")]
    assert "bob" in record.read_text()
    key = cli("key", "show", "bob", "--json").document
    assert (key["roles"], key["report"]["loss"]) == ([], "leaked")
    assert "nothing; leaked, said on 20" in cli("key", "list").out
    assert new_client(shared, tmp_path / "new").refresh().root == 2


def test_another_key_takes_every_place(shared: Path, cli: Cli, tmp_path: Path) -> None:
    """With --to the new one signs what the old one did; targets that its signers must sign anew comes out first."""
    assert cli("key", "generate", "carol", "--unencrypted").code == 0
    warm = refreshed(shared, tmp_path)
    done = cli("recover", "root-key", "bob", "--lost", "--to", "carol", "--targets-threshold", "2", "--yes")
    assert done.code == 0, done.err
    assert (keys_of(cli)["bob"], keys_of(cli)["carol"]) == ([], ["root", "targets"])
    for client in (warm, new_client(shared, tmp_path / "new")):
        assert client.refresh().root == 2
        client.walk()
    refused = cli("key", "revoke", "alice", "--leaked", "--yes")
    assert (refused.code, "rstuf key revoke alice --leaked --targets-threshold 1" in refused.err) == (1, True)


def test_a_root_key_is_lost_or_leaked(filled: Path, cli: Cli) -> None:
    """Both at once are refused, and a key that signs nothing can be noted, too, with the event that would let it in."""
    assert cli("key", "revoke", "bob", "--lost", "--leaked", "--yes").code == 2
    assert cli("key", "generate", "carol", "--unencrypted").code == 0
    assert cli("root", "update", "--add", "carol", "--no-sign", "--yes").code == 4
    done = cli("key", "revoke", "carol", "--leaked", "--yes")
    assert (done.code, "rstuf event cancel root-v2" in done.out) == (4, True)
    kept = cli("sign", "--yes")
    assert (kept.code != 0, "lets carol sign root, and that key leaked" in kept.err) == (True, True)
    assert not (filled / "metadata/2.root.json").exists()


def test_no_leaked_key_comes_back(filled: Path, cli: Cli) -> None:
    """Neither as an online key nor as a root key, by any command; nothing is changed."""
    assert cli("recover", "online-key", "online", "--leaked", "--yes").code == 0
    before = tree(filled)
    for command in (
        ("key", "rotate", "online-2", "--to", "online"),
        ("recover", "online-key", "--lost", "--to", "online"),
        ("root", "update", "--add", "online"),
        ("root", "update", "--add", "online", "--dry-run"),
        ("recover", "root-key", "bob", "--to", "online"),
    ):
        done = cli(*command, "--yes")
        assert (done.code, "online leaked, as was said on" in done.err) == (1, True), command
    assert tree(filled) == before


def test_a_lost_key_comes_back_only_when_asked(filled: Path, cli: Cli) -> None:
    """What that means is said before a person types its name; another word changes nothing."""
    key = filled / "keys/online.key"
    key.rename(filled / "keys/aside")
    assert cli("recover", "online-key", "--lost", "--unencrypted", "--yes").code == 0
    key.with_name("aside").rename(key)
    before = tree(filled)
    with Person.running("key", "rotate", "online-2", "--to", "online", cwd=filled) as person:
        assert "whoever found it before you can sign" in " ".join(person.sees("type online to let it sign").split())
        person.presses("yes", ENTER)
        assert person.ends() == 2
    assert tree(filled) == before
    assert cli("key", "rotate", "online-2", "--to", "online", "--yes").code == 0
    assert "report" not in cli("key", "show", "online", "--json").document


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("key", "rotate", "online", "--to", "nobody"), "no key is called nobody"),
        (("key", "rotate", "online", "--to", "alice"), "alice signs root already"),
        (("key", "revoke", "bob", "--threshold", "2"), "root asks for 2 signatures"),
        (("key", "revoke", "bob", "--targets-threshold", "1"), "bob does not sign targets"),
        (("recover", "root-key", "bob", "--to", "nobody"), "no key is called nobody"),
    ],
)
def test_what_cannot_be_is_said_before_anybody_is_asked(
    filled: Path, cli: Cli, command: tuple[str, ...], said: str
) -> None:
    """Without --yes and without a person a wrong name or number is what is told first."""
    done = cli(*command)
    assert (done.code in {1, 2}, said in done.err) == (True, True), done.err


def test_a_key_that_only_moves_is_no_change(filled: Path, cli: Cli) -> None:
    """The same name let in and taken out at once is refused, not offered as a new root."""
    done = cli("root", "update", "--add", "bob", "--remove", "bob", "--yes")
    assert (done.code, "is to be let in and taken out at once" in done.err) == (1, True)


def test_a_lost_key_of_a_token(filled: Path, cli: Cli) -> None:
    """Nobody is sent to a token that is lost for another key, and nothing is announced that is then refused."""
    with closing(sqlite3.connect(filled / "state.db")) as state, state:
        state.execute("UPDATE key SET signer = 'hsm:1?label=online' WHERE name = 'online'")
    done = cli("recover", "online-key", "online", "--lost", "--yes")
    assert done.code == 2
    assert "make another one elsewhere" in done.err
    assert "is to be replaced" not in done.err


def test_another_key_leaks_while_one_takes_the_place_of_the_other(filled: Path, cli: Cli) -> None:
    """The command that is named notes it, and the rotation goes on."""
    assert cli("key", "generate", "spare", "--unencrypted").code == 0
    assert cli("key", "rotate", "online", "--yes").code == 0
    refused = cli("recover", "online-key", "spare", "--leaked", "--yes")
    way = "rstuf key revoke spare --leaked"
    assert (refused.code, f"spare is no online key; {way} takes it out" in refused.err) == (1, True)
    assert cli(*way.split()[1:], "--yes").code == 0
    assert ("spare", "leaked") in log_of(cli, "key.report")
    assert cli("status", "--json").document["rotation"]["new"] == "online-2"


def test_as_many_root_keys_leaked_as_must_sign(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every face says so and names what can be done; who is well is asked to sign, and the leaked ones come last."""
    (tmp_path / "plan.toml").write_text(plan_text(name="acme", signers=("alice", "bob", "cleo", "dora"), threshold=2))
    place = tmp_path / "acme"
    assert cli("--repo", place, "ceremony", "--plan", tmp_path / "plan.toml").code == 0
    monkeypatch.chdir(place)
    for name in ("cleo", "dora"):
        (tmp_path / name).mkdir()
        (place / f"keys/{name}.key").rename(tmp_path / name / f"{name}.key")
    first = cli("key", "revoke", "alice", "--leaked", "--no-sign", "--yes")
    assert (first.code, "as many as must sign" in first.err) == (4, False)
    done = cli("key", "revoke", "bob", "--leaked", "--no-sign", "--yes")
    said = "alice and bob leaked, as many as must sign root"
    assert (done.code, said in " ".join(done.err.split()), "rstuf recover root-keys" in done.out) == (4, True, True)
    export, next_, keys = "rstuf bundle export root-v2", "rstuf key revoke alice --leaked", "rstuf recover root-keys"
    assert commands(cli("status", "--json")) == [export, next_, keys]
    assert said in " ".join(cli("status").out.split())
    assert problems(cli)["leaked-enough"] == keys
    assert commands(cli("event", "cancel", "root-v2", "--yes", "--json")) == [
        "rstuf key revoke alice --leaked",
        *["rstuf key revoke bob --leaked", keys],
    ]
    assert cli("root", "update", "--remove", "alice", "--remove", "bob", "--no-sign", "--yes").code == 4
    for name in ("cleo", "dora"):
        bundle = tmp_path / f"for-{name}.rstuf"
        assert cli("bundle", "export", "root-v2", "-o", bundle).code == 0
        code = cli("bundle", "import", elsewhere(tmp_path, name, bundle, monkeypatch)).code
    assert (code, signed_with(place, cli, 2)) == (0, {"cleo", "dora"})
    assert (cli("status", "--check").code, problems(cli), cli(*keys.split()[1:]).code) == (0, {}, 0)
