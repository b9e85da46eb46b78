"""A key that is lost signs nothing: nothing is proposed or waits that counts on it, and what lacks it is due."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.led import World, copied, hold, in_time
from tests.support.clients import Client, directory_site
from tests.support.plans import plan_text

_LIVES = dict.fromkeys(("root", "targets", "timestamp", "snapshot", "bins"), "400d")
_ROUNDS = 8


def _plan(*people: str, threshold: int = 2) -> str:
    """Two of ana, ben and cleo sign root; so many of these people sign targets, the online key where there are none."""
    text = plan_text(name="acme", signers=["ana", "ben", "cleo"], threshold=2, bins=2, expires=_LIVES)
    if people:
        signers = ", ".join(f'"{name}"' for name in people)
        text = text.replace("[targets]\n", f"[targets]\nthreshold = {threshold}\nsigners = [{signers}]\n")
    return text + "".join(
        f'[keys.{name}]\ngenerate = "ed25519"\nencrypt = false\nsigner = "file:keys/{name}.key"\n' for name in people
    )


def _made(home: Path, plan: str) -> Path:
    """A workspace of that plan: vera signs vendor, and the online key vsub below it; uma or vera signs ops."""
    artifact = home / "new/file"
    artifact.parent.mkdir()
    artifact.write_bytes(b"alpha")
    vendor = ("delegation", "add", "vendor", "--path", "vendor/*", "--path", "vendor/sub/*", "--signer", "vera")
    return hold(
        home,
        plan,
        *[("key", "generate", name, "--unencrypted") for name in ("vera", "uma", "dan", "eve", "fay")],
        (*vendor, "--yes"),
        ("delegation", "add", "vsub", "--path", "vendor/sub/*", "--parent", "vendor", "--yes"),
        ("delegation", "add", "ops", "--path", "ops/*", "--signer", "uma", "--signer", "vera", "--yes"),
        ("artifact", "add", artifact),
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Workspaces by who signs targets."""
    plans = {
        "online": _plan(),
        "people": _plan("tara", "toby", "tim"),
        "one of two": _plan("tara", "toby", threshold=1),
    }
    return {name: _made(tmp_path_factory.mktemp("beyond"), plan) for name, plan in plans.items()}


@pytest.fixture
def world(
    request: pytest.FixtureRequest, tmp_path: Path, made: dict[str, Path], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> World:
    """One of them, copied, with a client that has seen it."""
    found = copied(made[request.param], in_time(World(tmp_path, cli, monkeypatch, away=())))
    _client(found).refresh()
    return found


online = pytest.mark.parametrize("world", ["online"], indirect=True)
people = pytest.mark.parametrize("world", ["people"], indirect=True)


def _client(world: World) -> Client:
    place = world.home / "acme"
    site = directory_site(place / "metadata", place / "targets")
    return Client(world.home / "client", site, root=(place / "metadata/1.root.json").read_bytes(), now=world.at)


def _lose(world: World, name: str) -> None:
    (world.home / f"acme/keys/{name}.key").unlink()


def _leave(world: World, *names: str) -> None:
    """Their keys are elsewhere, and well."""
    for name in names:
        (world.home / f"acme/keys/{name}.key").rename(world.home / f"{name}.key")


def _roles_of(world: World, name: str) -> list[str]:
    (found,) = [key for key in world.does("key list --json").document["keys"] if key["name"] == name]
    return [str(use["name"]) for use in found["roles"]]


def _report_of(world: World, name: str) -> str | None:
    (found,) = [key for key in world.does("key list --json").document["keys"] if key["name"] == name]
    return None if "report" not in found else str(found["report"]["loss"])


def _next(world: World) -> list[str]:
    return [str(step["command"]) for step in world.sees()["next_steps"]]


def _is_led_on(world: World) -> None:
    """The first of the told commands, each with another key for NEW, until nothing is left; clients come along."""
    new = iter(("dan", "eve", "fay"))
    for _ in range(_ROUNDS):
        steps = _next(world)
        if not steps:
            break
        command = " ".join(next(new) if word == "NEW" else word for word in steps[0].split()[1:])
        world.does(command if command == "renew" else f"{command} --yes")
    seen = world.sees()
    assert (seen["state"], seen["events"], seen["next_steps"]) == ("healthy", [], []), "\n".join(world.told)
    assert (world.cli("verify").code, world.cli("doctor").code) == (0, 0)
    client = _client(world)
    client.refresh()
    assert client.download("file") == b"alpha"


@pytest.mark.parametrize("world", ["people", "one of two"], indirect=True)
def test_no_root_leaves_targets_to_a_lost_key(world: World) -> None:
    """It is refused by name, the leak is noted, and what is told leads on; targets can be signed after it."""
    _lose(world, "toby")
    world.does("key revoke toby --lost --no-sign --yes")
    refused = world.does("key revoke tara --leaked --yes", codes=(1,)).err
    assert "without toby, which is lost" in refused
    told = refused.partition("hint:")[2]
    assert "--targets-threshold 1" in told or "rstuf root update --role targets --add NEW" in told
    assert (_report_of(world, "tara"), _roles_of(world, "tara")) == ("leaked", ["targets"])
    _is_led_on(world)
    assert _roles_of(world, "tara") == []
    world.does("renew --force targets", codes=(0,))
    _client(world).refresh()


@online
def test_no_root_is_proposed_that_a_lost_key_would_have_to_sign(world: World) -> None:
    """Two of three sign root and one is lost: one that leaked goes as another comes, and that is what is told."""
    _lose(world, "ana")
    world.does("key revoke ana --lost --no-sign --yes")
    way = "rstuf recover root-key cleo --leaked --to NEW"
    refused = world.does("key revoke cleo --leaked --yes", codes=(1,)).err
    assert "without ana, which is lost" in refused
    assert way in " ".join(refused.split())
    assert _report_of(world, "cleo") == "leaked"
    assert _next(world)[0] == way
    _is_led_on(world)
    assert _roles_of(world, "cleo") == []


@online
def test_no_threshold_counts_on_a_lost_key(world: World) -> None:
    """Three of three cannot sign: it is refused, and what takes the lost key out goes on waiting."""
    _lose(world, "ana")
    world.does("key revoke ana --lost --no-sign --yes")
    refused = world.does("root update --threshold 3 --yes", codes=(1,)).err
    assert "rstuf recover root-key ana --lost --to NEW" in " ".join(refused.split())
    assert world.events() == {"root": "root-v2"}
    _is_led_on(world)
    assert _roles_of(world, "ana") == []


@online
def test_a_found_key_may_be_counted_on(world: World) -> None:
    """Whoever lets a key in that was lost says that it is found: nothing refuses that."""
    _lose(world, "ana")
    world.does("key revoke ana --lost --yes")
    world.does("root update --add ana --threshold 3 --yes", codes=(4,))
    assert "missing: ana, which is lost" in world.does("status").out


@people
def test_targets_that_a_lost_key_would_have_to_sign_come_in_two_steps(world: World) -> None:
    """Another key joins targets with signatures that can be made: where a lost one is needed for them, that is told."""
    _leave(world, "tim")
    world.does("renew --force targets", codes=(0,))
    (world.home / "tim.key").rename(world.home / "acme/keys/tim.key")
    _lose(world, "toby")
    world.does("key revoke toby --lost --no-sign --yes")
    refused = world.does("recover root-key tara --leaked --to dan --yes", codes=(1,)).err
    assert "first take it out: rstuf key revoke tara --leaked --targets-threshold 1" in " ".join(refused.split())
    world.does("key revoke tara --leaked --targets-threshold 1 --yes", codes=(0,))
    _is_led_on(world)


def _waits_for_vera(world: World, by: str) -> None:
    _lose(world, "vera")
    world.does("key revoke vera --lost --yes")
    if by == "leak":
        world.does("recover online-key online --leaked --unencrypted --yes")
    else:
        world.does(f"artifact add --prefix vendor {world.home / 'new'}")


@online
@pytest.mark.parametrize("by", ["leak", "artifact"])
def test_nobody_is_sent_to_who_lost_their_key(world: World, by: str) -> None:
    """What waits for them alone names the command that lets others sign, wherever it is told; and that leads on."""
    _waits_for_vera(world, by)
    way = "rstuf delegation update vendor --signer NEW"
    assert _next(world)[0] == way
    shown = world.does("event show vendor --json").document
    assert shown["next_steps"][0]["command"] == shown["instead"] == way
    assert "missing: vera, which is lost" in world.does("event show vendor").out
    assert way in [each.get("mend") for each in world.does("doctor --json", codes=(1,)).document["findings"]]
    told = world.does("renew" if by == "leak" else "publish")
    assert way in " ".join(told.err.split())
    assert "rstuf bundle export" not in told.out + told.err + " ".join(_next(world))
    _is_led_on(world)
    assert _roles_of(world, "vera") == []
    if by == "leak":
        assert _roles_of(world, "online") == []


@online
def test_who_is_lost_is_not_asked_where_others_suffice(world: World) -> None:
    """Of three root keys one is lost: the two that are left must both sign, and nobody reads that one will do."""
    _lose(world, "ana")
    world.does("key revoke ana --lost --no-sign --yes")
    _leave(world, "cleo")
    whys = {step["command"]: step["why"] for step in world.sees()["next_steps"]}
    assert whys == {"rstuf sign root-v2": "with ben and cleo, here"} or whys == {
        "rstuf sign root-v2": "with ben, here",
        "rstuf bundle export root-v2": "for cleo",
    }
    _leave(world, "ben")
    assert [step["why"] for step in world.sees()["next_steps"]] == ["for ben and cleo"]


@pytest.mark.parametrize(
    ("world", "name", "role", "way"),
    [
        ("online", "vera", "vendor", "rstuf delegation update vendor --signer NEW"),
        ("people", "vera", "vendor", "rstuf delegation update vendor --signer NEW"),
        ("people", "toby", "targets", "rstuf key revoke toby --lost --targets-threshold 1"),
    ],
    indirect=["world"],
)
def test_a_role_that_nobody_can_sign_is_due(world: World, name: str, role: str, way: str) -> None:
    """Monitoring, status and doctor say so long before clients fail, with the command by which others sign."""
    if name == "toby":
        world.does("key revoke tara --yes", codes=(0,))
    _lose(world, name)
    world.does(f"key revoke {name} --lost --yes", codes=(1, 4))
    seen = world.sees()
    (found,) = [each for each in seen["roles"] if each["name"] == role]
    assert (seen["state"], [seen["keys"][keyid] for keyid in found["keys_lost"]]) == ("due", [name])
    assert [(step["command"], step["by"]) for step in seen["next_steps"]] == [(way, found["expires"])]
    assert f"{role} cannot be signed" in world.does("status").out
    world.does("status --check", codes=(7,))
    codes = {each["code"]: each.get("mend") for each in world.does("doctor --json", codes=(1,)).document["findings"]}
    assert codes["keys-lost"] == way
    _is_led_on(world)


@people
def test_a_loss_that_is_refused_is_noted(world: World) -> None:
    """The second lost key of targets needs another threshold first: that it is lost is known all the same."""
    world.does("key revoke tara --yes", codes=(0,))
    _lose(world, "toby")
    refused = world.does("key revoke toby --lost --yes", codes=(1,)).err
    assert "noted that toby is lost" in refused
    assert _report_of(world, "toby") == "lost"


@online
def test_other_delegations_name_the_leak_that_they_leave(world: World) -> None:
    """What would take a leaked key out is dropped for them: that is said, with the command that does it now."""
    _leave(world, "vera")
    world.does("recover online-key online --leaked --unencrypted --yes", codes=(4,))
    done = world.does("delegation update vendor --signer dan --yes", codes=(4,))
    assert "online leaked, and may sign vsub yet; without vendor-v" in " ".join(done.err.split())
    assert "rstuf renew" in done.out
    world.does("renew")
    assert _roles_of(world, "online") == []


@people
def test_delegations_that_take_the_leak_out_themselves_name_none(world: World) -> None:
    """Another proposal that lets the leaked key sign no more, either, leaves nothing that the first would not."""
    _leave(world, "toby", "tim")
    world.does("key revoke uma --leaked --yes", codes=(4,))
    done = world.does("delegation update ops --signer dan --yes", codes=(4,))
    assert "it stays" not in done.err


@people
def test_a_role_that_is_left_to_a_leaked_key_says_so(world: World) -> None:
    """Before they sign, its people read in the next steps whom it lets sign on."""
    _leave(world, "toby", "tim")
    _lose(world, "uma")
    world.does("key revoke uma --lost --yes", codes=(4,))
    world.does("key revoke vera --leaked --yes", codes=(4,))
    (why,) = [step["why"] for step in world.sees()["next_steps"] if "bundle export" in step["command"]]
    assert why == "for toby or tim; it lets vera sign on, which leaked"


@online
def test_as_many_root_keys_as_must_sign_leaked(world: World) -> None:
    """The root that was in force counts: the one that came out for it no longer shows what a thief could have done."""
    world.does("key revoke ana --leaked --no-sign --yes", codes=(4,))
    done = world.does("key revoke ben --leaked --yes", codes=(0, 4))
    assert "ana and ben leaked, as many as must sign root" in " ".join(done.err.split())
    assert "rstuf recover root-keys" in done.out


@people
def test_no_delegation_counts_on_a_lost_key(world: World) -> None:
    """Two of two cannot sign where one is lost: it is refused with what lets another one in, and what waits goes on."""
    _leave(world, "toby", "tim")
    _lose(world, "uma")
    world.does("key revoke uma --lost --yes", codes=(4,))
    waits = world.events()
    refused = world.does("delegation update ops --threshold 2 --yes", codes=(1,)).err
    assert "without uma, which is lost, 1 would be left" in " ".join(refused.split())
    assert "rstuf delegation update ops --signer vera --signer NEW --threshold 2" in " ".join(refused.split())
    assert world.events() == waits
    world.does("delegation update ops --signer vera --signer dan --threshold 2 --yes", codes=(4,))


@online
def test_the_last_root_key_that_is_left_goes_as_another_comes(world: World) -> None:
    """One of two signs root: the other is lost, so the one that leaked is told to go with another in its place."""
    world.does("root update --remove cleo --threshold 1 --yes", codes=(0,))
    _lose(world, "ana")
    world.does("key revoke ana --lost --no-sign --yes", codes=(4,))
    way = "rstuf recover root-key ben --leaked --to NEW"
    assert way in " ".join(world.does("key revoke ben --leaked --yes", codes=(1,)).err.split())
    assert _next(world)[0] == way
    _is_led_on(world)
    assert _roles_of(world, "ben") == []


@online
def test_nobody_is_told_to_let_a_leaked_key_stay_for_a_lost_one(world: World) -> None:
    """Of two signers one is lost and one leaked: the command that lets others sign names neither."""
    world.does("delegation update ops --threshold 2 --yes", codes=(0,))
    _lose(world, "uma")
    world.does("key revoke uma --lost --yes", codes=(4,))
    assert _next(world) == ["rstuf delegation update ops --signer vera --signer NEW"]
    world.does("key revoke vera --leaked --yes", codes=(4,))
    assert not [command for command in _next(world) if "--signer vera" in command]
    _is_led_on(world)
    assert _roles_of(world, "vera") == []


@online
def test_a_proposed_root_that_needs_a_key_that_got_lost_gives_way(world: World) -> None:
    """Whoever was to be let in lost the key before: what waits for it names the command that drops it, and it goes."""
    _leave(world, "dan")
    world.does("root update --add dan --threshold 4 --yes", codes=(4,))
    world.does("key revoke dan --lost --yes", codes=(4,))
    assert _next(world) == ["rstuf event cancel root-v2"]
    _is_led_on(world)


@pytest.mark.parametrize("world", ["one of two"], indirect=True)
@pytest.mark.parametrize("others", [(), ("vera",)])
def test_a_root_that_leaves_a_role_to_a_lost_key_is_no_way_on(world: World, others: tuple[str, ...]) -> None:
    """It was proposed before that key was lost, too; what lets others sign is told, from the uppermost role on."""
    for name in ("toby", "tara", *others):
        _lose(world, name)
    assert world.does("key revoke toby --lost --no-sign --yes").code == 4
    for name in ("tara", *others):
        world.does(f"key revoke {name} --lost --yes", codes=(0, 1, 4))
    assert any(command.startswith("rstuf root update --role targets --add NEW") for command in _next(world))
    assert not any(command.startswith("rstuf delegation update") for command in _next(world))
    _is_led_on(world)
