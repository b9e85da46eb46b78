"""Keys that leaked and may sign yet: what takes them out is proposed until it is done, and every face says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Result, elsewhere, tree
from tests.cli.test_key_rotate import keys_of
from tests.cli.test_recover_keys import new_client
from tests.cli.test_stray_keys import lose_state

LEAKED = ("recover", "online-key", "online-2", "--leaked", "--yes")


@pytest.fixture
def handed_over(by_people: Path, cli: Cli) -> Path:
    """The same where bins are handed to another key, before root names that."""
    assert cli("key", "rotate", "online", "--to", "online-2", "--no-sign").code == 4
    assert cli("sign", "targets-v2", "--yes").code == 0
    assert (keys_of(cli)["online"], keys_of(cli)["online-2"]) == (["snapshot", "timestamp"], ["bins"])
    return by_people


def commands(done: Result) -> list[str]:
    """What is to be done next."""
    return [step["command"] for step in done.document["next_steps"]]


def problems(cli: Cli) -> dict[str, str]:
    """What the doctor calls a problem, with what mends it."""
    found = cli("doctor", "--json").document["findings"]
    return {each["code"]: each["mend"] for each in found if each["severity"] == "problem"}


@pytest.mark.parametrize("command", ["renew", "publish"])
def test_bins_that_a_leaked_key_has_are_taken_from_it(
    handed_over: Path, cli: Cli, tmp_path: Path, command: str
) -> None:
    """However often somebody cancels that: until people have signed it, it is proposed again, and is a problem."""
    assert cli(*LEAKED, "--no-sign").code == 4
    for version in (3, 4, 5):
        waits = f"targets-v{version}"
        assert problems(cli) == {"leaked-key": f"rstuf sign {waits}"}
        done = cli("event", "cancel", waits, "--yes", "--json")
        assert (done.code, commands(done)) == (0, ["rstuf renew"])
        assert [(each["key"], each["roles"]) for each in done.document["leaked"]] == [("online-2", ["bins"])]
        assert (cli("status", "--check").code, commands(cli("status", "--json"))) == (7, ["rstuf renew"])
        assert list(problems(cli).values()) == ["rstuf renew"]
        assert cli(command).code in {0, 4}
    before = sorted(handed_over.glob("keys/*"))
    done = cli(*LEAKED)
    assert done.code == 0, done.err
    assert (keys_of(cli)["online-2"], sorted(handed_over.glob("keys/*"))) == ([], before)
    assert (cli("status", "--check").code, problems(cli)) == (0, {})
    new_client(handed_over, tmp_path / "new").walk()
    again = cli(*LEAKED)
    assert (again.code, "online-2 signs nothing; noted as leaked, said on" in again.out) == (0, True)


def test_cancelled_at_once_it_is_proposed_by_the_same_command(handed_over: Path, cli: Cli) -> None:
    """The command that was cancelled goes on where it was, and makes no key."""
    assert cli(*LEAKED, "--no-sign").code == 4
    warned = cli("event", "cancel", "targets-v3", "--yes")
    assert "online-2 leaked, and may sign bins yet; without targets-v3 it stays" in warned.err
    before = sorted(handed_over.glob("keys/*"))
    assert cli("key", "revoke", "online-2", "--leaked", "--yes").code == 0
    assert (keys_of(cli)["online-2"], sorted(handed_over.glob("keys/*"))) == ([], before)
    assert cli("event", "list", "--json").document["events"] == []


def test_the_state_is_lost_while_bins_are_handed_to_a_leaked_key(handed_over: Path, cli: Cli, tmp_path: Path) -> None:
    """What was published before tells that they were another key's: every face says so, and it is taken out."""
    assert cli(*LEAKED, "--no-sign").code == 4
    assert "takes online-2 out" in lose_state(handed_over, cli, "online-2")["rstuf renew"]
    assert (cli("status", "--check").code, problems(cli)) == (7, {"stray-key": "rstuf renew"})
    assert cli(*LEAKED).code == 0
    assert (keys_of(cli)["online-2"], problems(cli)) == ([], {})
    new_client(handed_over, tmp_path / "new").walk()


@pytest.mark.parametrize("there", ["missing", "a later one", "no targets"])
def test_missing_targets_prove_no_key_of_bins_own(handed_over: Path, cli: Cli, tmp_path: Path, there: str) -> None:
    """Whoever takes the first targets away, or puts another in its place, is asked about; answered, the key goes."""
    first = handed_over / "metadata/1.targets.json"
    first.unlink()
    if there != "missing":
        first.write_bytes((handed_over / "metadata/2.targets.json").read_bytes() if there == "a later one" else b"{}")
    assert "takes online-2 out" in lose_state(handed_over, cli, "online-2")["rstuf renew"]
    assert cli("status", "--check").code == 7
    assert (cli("renew").code, cli("sign", "--yes").code) == (4, 0)
    assert (keys_of(cli)["online-2"], cli("status", "--check").code) == ([], 0)
    new_client(handed_over, tmp_path / "new").walk()


@pytest.mark.parametrize(
    ("revoke", "roles", "mend"),
    [
        (("key", "revoke", "bob"), ["root"], "rstuf key revoke bob --leaked"),
        (("recover", "root-key", "bob", "--threshold", "1"), ["root"], "rstuf key revoke bob --leaked"),
        (
            ("recover", "online-key", "online"),
            ["targets", "snapshot", "timestamp", "bins"],
            "rstuf recover online-key online --leaked",
        ),
    ],
)
def test_a_leaked_key_that_stays_listed(
    filled: Path, cli: Cli, revoke: tuple[str, ...], roles: list[str], mend: str
) -> None:
    """While the root that takes it out waits, and once that is cancelled, it is a problem, with what helps."""
    assert cli(*revoke, "--leaked", "--yes", "--no-sign").code == 4
    # One of root's keys is enough to sign it.
    enough = {"leaked-enough": "rstuf recover root-keys"} if roles == ["root"] else {}
    assert problems(cli) == {"leaked-key": "rstuf sign root-v2", **enough}
    done = cli("event", "cancel", "root-v2", "--yes", "--json")
    assert [(each["key"], sorted(each["roles"])) for each in done.document["leaked"]] == [(revoke[2], sorted(roles))]
    assert commands(done) == commands(cli("status", "--json")) == [mend, *enough.values()]
    assert (cli("status", "--check").code, problems(cli)) == (7, {"leaked-key": mend, **enough})
    assert cli(*mend.split()[1:], "--yes").code == 0
    assert (cli("status", "--check").code, problems(cli), keys_of(cli)[revoke[2]]) == (0, {}, [])


def test_a_proposal_older_than_the_leak_is_signed_by_nobody(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """Neither signed nor exported, though others wait that are; every face says what to do about it."""
    assert cli("key", "generate", "carol", "--unencrypted").code == 0
    assert cli("root", "update", "--add", "carol", "--no-sign", "--yes").code == 4
    done = cli("key", "revoke", "carol", "--leaked", "--yes", "--json")
    assert (done.code, commands(done)) == (4, ["rstuf event cancel root-v2"])
    before = tree(filled)
    for command in (("sign",), ("sign", "root-v2"), ("bundle", "export", "root-v2", "-o", tmp_path / "out.rstuf")):
        kept = cli(*command, "--yes")
        assert (kept.code, "lets carol sign root, and that key leaked" in kept.err) == (3, True)
        assert "rstuf event cancel root-v2" in kept.err
    assert tree(filled) == before
    assert not (tmp_path / "out.rstuf").exists()
    seen = cli("status", "--json").document
    assert ([each["key"] for each in seen["events"][0]["leaks"]], commands(cli("status", "--json"))) == (
        ["carol"],
        ["rstuf event cancel root-v2"],
    )
    assert "it must never come out" in " ".join(cli("event", "show", "root-v2").out.split())
    assert "leaked-proposal" in cli("doctor").out


def test_a_key_that_was_replaced_leaks_while_a_root_would_let_it_in(filled: Path, cli: Cli) -> None:
    """What is noted of it then says which proposal must go."""
    assert cli("key", "rotate", "online", "--overlap", "1s", "--yes").code == 0
    while keys_of(cli)["online"]:
        assert cli("renew").code == 0
    assert cli("root", "update", "--add", "online", "--no-sign", "--yes").code == 4
    done = cli("recover", "online-key", "online", "--leaked", "--yes", "--json")
    assert (done.code, "rstuf event cancel root-v3" in commands(done)) == (0, True)


def test_targets_that_keeps_a_leaked_key_gives_way(by_people: Path, cli: Cli) -> None:
    """What was proposed before the leak would let it sign bins on: whose signatures go with it is said, and asked."""
    assert cli("renew", "--force", "targets").code == 0
    (by_people / "keys/carol.key").rename(by_people / "carol.away")
    assert cli("renew", "--force", "targets").code == 4
    done = cli("recover", "online-key", "online", "--leaked", "--to", "online-2", "--yes")
    assert (done.code, "targets-v3 waits already, with no signature yet; this takes its place" in done.err) == (4, True)
    said = "until targets-v4 is signed, whoever has online can still change contents"
    assert said in " ".join(cli("status").out.split())
    (by_people / "carol.away").rename(by_people / "keys/carol.key")
    assert cli("sign", "targets-v4", "--yes").code == 0
    assert (keys_of(cli)["online"], problems(cli)) == ([], {})


def test_targets_that_keeps_a_leaked_key_is_opened_meanwhile(by_people: Path, cli: Cli) -> None:
    """What waits then is told as it is, and the command that put the rotation on its way takes its place."""
    (by_people / "keys/carol.key").rename(by_people / "carol.away")
    assert cli("recover", "online-key", "online", "--leaked", "--to", "online-2", "--yes").code == 4
    assert cli("key", "generate", "dave", "--unencrypted").code == 0
    other = cli("root", "update", "--role", "targets", "--add", "dave", "--threshold", "2", "--no-sign", "--yes")
    assert (other.code, "targets-v2 waits already" in other.err) == (4, True)
    again = "rstuf recover online-key online --leaked"
    assert "targets-v3 would let online sign bins on" in " ".join(cli("status").out.split())
    assert problems(cli) == {"leaked-key": again}
    done = cli(*again.split()[1:], "--yes", "--no-sign")
    assert (done.code, "targets-v3 waits already" in done.err) == (4, True)
    assert problems(cli)["leaked-key"].endswith("targets-v4")
    (by_people / "carol.away").rename(by_people / "keys/carol.key")
    assert cli("sign", "--yes").code == 0
    assert (keys_of(cli)["online"], problems(cli)) == ([], {})


def test_a_root_that_was_signed_and_lets_a_leaked_key_in_stays_a_problem(
    team: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled, whoever has its signatures could still use it: every face says so until another has its number."""
    assert cli("key", "generate", "carol", "--unencrypted").code == 0
    assert cli("root", "update", "--add", "carol", "--yes").code == 4
    assert cli("bundle", "export", "root-v2", "-o", tmp_path / "first.rstuf").code == 0
    bob = elsewhere(tmp_path, "bob", tmp_path / "first.rstuf", monkeypatch)
    assert cli("key", "revoke", "carol", "--leaked", "--yes").code == 4
    assert cli("bundle", "import", bob).code == 3
    assert (cli("status", "--check").code, problems(cli)) == (7, {"loose-root": "rstuf event cancel root-v2"})
    done = cli("event", "cancel", "root-v2", "--yes")
    assert (done.code, "whoever has its signatures can use them until" in done.err) == (0, True)
    again = "rstuf renew --force root"
    assert again in done.out
    assert (cli("status", "--check").code, commands(cli("status", "--json"))) == (7, [again])
    assert problems(cli) == {"loose-root": again}
    assert cli(*again.split()[1:]).code == 4
    assert problems(cli) == {"loose-root": "rstuf bundle export root-v2"}
    [loose] = cli("status", "--json").document["loose_roots"]
    assert (loose["event"], [each["key"] for each in loose["leaks"]]) == ("root-v2", ["carol"])
    assert {"alice", "bob"} <= set(loose["signed"])
    assert cli("bundle", "export", "root-v2", "-o", tmp_path / "second.rstuf").code == 0
    bob = elsewhere(tmp_path, "bob", tmp_path / "second.rstuf", monkeypatch)
    assert cli("bundle", "import", bob).code == 0
    assert (cli("status", "--check").code, problems(cli)) == (0, {})


@pytest.mark.parametrize("first", ["online", "bob"])
def test_two_leaked_keys_are_taken_out_one_after_the_other(
    team: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """What takes out one while a root waits that takes out the other is told for later, and no command drops it."""
    online, bob = "rstuf recover online-key online --leaked", "rstuf key revoke bob --leaked"
    ways = (online, bob) if first == "online" else (bob, online)
    unencrypted = {online: ("--unencrypted",), bob: ()}
    assert cli(*ways[0].split()[1:], "--yes", *unencrypted[ways[0]]).code == 4
    done = cli(*ways[1].split()[1:], "--yes", "--json", *unencrypted[ways[1]])
    assert (done.code, commands(done)[1:]) == (4, [ways[0]])
    assert commands(cli("status", "--json")) == ["rstuf bundle export root-v2", ways[0]]
    found = [each["mend"] for each in cli("doctor", "--json").document["findings"] if each["code"] == "leaked-key"]
    assert found == ["rstuf bundle export root-v2", ways[0]]
    told = cli("event", "cancel", "root-v2", "--yes", "--json")
    assert commands(told)[:2] == [online, bob]
    assert "once the root before it is out" in told.document["next_steps"][1]["why"]
    for version, way in enumerate((online, bob), 2):
        assert commands(cli("status", "--json"))[0] == way
        assert cli(*way.split()[1:], "--yes", *unencrypted[way]).code == 4
        bundle = tmp_path / f"root-v{version}.rstuf"
        assert cli("bundle", "export", f"root-v{version}", "-o", bundle).code == 0
        assert cli("bundle", "import", elsewhere(tmp_path, "cleo", bundle, monkeypatch)).code == 0
    assert (keys_of(cli)["online"], keys_of(cli)["bob"]) == ([], [])
    assert (cli("status", "--check").code, problems(cli)) == (0, {})


def test_targets_of_a_root_that_lets_a_leaked_key_in_go_with_it(by_people: Path, cli: Cli, tmp_path: Path) -> None:
    """Nobody is asked to sign them, they do not come out, and what cancels the root cancels them."""
    assert cli("key", "generate", "dave", "--unencrypted").code == 0
    update = ("root", "update", "--role", "targets", "--add", "dave", "--threshold", "2", "--no-sign", "--yes")
    assert cli(*update).code == 4
    assert cli("key", "revoke", "dave", "--leaked", "--yes").code == 4
    before = tree(by_people)
    for command in (("sign",), ("sign", "targets-v2"), ("bundle", "export", "targets-v2")):
        refused = cli(*command, "--yes") if command[0] == "sign" else cli(*command)
        assert (refused.code, "and that key leaked" in refused.err) == (3, True), refused.err
    assert tree(by_people) == before
    assert commands(cli("status", "--json")) == ["rstuf event cancel root-v2"]
    assert "targets v2 was proposed for root-v2, which must never come out" in " ".join(cli("status").out.split())
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    assert cli("event", "list", "--json").document["events"] == []
    assert (cli("status", "--check").code, problems(cli)) == (0, {})


def test_who_was_taken_out_meanwhile_has_not_signed(by_people: Path, cli: Cli) -> None:
    """A signature that counts for nothing any more is not told as one."""
    for name in ("dave", "erin"):
        assert cli("key", "generate", name, "--unencrypted").code == 0
    update = ("root", "update", "--role", "targets")
    assert cli(*update, "--add", "dave", "--add", "erin", "--threshold", "2", "--yes").code == 0
    for name in ("dave", "erin"):
        (by_people / f"keys/{name}.key").rename(by_people / f"{name}.away")
    assert cli("renew", "--force", "targets").code == 4
    assert "(signed: carol; missing: dave or erin)" in " ".join(cli("status").out.split())
    assert cli(*update, "--remove", "carol", "--yes").code == 0
    assert "waits for 2 more signatures (signed: nobody; missing: dave and erin)" in " ".join(cli("status").out.split())


def signed_with(place: Path, cli: Cli, version: int) -> set[str]:
    """The names of the keys whose signatures a root has."""
    names = {each["keyid"]: each["name"] for each in cli("key", "list", "--json").document["keys"]}
    root = json.loads((place / f"metadata/{version}.root.json").read_bytes())
    return {names[each["keyid"]] for each in root["signatures"]}


def test_what_takes_the_place_of_a_revocation_says_who_stays(team: Path, cli: Cli) -> None:
    """Another root that waits instead lists the leaked key on: every face says so, and what takes it out."""
    assert cli("key", "revoke", "bob", "--leaked", "--yes").code == 4
    done = cli("root", "update", "--expires", "200d", "--yes")
    assert "bob leaked, and may sign root yet; without root-v2 it stays" in done.err
    for shown in (done, cli("event", "show", "root-v2"), cli("status")):
        assert "it lets bob sign on, which leaked" in " ".join(shown.out.split())
    for command in (("bundle", "export", "root-v2"), ("renew", "--force", "root")):
        told = " ".join(cli(*command).err.split())
        assert "it lets bob sign on, which leaked" in told or "bob leaked, and may sign root yet" in told
    assert cli("key", "revoke", "bob", "--leaked", "--yes").code == 4
    done = cli("root", "update", "--expires", "100d", "--yes", "--json")
    assert [(each["key"], each["roles"]) for each in done.document["leaked"]] == [("bob", ["root"])]
    assert "rstuf key revoke bob --leaked" in commands(done)
    assert cli("key", "revoke", "bob", "--leaked", "--yes").code == 4
    done = cli("root", "update", "--expires", "90d", "--remove", "bob", "--yes", "--json")
    assert (done.document["leaked"], problems(cli)["leaked-key"]) == ([], "rstuf bundle export root-v2")
    assert "which leaked" not in cli("event", "show", "root-v2").out


def test_another_online_key_in_the_place_of_a_revocation(team: Path, cli: Cli) -> None:
    """The root that lets it in would drop the one that takes a leaked key out: that this stays is said before."""
    assert cli("key", "revoke", "bob", "--leaked", "--yes").code == 4
    done = cli("key", "rotate", "online", "--unencrypted", "--yes")
    assert (done.code, "bob leaked, and may sign root yet; without root-v2 it stays" in done.err) == (4, True)


def test_no_role_is_left_to_a_leaked_key(by_people: Path, cli: Cli) -> None:
    """While what takes it out waits, the other key of targets is not taken out so that the leaked one is alone."""
    assert cli("key", "generate", "dave", "--unencrypted").code == 0
    assert cli("root", "update", "--role", "targets", "--add", "dave", "--yes").code == 0
    assert cli("key", "revoke", "carol", "--leaked", "--yes", "--no-sign").code == 4
    before = tree(by_people)
    for command in (("key", "revoke", "dave"), ("root", "update", "--role", "targets", "--remove", "dave")):
        done = cli(*command, "--yes")
        assert (done.code, "targets would be left to carol" in done.err) == (1, True)
        assert "rstuf root update --role targets --add NEW" in done.err
    assert tree(by_people) == before
    assert cli("root", "update", "--role", "targets", "--threshold", "2", "--yes").code == 1
    assert cli("sign", "--yes").code == 0
    assert keys_of(cli)["carol"] == []


@pytest.mark.parametrize("loss", ["lost", "leaked"])
def test_the_only_key_of_targets_is_replaced(by_people: Path, cli: Cli, tmp_path: Path, loss: str) -> None:
    """One root lets another key in beside it, the next takes it out; its own signature is not needed for either."""
    assert cli("key", "generate", "dave", "--unencrypted").code == 0
    done = cli("key", "revoke", "carol", "--yes")
    assert (done.code, "rstuf root update --role targets --add NEW --remove carol" in done.err) == (1, True)
    (by_people / "keys/carol.key").unlink()
    way = f"rstuf recover root-key carol --{loss} --to NEW"
    done = cli("key", "revoke", "carol", f"--{loss}", "--yes")
    if loss == "leaked":
        assert (done.code, way in done.out, problems(cli)) == (4, True, {"leaked-key": way, "leaked-enough": way})
    else:
        assert (done.code, way in done.err) == (1, True)
    done = cli(*way.replace("NEW", "dave").split()[1:], "--yes", "--json")
    assert (done.code, commands(done)) == (4, [f"rstuf key revoke carol --{loss}"])
    new_client(by_people, tmp_path / "between").walk()
    assert cli(*commands(done)[0].split()[1:], "--yes").code == 0
    assert (keys_of(cli)["carol"], keys_of(cli)["dave"], problems(cli)) == ([], ["targets"], {})
    new_client(by_people, tmp_path / "new").walk()


def test_a_leaked_key_does_not_sign_where_others_suffice(team: Path, cli: Cli, tmp_path: Path) -> None:
    """A renewal leaves it out while it can; whatever it keeps, and however it was signed, is told."""
    assert cli("key", "revoke", "bob", "--leaked", "--yes").code == 4
    (tmp_path / "bob/bob.key").rename(team / "keys/bob.key")
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    done = cli("renew", "--force", "root", "--json")
    assert [(each["key"], each["roles"]) for each in done.document["leaked"]] == [("bob", ["root"])]
    assert (done.code, signed_with(team, cli, 2)) == (0, {"alice", "bob"})
    (tmp_path / "cleo/cleo.key").rename(team / "keys/cleo.key")
    done = cli("renew", "--force", "root")
    assert (done.code, signed_with(team, cli, 3)) == (0, {"alice", "cleo"})
    assert "bob leaked, and may sign root yet; nothing that waits takes it out" in " ".join(done.err.split())
    assert "rstuf key revoke bob --leaked" in done.err
    assert cli("root", "update", "--expires", "300d", "--no-sign", "--yes").code == 4
    shown = cli("event", "show", "root-v4").out
    assert ("with alice and cleo, here" in shown, "missing: alice and cleo)" in " ".join(shown.split())) == (True, True)
    assert cli("sign", "--yes").code == 0
    assert signed_with(team, cli, 4) == {"alice", "cleo"}


def test_a_signature_of_a_leaked_key_is_told(team: Path, cli: Cli, tmp_path: Path) -> None:
    """It counts while root lists the key; but somebody else may have made it, so whoever takes it in is told."""
    assert cli("key", "revoke", "bob", "--leaked", "--yes").code == 4
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    assert cli("renew", "--force", "root").code == 4
    (tmp_path / "bob/bob.key").rename(team / "keys/bob.key")
    done = cli("sign", "root-v2", "--key", "bob", "--yes")
    assert (done.code, "bob leaked, and its signature of root-v2 counts" in done.err) == (0, True)


@pytest.mark.parametrize("command", [("recover", "root-key"), ("key", "revoke")])
def test_what_leaked_is_noted_though_nothing_takes_it_out(team: Path, cli: Cli, command: tuple[str, ...]) -> None:
    """Refused for a threshold that nobody could meet: who said that it leaked need not say it again."""
    words = (*command, "bob", "--leaked", "--threshold", "3")
    unasked = cli(*words)
    assert (unasked.code, commands(cli("status", "--json"))) == (1, [])
    refused = cli(*words, "--yes")
    assert (refused.code, "noted that bob leaked" in refused.err) == (1, True)
    assert commands(cli("status", "--json")) == ["rstuf key revoke bob --leaked"]
    assert cli(*command, "bob", "--leaked", "--yes").code == 4
