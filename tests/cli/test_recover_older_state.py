"""`recover state` over something older than what clients have seen: it asks where that shows, and goes far above."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import PLAN, Cli, tree
from tests.cli.test_recover_keys import new_client
from tests.cli.test_root import away, refreshed
from tests.support.clients import Client
from tests.support.person import ENTER, Person

TAKE = ("recover", "state", "--yes", "--take-older")


def commands(document: dict[str, list[dict[str, str]]]) -> list[str]:
    """What is to be done next."""
    return [step["command"] for step in document["next_steps"]]


def lose_state(place: Path) -> None:
    """Nothing of it is left."""
    for path in place.glob("state.db*"):
        path.unlink()


def goes_on(place: Path, warm: Client, tmp_path: Path) -> None:
    """A client that saw more and one that saw nothing follow, and read whatever is listed."""
    for client in (warm, new_client(place, tmp_path / "fresh")):
        client.refresh()
        client.walk()
        assert client.download("a.txt") == b"alpha\n"


@pytest.fixture
def rolled_back(filled: Path, cli: Cli, tmp_path: Path) -> tuple[Path, Client]:
    """A workspace that lost its state after an older timestamp was put back, and a client that saw the newer one."""
    old = (filled / "metadata/timestamp.json").read_bytes()
    for number in range(3):
        (tmp_path / "later.txt").write_text(f"later {number}\n")
        assert cli("artifact", "add", tmp_path / "later.txt", "--replace").code == 0
    warm = refreshed(filled, tmp_path)
    warm.walk()
    (filled / "metadata/timestamp.json").write_bytes(old)
    lose_state(filled)
    return filled, warm


def test_a_newer_snapshot_is_asked_about(rolled_back: tuple[Path, Client], cli: Cli) -> None:
    """Neither --yes nor a script goes on from what is older; the way out that is told works."""
    place, _ = rolled_back
    before = tree(place)
    refused = cli("recover", "state", "--yes")
    assert (refused.code, "timestamp names snapshot v2, and v5 lies there" in " ".join(refused.err.split())) == (
        2,
        True,
    )
    assert ("put back the newest timestamp.json" in refused.err, "--take-older" in refused.err) == (True, True)
    assert tree(place) == before
    for typed, code in (("yes", 2), ("older", 0)):
        with Person.running("recover", "state", cwd=place) as person:
            person.sees("is this fingerprint the one of yours?")
            person.presses("y", ENTER)
            person.sees("type older to go on without what is newer")
            person.presses(typed, ENTER)
            assert person.ends() == code


def test_the_newest_timestamp_put_back_brings_all_of_it(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """From a mirror, say: then nothing is asked, and nothing is missing."""
    old = (filled / "metadata/timestamp.json").read_bytes()
    (tmp_path / "later.txt").write_text("later\n")
    assert cli("artifact", "add", tmp_path / "later.txt").code == 0
    newest = (filled / "metadata/timestamp.json").read_bytes()
    (filled / "metadata/timestamp.json").write_bytes(old)
    lose_state(filled)
    assert cli("recover", "state", "--yes").code == 2
    (filled / "metadata/timestamp.json").write_bytes(newest)
    done = cli("recover", "state", "--yes", "--json")
    assert (done.code, done.document["artifacts"], done.document["passed_over"]) == (0, 3, None)


def test_what_is_not_signed_is_no_newer_snapshot(filled: Path, cli: Cli) -> None:
    """Whoever can write there and has no key makes nobody ask: clients refuse such a file, too."""
    signed = json.loads((filled / "metadata/2.snapshot.json").read_bytes())
    signed["signed"]["version"] = 9
    (filled / "metadata/9.snapshot.json").write_text(json.dumps(signed))
    (filled / "metadata/10.snapshot.json").write_bytes(b"{}")
    lose_state(filled)
    assert cli("recover", "state", "--yes").code == 0


@pytest.mark.parametrize(
    "first",
    [
        ("renew",),
        ("renew", "--force", "timestamp"),
        ("publish",),
        ("artifact", "add", "files/new.txt"),
        ("key", "rotate", "online", "--unencrypted", "--yes"),
        ("key", "rotate", "online", "--unencrypted", "--yes", "--no-sign"),
        ("bins", "resize", "16", "--yes"),
        ("recover", "online-key", "online", "--leaked", "--unencrypted", "--yes"),
        ("recover", "copy", "--yes"),
        ("recover", "metadata", "--yes"),
    ],
)
@pytest.mark.parametrize("lost", ["timestamp", "all"])
def test_clients_that_saw_more_follow_whatever_comes_first(
    filled: Path, cli: Cli, tmp_path: Path, lost: str, first: tuple[str, ...]
) -> None:
    """Be the timestamp alone an older one, or all that is served: the first publication goes above what they saw."""
    shutil.copytree(filled / "metadata", tmp_path / "backup")
    (tmp_path / "files/data/b.bin").write_bytes(b"another")
    assert cli("artifact", "add", tmp_path / "files", "--replace").code == 0
    assert cli("artifact", "remove", "data/b.bin", "--yes").code == 0
    warm = refreshed(filled, tmp_path)
    warm.walk()
    if lost == "all":
        shutil.rmtree(filled / "metadata")
    shutil.copytree(tmp_path / "backup", filled / "metadata", dirs_exist_ok=True)
    lose_state(filled)
    done = cli(*TAKE, "--json")
    assert (done.code, done.document["passed_over"]) == (0, 4 if lost == "timestamp" else None), done.err
    assert commands(done.document)[0] == "rstuf renew"
    (tmp_path / "files/new.txt").write_text("new\n")
    done = cli(*(str(tmp_path / each) if each == "files/new.txt" else each for each in first))
    assert done.code == (4 if "--no-sign" in first else 0), done.err
    goes_on(filled, warm, tmp_path)
    assert cli("verify", "--full").code == 0


def test_status_and_doctor_say_it_until_it_is_done(rolled_back: tuple[Path, Client], cli: Cli, tmp_path: Path) -> None:
    """Monitoring notices, too; nothing waits for a publication; one renewal ends it."""
    place, warm = rolled_back
    assert cli(*TAKE).code == 0
    seen = cli("status", "--json").document
    assert (seen["state"], seen["pending"], commands(seen)) == ("due", 0, ["rstuf renew"])
    assert cli("status", "--check").code == 7
    [finding] = [each for each in cli("doctor", "--json").document["findings"] if each["code"] == "rebuilt"]
    assert finding["mend"] == "rstuf renew"
    done = cli("renew", "--json").document
    assert {role["version"] > 10_000 for role in done["roles"]} == {True}
    assert len(done["roles"]) == 7
    assert (cli("status", "--check").code, commands(cli("status", "--json").document)) == (0, [])
    assert cli("renew", "--json").document["roles"] == []
    goes_on(place, warm, tmp_path)


def test_without_the_online_key_it_waits_for_it(rolled_back: tuple[Path, Client], cli: Cli, tmp_path: Path) -> None:
    """The state is made nevertheless; status says what is missing and what is to be done then, and that works."""
    place, warm = rolled_back
    for path in place.glob("keys/online.*"):
        path.rename(tmp_path / path.name)
    done = cli(*TAKE, "--json")
    assert done.code == 0, done.err
    assert commands(done.document)[:2] == ["rstuf key add online --signer URI", "rstuf renew"]
    assert "rstuf renew" in commands(cli("status", "--json").document)
    assert cli("renew").code == 1
    assert cli("key", "add", "online", tmp_path / "online.key").code == 0
    assert cli("renew").code == 0
    assert cli("status", "--check").code == 0
    goes_on(place, warm, tmp_path)


def test_a_lost_online_key_is_replaced_after_it(rolled_back: tuple[Path, Client], cli: Cli, tmp_path: Path) -> None:
    """Where the key is gone as well, another one takes its place, and clients that saw more follow that."""
    place, warm = rolled_back
    for path in place.glob("keys/online.*"):
        path.unlink()
    assert cli(*TAKE).code == 0
    assert cli("recover", "online-key", "online", "--lost", "--unencrypted", "--yes").code == 0
    assert cli("status", "--check").code == 0
    goes_on(place, warm, tmp_path)


def test_targets_that_people_sign_go_above_newer_ones(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a newer snapshot lists newer targets, people are asked to sign it again; then clients follow."""
    plan, place = tmp_path / "plan.toml", tmp_path / "shop"
    plan.write_text(PLAN + '[targets]\nthreshold = 1\nsigners = ["bob"]\n')
    assert cli("--repo", place, "ceremony", "--plan", plan).code == 0
    monkeypatch.chdir(place)
    (tmp_path / "a.txt").write_bytes(b"alpha\n")
    assert cli("artifact", "add", tmp_path / "a.txt").code == 0
    old = (place / "metadata/timestamp.json").read_bytes()
    assert cli("renew", "--force", "targets").code == 0
    warm = refreshed(place, tmp_path)
    (place / "metadata/timestamp.json").write_bytes(old)
    lose_state(place)
    away(place, "bob", tmp_path)
    done = cli(*TAKE, "--json")
    assert "rstuf renew" in commands(done.document)
    for _ in range(2):
        waits = cli("renew", "--json")
        assert (waits.code, [each["event"] for each in waits.document["waiting"]]) == (4, ["targets-v10003"])
        assert (cli("status", "--check").code, cli("doctor").code) == (7, 1)
        assert "targets" in cli("status", "--json").document["overtaken"]
        assert "people must sign it above" in cli("verify").out
    # Nobody who drops it is let alone with that.
    assert cli("event", "cancel", "targets-v10003", "--yes").code == 0
    assert commands(cli("status", "--json").document) == ["rstuf renew"]
    assert cli("renew").code == 4
    assert cli("key", "add", "bob", tmp_path / "bob.key").code == 0
    (told,) = commands(cli("status", "--json").document)
    assert cli(*told.split()[1:], "--yes").code == 0
    assert (cli("status", "--check").code, cli("status", "--json").document["overtaken"]) == (0, [])
    goes_on(place, warm, tmp_path)


def test_targets_whose_people_are_here_come_out_with_everything_else(cli: Cli, tmp_path: Path) -> None:
    """The told renewal alone is enough then: nobody has to know that they signed a newer one."""
    place = tmp_path / "shop"
    (tmp_path / "plan.toml").write_text(PLAN + '[targets]\nthreshold = 1\nsigners = ["bob"]\n')
    assert cli("--repo", place, "ceremony", "--plan", tmp_path / "plan.toml").code == 0
    (tmp_path / "a.txt").write_bytes(b"alpha\n")
    assert cli("--repo", place, "artifact", "add", tmp_path / "a.txt").code == 0
    old = (place / "metadata/timestamp.json").read_bytes()
    assert cli("--repo", place, "renew", "--force", "targets").code == 0
    warm = refreshed(place, tmp_path)
    (place / "metadata/timestamp.json").write_bytes(old)
    lose_state(place)
    assert cli("--repo", place, *TAKE, "--plan", tmp_path / "plan.toml").code == 0
    assert cli("--repo", place, "renew").code == 0
    assert cli("--repo", place, "status", "--check").code == 0
    goes_on(place, warm, tmp_path)


def test_another_number_of_bins_that_clients_saw_stays_listed(filled: Path, cli: Cli, tmp_path: Path) -> None:
    """The newer snapshot tells their names, and those who saw it would refuse one without them."""
    old = (filled / "metadata/timestamp.json").read_bytes()
    assert cli("bins", "resize", "32", "--yes").code == 0
    warm = refreshed(filled, tmp_path)
    (filled / "metadata/timestamp.json").write_bytes(old)
    lose_state(filled)
    assert cli(*TAKE).code == 0
    assert cli("renew").code == 0
    goes_on(filled, warm, tmp_path)
    assert cli("verify", "--full").code == 0


def test_bins_whose_key_is_away_keep_nothing_else_back(cli: Cli, by_people: Path, tmp_path: Path) -> None:
    """The lost key that root no longer names signs bins yet: the rest comes out, and bins once people have signed."""
    warm = refreshed(by_people, tmp_path)
    (by_people / "keys/carol.key").rename(tmp_path / "carol.key")
    assert cli("recover", "online-key", "online", "--lost", "--to", "online-2", "--yes").code == 1
    (by_people / "keys/online.key").rename(tmp_path / "online.key")
    assert cli("recover", "online-key", "online", "--lost", "--to", "online-2", "--yes").code == 4
    online = cli("key", "show", "online", "--json").document["keyid"]
    lose_state(by_people)
    assert cli("recover", "state", "--yes", "--former-key", online).code == 0
    renewed = cli("renew", "--json")
    assert (renewed.code, [role["name"] for role in renewed.document["roles"]]) == (4, ["snapshot", "timestamp"])
    assert (cli("renew").code, cli("publish").code) == (4, 0)
    assert cli("key", "add", "carol", tmp_path / "carol.key").code == 0
    assert cli("sign", "--yes").code == 0
    assert cli("status", "--check").code == 0
    goes_on(by_people, warm, tmp_path)
    assert cli("verify", "--full").code == 0
