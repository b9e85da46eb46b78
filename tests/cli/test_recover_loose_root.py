"""`recover loose-root`: a root that was proposed here and that somebody published is taken over, and clients come back.

Each way begins where the signatures of it are in somebody's hands, and is walked by what is told next.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tests.cli.conftest import PLAN, Cli, elsewhere, tree
from tests.cli.test_key_rotate import keys_of
from tests.cli.test_leaked_keys import commands, problems
from tests.cli.test_loose_roots import signed_by, thief_signs
from tests.cli.test_recover_keys import new_client
from tests.support.clients import Client
from tests.support.thieves import FARTHEST

from rstuf.metadata.canonical import canonical, compact

TAKE = "rstuf recover loose-root"
GOOD, EVIL = b"alpha\n", b"evil!\n"


@pytest.fixture
def stocked(team: Path, cli: Cli, tmp_path: Path) -> Path:
    """A workspace whose root two of three must sign, only alice of them here; a.txt is published."""
    (tmp_path / "a.txt").write_bytes(GOOD)
    assert cli("artifact", "add", tmp_path / "a.txt").code == 0
    return team


def publishes(workspace: Path, tmp_path: Path, event: str = "root-v2") -> None:
    """Somebody has what bob signed on his machine, and what was signed here, and can write into metadata/."""
    data = thief_signs(workspace, event, tmp_path / "bob/bob.key")
    (workspace / f"metadata/{event.removeprefix('root-v')}.root.json").write_bytes(data)


def takes_all(workspace: Path, key: str, version: int = FARTHEST) -> None:
    """Whoever has an online key shows other contents, at versions far ahead or at those that are there (0)."""
    signer = CryptoSigner(load_pem_private_key((workspace / f"keys/{key}.key").read_bytes(), None))
    keyid, metadata = signer.public_key.keyid, workspace / "metadata"

    def read(name: str) -> dict[str, object]:
        signed = json.loads((metadata / name).read_bytes())["signed"]
        return {**signed, "version": version or signed["version"]}

    def put(name: str, signed: dict[str, object]) -> bytes:
        sig = signer.sign(canonical(compact(signed))).signature
        data = json.dumps({"signatures": [{"keyid": keyid, "sig": sig}], "signed": signed}).encode()
        (metadata / name).write_bytes(data)
        return data

    timestamp = read("timestamp.json")
    snapshot = read(f"{timestamp['meta']['snapshot.json']['version']}.snapshot.json")
    for name, meta in snapshot["meta"].items():
        signed = read(f"{meta['version']}.{name}")
        for entry in signed["targets"].values():
            digest = hashlib.sha256(EVIL).hexdigest()
            entry |= {"length": len(EVIL), "hashes": {"sha256": digest}}
            (workspace / f"targets/{digest}.a.txt").write_bytes(EVIL)
        if "delegations" in signed:
            signed["delegations"]["keys"] = {keyid: signer.public_key.to_dict()}
            signed["delegations"]["succinct_roles"]["keyids"] = [keyid]
        if name != "targets.json" or version:
            put(f"{version or meta['version']}.{name}", signed)
        meta |= {"version": version or meta["version"]}
    if version:
        data = put(f"{version}.snapshot.json", snapshot)
        hashes = {"sha256": hashlib.sha256(data).hexdigest()}
        timestamp["meta"] = {"snapshot.json": {"version": version, "length": len(data), "hashes": hashes}}
        put("timestamp.json", timestamp)


def sees(client: Client, memory: Path) -> bytes:
    """What a client of that memory finds now."""
    later = client.copy(memory)
    later.refresh()
    later.walk()
    return later.download("a.txt")


def drop_rotation(cli: Cli) -> None:
    """Let root-v2, which names online-2 alone, be signed by alice, and cancel it."""
    assert cli("key", "rotate", "online", "--unencrypted", "--yes").code == 4
    assert cli("event", "cancel", "root-v2", "--yes").code == 0


def refuses_the_rest(workspace: Path, cli: Cli, tmp_path: Path) -> None:
    """Every face names the way on, and nothing else goes on beside it."""
    assert commands(cli("status", "--json")) == [TAKE, "put back the newest copy"]
    assert cli("status", "--check").code == 8
    audit = cli("verify", "--json")
    assert (audit.code, "loose-root-out" in {each["code"] for each in audit.document["problems"]}) == (3, True)
    assert problems(cli)["loose-root-out"] == f"{TAKE}; or put back the newest copy"
    before = tree(workspace)
    for command in (
        ("renew", "--force", "root"),
        ("publish",),
        ("artifact", "add", tmp_path / "a.txt"),
        ("root", "update", "--threshold", "1", "--yes"),
        ("key", "rotate", "online", "--unencrypted", "--yes"),
        ("recover", "online-key", "online", "--leaked", "--unencrypted", "--yes"),
        ("recover", "copy", "--yes"),
        ("recover", "metadata", "--yes"),
        ("recover", "root-keys", "--out", tmp_path / "root.json"),
    ):
        done = cli(*command)
        assert (done.code, TAKE in done.err) == (1, True), done.err
    assert cli("recover", "loose-root").code == 2
    assert tree(workspace) == before


@pytest.mark.parametrize("much", ["root alone", "everything"])
def test_a_root_that_lets_a_leaked_key_in(
    stocked: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, much: str
) -> None:
    """It is taken over with all that is known; then the leaked key goes, and every client finds what is good."""
    warm = new_client(stocked, tmp_path / "warm")
    assert sees(warm, tmp_path / "at first") == GOOD
    drop_rotation(cli)
    assert cli("key", "revoke", "online-2", "--leaked", "--yes").code == 0
    publishes(stocked, tmp_path)
    followed = warm.copy(tmp_path / "followed")
    if much == "everything":
        takes_all(stocked, "online-2")
        assert followed.refresh().timestamp == FARTHEST
        assert followed.download("a.txt") == EVIL
    else:
        with pytest.raises(Exception, match="timestamp was signed by 0/1 keys"):
            followed.refresh()
    refuses_the_rest(stocked, cli, tmp_path)
    done = cli("recover", "loose-root", "--yes")
    assert done.code == 4, done.err
    told = " ".join((done.out + done.err).split())
    assert "root v2 is published, and not by this state: it is root-v2, which was cancelled here" in told
    assert "alice and bob signed it; whoever had their signatures could publish it" in told
    assert "it lets online-2 sign, which leaked" in told
    way = "rstuf recover online-key online-2 --leaked"
    assert (commands(cli("status", "--json")), problems(cli)["leaked-key"]) == ([way], way)
    assert cli("key", "show", "online-2", "--json").document["report"]["loss"] == "leaked"
    again = cli("recover", "loose-root", "--yes")
    assert (again.code, "this state knows every root that is published" in again.err) == (1, True)
    assert cli(*way.split()[1:], "--unencrypted", "--yes").code == 4
    assert commands(cli("status", "--json")) == ["rstuf bundle export root-v3"]
    assert signed_by(cli, tmp_path, monkeypatch, "bob") == 0
    for number, client in enumerate((warm, followed, new_client(stocked, tmp_path / "new"))):
        assert sees(client, tmp_path / f"in the end {number}") == GOOD
    assert (cli("status", "--check").code, problems(cli), cli("verify", "--full").code) == (0, {}, 0)
    assert (keys_of(cli)["online"], keys_of(cli)["online-2"]) == ([], [])
    assert cli("log", "--verify").code == 0


def test_a_renewal_that_takes_the_number_of_a_recovery(
    stocked: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was to take a leaked key out is proposed anew over it; who signed in vain is told, the bins are yours."""
    warm = new_client(stocked, tmp_path / "warm")
    assert sees(warm, tmp_path / "at first") == GOOD
    assert cli("renew", "--force", "root").code == 4
    data = thief_signs(stocked, "root-v2", tmp_path / "bob/bob.key")
    assert cli("recover", "online-key", "online", "--leaked", "--unencrypted", "--yes").code == 4
    (stocked / "metadata/2.root.json").write_bytes(data)
    takes_all(stocked, "online", version=0)
    assert new_client(stocked, tmp_path / "theirs").refresh().root == 2
    assert cli("bundle", "export", "root-v2", "-o", tmp_path / "root-v2.rstuf").code == 0
    kept = cli("bundle", "import", elsewhere(tmp_path, "bob", tmp_path / "root-v2.rstuf", monkeypatch))
    assert (kept.code, TAKE in kept.err) == (1, True), kept.err
    (tmp_path / "bob/root-v2.sig").unlink()
    again = cli("sign", "--yes")
    assert (again.code, TAKE in again.err) == (1, True), again.err
    done = cli("recover", "loose-root", "--yes", "--json")
    assert (done.code, done.document["waiting"]) == (4, ["root-v3"]), done.err
    assert [(each["event"], sorted(each["signed"])) for each in done.document["dropped"]] == [
        ("root-v2", ["alice", "bob"])
    ]
    assert commands(done) == ["rstuf renew --force bins", "rstuf sign root-v3", "rstuf bundle export root-v3"]
    assert cli("renew", "--force", "bins").code == 0
    assert cli("sign", "root-v3", "--yes").code == 4
    assert signed_by(cli, tmp_path, monkeypatch, "bob") == 0
    for client in (warm, new_client(stocked, tmp_path / "new")):
        assert sees(client, tmp_path / "in the end") == GOOD
    assert (cli("status", "--check").code, problems(cli), cli("verify", "--full").code) == (0, {}, 0)
    assert keys_of(cli)["online"] == []


def test_the_next_key_leaked_as_well(stocked: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recovery that waits goes on over a root that names a third key, which leaked: that goes instead."""
    warm = new_client(stocked, tmp_path / "warm")
    drop_rotation(cli)
    assert cli("key", "revoke", "online-2", "--leaked", "--yes").code == 0
    data = thief_signs(stocked, "root-v2", tmp_path / "bob/bob.key")
    assert cli("recover", "online-key", "online", "--leaked", "--unencrypted", "--yes").code == 4
    (stocked / "metadata/2.root.json").write_bytes(data)
    takes_all(stocked, "online-2")
    followed = warm.copy(tmp_path / "followed")
    followed.refresh()
    assert followed.download("a.txt") == EVIL
    done = cli("recover", "loose-root", "--yes", "--json")
    assert (done.code, done.document["waiting"]) == (4, ["root-v3"]), done.err
    assert (done.document["leaks"][0]["key"], done.document["leaves"]) == ("online-2", [])
    assert commands(done) == ["rstuf sign root-v3", "rstuf bundle export root-v3"]
    assert cli("sign", "root-v3", "--yes").code == 4
    assert signed_by(cli, tmp_path, monkeypatch, "bob") == 0
    for client in (warm, followed, new_client(stocked, tmp_path / "new")):
        assert sees(client, tmp_path / f"in the end {client.memory.name}") == GOOD
    assert (cli("status", "--check").code, problems(cli)) == (0, {})
    assert (keys_of(cli)["online"], keys_of(cli)["online-2"], len(keys_of(cli)["online-3"])) == ([], [], 4)


@pytest.mark.parametrize("how", ["cancelled", "open"])
def test_a_rotation_that_somebody_publishes(stocked: Path, cli: Cli, tmp_path: Path, how: str) -> None:
    """With a key that is well all is signed anew at once where it was cancelled; where it waits, it just goes on."""
    warm = new_client(stocked, tmp_path / "warm")
    assert sees(warm, tmp_path / "at first") == GOOD
    if how == "cancelled":
        drop_rotation(cli)
    else:
        assert cli("key", "rotate", "online", "--unencrypted", "--overlap", "1s", "--yes").code == 4
    publishes(stocked, tmp_path)
    done = cli("recover", "loose-root", "--yes", "--json")
    assert (done.document["dropped"], done.document["obstacle"]) == ([], None), done.err
    for client in (warm, new_client(stocked, tmp_path / "new")):
        assert sees(client, tmp_path / "between") == GOOD
    for command in commands(done):
        assert cli(*command.split()[1:]).code == 0
    while keys_of(cli)["online"]:
        assert cli("renew").code == 0
    assert (cli("status", "--check").code, problems(cli), cli("verify").code) == (0, {}, 0)
    for client in (warm, new_client(stocked, tmp_path / "newest")):
        assert sees(client, tmp_path / "in the end") == GOOD


def test_an_update_that_waits_is_published_by_somebody(stocked: Path, cli: Cli, tmp_path: Path) -> None:
    """It is done with that; what else was to change, proposed over it or not, is as it was."""
    assert cli("key", "generate", "dave", "--unencrypted").code == 0
    assert cli("root", "update", "--add", "dave", "--yes").code == 4
    publishes(stocked, tmp_path)
    assert cli("recover", "loose-root", "--yes").code == 0
    assert (keys_of(cli)["dave"], cli("event", "list", "--json").document["events"]) == (["root"], [])
    assert (cli("status", "--check").code, problems(cli), cli("verify").code) == (0, {}, 0)
    assert cli("log", "--verify").code == 0
    assert "taken over as somebody published it" in cli("log").out
    assert sees(new_client(stocked, tmp_path / "new"), tmp_path / "in the end") == GOOD


def test_what_another_update_was_to_change_is_told(stocked: Path, cli: Cli, tmp_path: Path) -> None:
    """It waited over the root before: the command that proposes it again is said, and works."""
    assert cli("key", "generate", "dave", "--unencrypted").code == 0
    assert cli("renew", "--force", "root").code == 4
    data = thief_signs(stocked, "root-v2", tmp_path / "bob/bob.key")
    assert cli("root", "update", "--add", "dave", "--yes").code == 4
    (stocked / "metadata/2.root.json").write_bytes(data)
    done = cli("recover", "loose-root", "--yes", "--json")
    [dropped] = done.document["dropped"]
    assert (dropped["event"], sorted(dropped["signed"]), dropped["why"]) == ("root-v2", ["alice", "dave"], "outrun")
    assert dropped["propose_again"] == ["rstuf root update --add dave"]
    assert cli(*dropped["propose_again"][0].split()[1:], "--yes").code == 4
    assert [each["name"] for each in cli("event", "list", "--json").document["events"]] == ["root-v3"]


def test_other_people_for_targets(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where targets does not verify from it, that waits for those whom it names; then clients go on."""
    plan, place = tmp_path / "plan.toml", tmp_path / "shop"
    plan.write_text(
        PLAN + '[targets]\nthreshold = 1\nsigners = ["carol"]\n\n[keys.carol]\ngenerate = "ed25519"\n'
        'encrypt = false\nsigner = "file:keys/carol.key"\n'
    )
    assert cli("--repo", place, "ceremony", "--plan", plan).code == 0
    monkeypatch.chdir(place)
    (tmp_path / "a.txt").write_bytes(GOOD)
    assert cli("artifact", "add", tmp_path / "a.txt").code == 0
    warm = new_client(place, tmp_path / "warm")
    assert sees(warm, tmp_path / "at first") == GOOD
    assert cli("key", "generate", "dave", "--unencrypted").code == 0
    (place / "keys/dave.key").rename(tmp_path / "dave.key")
    update = ("root", "update", "--role", "targets", "--add", "dave", "--threshold", "2", "--yes")
    assert cli(*update).code == 4
    assert cli("event", "cancel", "root-v2", "--yes").code == 0
    (place / "metadata/2.root.json").write_bytes(thief_signs(place, "root-v2"))
    done = cli("recover", "loose-root", "--yes", "--json")
    assert (done.code, len(done.document["waiting"])) == (4, 1), done.err
    with pytest.raises(Exception, match="targets was signed by 1/2 keys"):
        sees(warm, tmp_path / "between")
    (tmp_path / "dave.key").rename(place / "keys/dave.key")
    [step] = commands(cli("status", "--json"))
    assert cli(*step.split()[1:], "--yes").code == 0
    for client in (warm, new_client(place, tmp_path / "new")):
        assert sees(client, tmp_path / "in the end") == GOOD
    assert (cli("status", "--check").code, problems(cli)) == (0, {})


def test_another_copy_of_the_workspace_published_it(
    filled: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And went on from there: below what that has signed nothing is published, whatever is taken over."""
    (filled / "keys/alice.key").rename(tmp_path / "alice.key")
    (filled / "keys/bob.key").rename(tmp_path / "bob.key")
    assert cli("recover", "online-key", "online", "--leaked", "--unencrypted", "--yes").code == 4
    place = tmp_path / "copy"
    shutil.copytree(filled, place)
    (tmp_path / "alice.key").rename(filled / "keys/alice.key")
    assert cli("sign", "root-v2", "--yes").code == 0
    (tmp_path / "c.txt").write_bytes(b"later\n")
    assert cli("artifact", "add", tmp_path / "c.txt").code == 0
    shutil.rmtree(place / "metadata")
    shutil.copytree(filled / "metadata", place / "metadata")
    monkeypatch.chdir(place)
    served = tree(place / "metadata")
    assert commands(cli("status", "--json")) == [TAKE, "put back the newest copy"]
    done = cli("recover", "loose-root", "--yes", "--json")
    assert (done.code, done.document["obstacle"]["code"]) == (4, "state-behind"), done.err
    for command in (("renew",), ("publish",), ("renew", "--force", "timestamp"), ("sign", "--yes")):
        kept = cli(*command)
        assert (kept.code, "is published and this state knows only" in kept.err) == (1, True), kept.err
    assert tree(place / "metadata") == served
    assert commands(cli("status", "--json"))[0] == "put back the newest copy"
