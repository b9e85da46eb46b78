"""Online keys that leak one after the other, while one takes the place of another: no command leads in a circle."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Result
from tests.cli.led import World, by_status, copied, hold, in_time
from tests.cli.test_key_rotate import keys_of
from tests.cli.test_leaked_keys import commands, problems
from tests.cli.test_leaks_noted import roles_of, said_of
from tests.cli.test_recover_keys import new_client
from tests.support.clients import Client, directory_site
from tests.support.plans import plan_text

ROTATED = "key rotate online --unencrypted --overlap 1s --yes"
LEAKED = "recover online-key {} --leaked --unencrypted --yes"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the online key signs sub, below vip; of the two who sign vip, one is elsewhere."""
    home = tmp_path_factory.mktemp("turn")
    lives = dict.fromkeys(("root", "targets", "timestamp", "snapshot", "bins"), "400d")
    (home / "new").mkdir()
    (home / "new/one").write_bytes(b"one")
    (home / "vera").mkdir()
    signers = ("--signer", "tom", "--signer", "vera", "--threshold", "2", "--expires", "400d")
    return hold(
        home,
        plan_text(name="acme", signers=["alice", "bob"], threshold=1, bins=2, expires=lives),
        ("key", "generate", "tom", "--unencrypted"),
        ("key", "generate", "vera", "--unencrypted"),
        ("delegation", "add", "vip", "--path", "vip/*", "--path", "vip/*/*", *signers, "--yes"),
        ("delegation", "add", "sub", "--parent", "vip", "--path", "vip/sub/*", "--expires", "400d", "--yes"),
        ("artifact", "add", "--prefix", "vip/sub", home / "new"),
        away=("tom",),
    )


@pytest.fixture
def fresh(tmp_path: Path, made: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> World:
    """It, copied, and a client that knows it."""
    world = copied(made, in_time(World(tmp_path, cli, monkeypatch, away=("tom",))))
    client(world).refresh()
    return world


@pytest.fixture
def world(fresh: World) -> World:
    """Root names another online key by now; what vip lists waits for tom, and vera has signed it elsewhere."""
    (fresh.home / "acme/keys/vera.key").rename(fresh.home / "vera/vera.key")
    fresh.does(f"artifact add --prefix vip {fresh.home / 'new'}", codes=(4,))
    fresh.away = ("vera",)
    fresh.takes("rstuf bundle export vip-v3")
    fresh.away = ("tom", "vera")
    fresh.does(ROTATED)
    return fresh


def client(world: World) -> Client:
    """One that has known the first root from the beginning."""
    place = world.home / "acme"
    site = directory_site(place / "metadata", place / "targets")
    return Client(world.home / "client", site, root=(place / "metadata/1.root.json").read_bytes(), now=world.at)


def says(done: Result, *wanted: str) -> None:
    told = " ".join(f"{done.out} {done.err}".split())
    assert [each for each in wanted if each not in told] == [], told


def ends(world: World, *names: str) -> None:
    """The told commands lead to where these keys sign nothing, and a client that started before finds everything."""
    world.is_led_on(by_status)
    assert [(name, roles_of(world, name), said_of(world, name)) for name in names] == [
        (name, [], "leaked") for name in names
    ]
    warm = client(world)
    warm.refresh()
    assert (warm.download("vip/one"), warm.download("vip/sub/one")) == (b"one", b"one")


@pytest.mark.parametrize("command", ["recover online-key online --leaked --yes", "key revoke online --leaked --yes"])
def test_what_people_wait_to_sign_keeps_a_leaked_key_in(world: World, command: str) -> None:
    """Where the delegator's own change waits, no face says that it is done, and all name who must sign."""
    for _ in range(2):
        done = world.does(command, codes=(4,))
        says(done, "vip-v3 would let online sign on: whoever has it can still sign sub until one without it is out")
        told = world.does(f"{command} --json", codes=(4,)).document
        assert ([each["event"] for each in told["waiting"]], told["may_sign_yet"]) == (["vip-v3"], ["sub"])
        assert [each["command"] for each in told["next_steps"]] == ["rstuf bundle export vip-v3 -o vip-v3.rstuf"]
        assert [each["command"] for each in by_status(world)] == ["rstuf bundle export vip-v3"]
        assert problems(world.cli) == {"leaked-key": "rstuf bundle export vip-v3"}
        says(world.does("renew", codes=(4,)), "online leaked, and may sign sub yet; nothing that waits takes it out")
    ends(world, "online")


@pytest.mark.parametrize("stated", [(), ("online",)])
def test_a_third_key_waits_for_the_same_people(world: World, stated: tuple[str, ...]) -> None:
    """What waits lists the first key, which is not the one that goes now: nothing is told that changes nothing."""
    for name in (*stated, "online-2"):
        world.does(LEAKED.format(name), codes=(4,))
    for command in ("recover online-key online-2 --leaked --yes", "key rotate online-2 --yes"):
        told = world.does(f"{command} --json", codes=(4,)).document
        assert (told["may_sign_yet"], told["rotation"]["new"]["name"]) == (["sub"], "online-3")
        assert [each["command"] for each in told["next_steps"]] == ["rstuf bundle export vip-v3 -o vip-v3.rstuf"]
    assert [each["command"] for each in by_status(world)] == ["rstuf bundle export vip-v3"]
    assert "rstuf renew" not in problems(world.cli).values()
    says(world.does("status"), f"vip-v3 {'would let' if stated else 'lets'} online sign on")
    # Stated last, it is noted all the same, and what takes it out is told.
    world.does("recover online-key online --leaked --yes", codes=(4,))
    ends(world, "online", "online-2")


@pytest.mark.parametrize("third", [False, True])
def test_what_nobody_elsewhere_signed_gives_way(fresh: World, third: bool) -> None:
    """It is proposed with all that it lists, and without the key that leaked: tom is asked once, and not twice."""
    fresh.does(f"artifact add --prefix vip {fresh.home / 'new'}", codes=(4,))
    fresh.does(ROTATED)
    assert fresh.events() == {"vip": "vip-v3"}
    if third:
        fresh.does(LEAKED.format("online-2"), codes=(4,))
        assert fresh.events() == {"vip": "vip-v3"}
    done = fresh.does("recover online-key online --leaked --yes", codes=(4,))
    says(done, "until vip-v4 is signed, whoever has online can still sign sub", "(signed: vera; missing: tom)")
    assert fresh.events() == {"vip": "vip-v4"}
    assert [each["command"] for each in by_status(fresh)] == ["rstuf bundle export vip-v4"]
    ends(fresh, "online")
    assert sum(each.startswith("bundle import") for each in fresh.told) == 1


def test_what_gave_way_is_proposed_anew_once_it_is_cancelled(fresh: World) -> None:
    """What it listed is not forgotten, and the key goes before that or with it."""
    fresh.does(f"artifact add --prefix vip {fresh.home / 'new'}", codes=(4,))
    fresh.does(ROTATED)
    fresh.does("recover online-key online --leaked --yes", codes=(4,))
    fresh.does("event cancel vip-v4 --yes")
    ends(fresh, "online")


def test_what_waits_and_takes_the_key_out_is_signed_first(fresh: World) -> None:
    """Where the change that waits lists the key no more, that is what ends it: no renewal does before."""
    fresh.does("delegation remove sub --yes", codes=(4,))
    fresh.does(ROTATED)
    (waits,) = fresh.events().values()
    for command in ("recover online-key online --leaked --yes", "status"):
        says(fresh.does(command), f"until {waits} is signed, whoever has online can still sign sub")
    assert [each["command"] for each in by_status(fresh)] == [f"rstuf bundle export {waits}"]
    fresh.is_led_on(by_status)
    assert roles_of(fresh, "online") == []


@pytest.fixture(params=["online", "people"])
def planned(request: pytest.FixtureRequest, filled: Path, cli: Cli) -> Path:
    """A rotation whose root waits, and whose new key leaked, as was said with a command that was refused."""
    for name in ("spare", "dora", "carol"):
        assert cli("key", "generate", name, "--unencrypted").code == 0
    if request.param == "people":
        update = ("root", "update", "--role", "targets", "--add", "carol", "--remove", "online", "--yes")
        assert cli(*update).code == 0
    assert cli("key", "rotate", "online", "--to", "spare", "--no-sign", "--yes").code == 4
    refused = cli("recover", "online-key", "spare", "--leaked", "--to", "dora", "--yes")
    assert (refused.code, "noted that spare leaked" in refused.err) == (2, True)
    return filled


@pytest.mark.parametrize(
    ("loss", "more"), [("leaked", ("--unencrypted",)), ("leaked", ("--to", "dora")), ("lost", ("--to", "dora"))]
)
def test_both_keys_of_a_planned_rotation_go(
    planned: Path, cli: Cli, tmp_path: Path, loss: str, more: tuple[str, ...]
) -> None:
    """A third key takes the place of both: nobody waits for the root that would let the leaked one in."""
    done = cli("recover", "online-key", "online", f"--{loss}", *more, "--yes", "--json")
    assert (done.code, done.document["rotation"], done.document["may_sign_yet"]) == (0, None, []), done.err
    assert "root" in {each["event"].partition("-")[0] for each in done.document["dropped"]}
    assert (keys_of(cli)["online"], keys_of(cli)["spare"]) == ([], [])
    keys = cli("key", "list", "--json").document["keys"]
    said = {each["name"]: each["report"]["loss"] for each in keys if "report" in each}
    assert said == {"online": loss, "spare": "leaked"}
    assert (cli("status", "--check").code, problems(cli)) == (0, {})
    new_client(planned, tmp_path / "new").walk()


def test_an_old_key_that_leaked_is_not_left_in_charge(planned: Path, cli: Cli, tmp_path: Path) -> None:
    """Both leaks are noted by commands that were refused: whichever is named then, neither stays, by every face."""
    refused = cli("recover", "online-key", "online", "--leaked", "--to", "nobody", "--yes")
    assert (refused.code, "noted that online leaked" in refused.err) == (1, True)
    told = commands(cli("status", "--json"))
    assert told[0] == "rstuf recover online-key online --leaked"
    assert "rstuf recover online-key online --leaked" in cli("renew").err
    waits = cli("recover", "online-key", "spare", "--leaked", "--unencrypted", "--no-sign", "--yes")
    assert (waits.code, "online stays" in waits.out) == (4, False), waits.err
    again = cli("recover", "online-key", "online", "--leaked", "--yes")
    assert again.code == 0, again.err
    assert (keys_of(cli)["online"], keys_of(cli)["spare"], problems(cli)) == ([], [], {})
    new_client(planned, tmp_path / "new").walk()


@pytest.fixture
def replaced_again(filled: Path, cli: Cli) -> Path:
    """In the overlap of a rotation the new key leaked, and the root that puts a third one in its place waits."""
    assert cli("key", "rotate", "online", "--unencrypted", "--yes").code == 0
    assert cli(*shlex.split(LEAKED.format("online-2")), "--no-sign").code == 4
    return filled


@pytest.mark.parametrize("command", ["recover online-key online", "key revoke online"])
def test_the_former_key_leaks_as_well(replaced_again: Path, cli: Cli, tmp_path: Path, command: str) -> None:
    """That is noted, no refusal: the root that waits takes it out, too, as every face says, and so it comes."""
    words = shlex.split(command)
    refused = cli(*words, "--leaked", "--to", "online-3", "--yes")
    assert (refused.code, "online goes with online-2, whose place online-3 takes" in refused.err) == (2, True)
    for _ in range(2):
        done = cli(*words, "--leaked", "--no-sign", "--yes", "--json")
        assert (done.code, commands(done), done.document["rotation"]["new"]["name"]) == (
            4,
            ["rstuf sign root-v3"],
            "online-3",
        ), done.err
    says(cli("status"), "it takes out online and online-2, which leaked")
    assert problems(cli) == {"leaked-key": "rstuf sign root-v3"}
    cancelled = cli("event", "cancel", "root-v3", "--yes")
    says(cancelled, "online leaked, and may sign bins yet; without root-v3 it stays")
    way = "rstuf recover online-key online-2 --leaked"
    says(cli("status"), way, "what takes it out takes out online, too")
    says(cli("renew"), "online leaked, and may sign bins yet", "online-2 leaked, and may sign", way)
    assert cli(*way.split()[1:], "--unencrypted", "--yes").code == 0
    assert (keys_of(cli)["online"], keys_of(cli)["online-2"], problems(cli)) == ([], [], {})
    new_client(replaced_again, tmp_path / "new").walk()


def test_the_former_key_that_signs_nothing_leaks_as_well(by_people: Path, cli: Cli) -> None:
    """Where people took it out of targets already nothing is refused: it is noted, and what waits is told."""
    assert cli("key", "rotate", "online", "--to", "online-2", "--yes").code == 0
    assert cli(*shlex.split(LEAKED.format("online-2")), "--no-sign").code == 4
    done = cli("recover", "online-key", "online", "--leaked", "--yes", "--no-sign")
    assert (done.code, "online signs nothing; noted as leaked" in done.err) == (4, True), done.err
    assert cli("sign", "--yes").code == 0
    assert (keys_of(cli)["online"], keys_of(cli)["online-2"], problems(cli)) == ([], [], {})


def test_a_renewal_tells_the_way_that_status_tells(by_people: Path, cli: Cli) -> None:
    """Of a key that signs targets, or bins alone, it names the roles and the very command, which works."""
    assert cli("key", "generate", "dave", "--unencrypted").code == 0
    two = ("root", "update", "--role", "targets", "--add", "dave", "--threshold", "2", "--yes")
    assert cli(*two).code == 0
    assert cli("key", "revoke", "carol", "--leaked", "--yes").code == 1
    way = "rstuf key revoke carol --leaked --targets-threshold 1"
    assert commands(cli("status", "--json"))[0] == way
    done = cli("renew")
    says(done, "carol leaked, and may sign targets yet; nothing that waits takes it out", way)
    assert [(each["key"], each["roles"]) for each in cli("renew", "--json").document["leaked"]] == [
        ("carol", ["targets"])
    ]
    assert cli(*way.split()[1:], "--no-sign", "--yes").code == 4
    assert cli("renew", "--json").document["leaked"] == []
    says(cli("renew"), "nothing is due")
    assert cli("sign", "--yes").code == 0
    assert (keys_of(cli)["carol"], problems(cli)) == ([], {})


def test_a_renewal_tells_of_a_key_that_signs_bins_alone(filled: Path, cli: Cli) -> None:
    """Where root never lists the key, and what waits must never come out, a timer's face still says so."""
    assert cli("key", "generate", "spare", "--unencrypted").code == 0
    assert cli("key", "rotate", "online", "--to", "spare", "--no-sign", "--yes").code == 4
    assert cli("key", "revoke", "spare", "--leaked", "--to", "nobody", "--yes").code == 2
    way = "rstuf recover online-key spare --leaked"
    assert commands(cli("status", "--json"))[0] == way
    says(cli("renew"), "spare leaked, and may sign bins yet; nothing that waits takes it out", way)
    assert cli(*way.split()[1:], "--yes").code == 0
    assert (cli("renew", "--json").document["leaked"], problems(cli)) == ([], {})


def test_a_renewal_tells_whose_turn_comes_later(team: Path, cli: Cli) -> None:
    """A key of which the root must wait for another root is told of with that, one that goes already is not."""
    assert cli("key", "revoke", "bob", "--leaked", "--yes").code == 4
    assert cli("key", "revoke", "cleo", "--leaked", "--to", "nobody", "--yes").code == 2
    done = cli("renew")
    says(done, "cleo leaked, and may sign root yet", "Its turn comes once root-v2 is out")
    assert "bob leaked" not in done.err
    assert [each["key"] for each in cli("renew", "--json").document["leaked"]] == ["cleo"]
