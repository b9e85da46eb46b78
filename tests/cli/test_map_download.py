"""`rstuf download --map`: three workspaces behind web servers, of which some must agree; and what a person is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Shop, run, tree
from tests.cli.test_injection import assert_clean
from tests.support.clients import Client, mapping_site
from tests.support.plans import plan_text
from tests.support.servers import Site, serving

from rstuf_cli import prompts

NAMES = ("acme", "beta", "gamma")
GOOD, EVIL = b"firmware\n" * 100, b"firmwarf\n" * 100


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three workspaces, each after its own ceremony, that publish fw/app.bin; to copy."""
    home = tmp_path_factory.mktemp("three")
    (home / "app.bin").write_bytes(GOOD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompts, "person_is_there", lambda: False)
        for name in NAMES:
            (home / "plan.toml").write_text(plan_text(name=name, signers=("alice", "bob")))
            for argv in (
                ("ceremony", "--plan", home / "plan.toml"),
                ("artifact", "add", home / "app.bin", "--prefix", "fw/"),
            ):
                done = run("--repo", home / name, *argv, monkeypatch=patch)
                assert done.code == 0, done.err
    return home


@dataclass
class Three:
    """Shops of three publishers, all trusted, and the map of them."""

    shops: Mapping[str, Shop]
    cli: Cli

    def publish(self, name: str, path: str, content: bytes) -> None:
        """Let one of them sign a content."""
        file = self.shops[name].workspace.parent / "source" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        head = path.rpartition("/")[0]
        prefix = ("--prefix", f"{head}/") if head else ()
        done = self.cli("--repo", self.shops[name].workspace, "artifact", "add", file, "--replace", *prefix)
        assert done.code == 0, done.err
        self.shops[name].settle()

    def map(self, *argv: object, names: tuple[str, ...] = NAMES) -> None:
        """Add a mapping of these repositories."""
        named = [word for name in names for word in ("--repository", f"{name}={self.shops[name].url}")]
        more = ("--append",) if Path("map.json").exists() else ()
        done = self.cli("map", "make", "-o", "map.json", *named, *argv, *more, "--quiet")
        assert done.code == 0, done.err

    def stock(self, name: str, place: Path) -> Client:
        """A stock client of one of them."""
        shop = self.shops[name]
        return Client.fresh(place, mapping_site(shop.site.files), root=shop.root.read_bytes())


@pytest.fixture
def three(made: Path, cli: Cli, tmp_path: Path) -> Iterator[Three]:
    """The three shops, trusted; the test stands elsewhere."""
    shops = {}
    with ExitStack() as stack:
        for name in NAMES:
            shutil.copytree(made / name, tmp_path / name)
            site = Site()
            shops[name] = Shop(tmp_path / name, site, stack.enter_context(serving(site)))
            shops[name].settle()
            assert cli("trust", "add", name, shops[name].url, "--root", shops[name].root).code == 0
        yield Three(shops, cli)


def here() -> dict[str, str]:
    """What is in the current directory, but for the map."""
    return {name: data for name, data in tree(Path()).items() if not name.endswith(".json")}


def test_what_two_of_three_agree_on(three: Three, cli: Cli, tmp_path: Path) -> None:
    """A stock client of each of them finds the same; with a map it is taken once, and that is all there is to say."""
    for name in NAMES:
        client = three.stock(name, tmp_path / "stock" / name)
        client.refresh()
        assert client.download("fw/app.bin") == GOOD
    three.map("--threshold", 2)
    done = cli("download", "fw/app.bin", "--map", "map.json")
    assert (done.code, done.err) == (0, "")
    assert done.out == "✓ fw/app.bin    900 B  downloaded, signatures and hash verified; acme and beta agree\n"
    assert Path("fw/app.bin").read_bytes() == GOOD
    assert not three.shops["gamma"].site.asked
    again = cli("download", "fw/app.bin", "--map", "map.json")
    assert again.out == "✓ fw/app.bin    900 B  already here, verified\n"


def test_one_that_lies(three: Three, cli: Cli, tmp_path: Path) -> None:
    """A publisher whose keys were stolen signs another content, rightly: the two others agree, and it is told of."""
    three.publish("acme", "fw/app.bin", EVIL)
    client = three.stock("acme", tmp_path / "stock")
    client.refresh()
    assert client.download("fw/app.bin") == EVIL
    three.map("--threshold", 2)
    done = cli("download", "fw/app.bin", "--map", "map.json")
    assert (done.code, Path("fw/app.bin").read_bytes()) == (0, GOOD)
    assert done.out.endswith("; beta and gamma agree\n")
    assert done.err.startswith("! acme signs another content of fw/app.bin: 900 B, sha256 ")
    assert done.err.endswith("; taken is that of beta and gamma\n")
    document = cli("download", "fw/app.bin", "--map", "map.json", "--json").document
    (taken,) = document["downloads"]
    assert (taken["agreed"], taken["mapping"]) == (["beta", "gamma"], 1)
    assert [each["repository"] for each in taken["said"]] == ["acme", "beta", "gamma"]
    assert taken["said"][0]["hashes"] != taken["hashes"] == taken["said"][1]["hashes"]


def test_one_that_is_down(three: Three, cli: Cli) -> None:
    """It is left out, which is said; in the document, too, and there alone."""
    three.shops["acme"].site.manners[None] = lambda asked: asked.send(500)
    three.map("--threshold", 2)
    done = cli("download", "fw/app.bin", "--map", "map.json")
    assert (done.code, Path("fw/app.bin").read_bytes()) == (0, GOOD)
    assert done.err.startswith("! acme was left out: cannot read http://127.0.0.1:")
    as_data = cli("download", "fw/app.bin", "--map", "map.json", "--json")
    assert as_data.err == ""
    assert as_data.document["downloads"][0]["said"][0]["code"] == "storage-error"
    assert [each["name"] for each in as_data.document["repositories"]] == ["beta", "gamma"]


def test_one_that_has_expired(three: Three, cli: Cli, later: Callable[[timedelta], None]) -> None:
    """The others were renewed: they agree, and the clock is not blamed."""
    later(timedelta(days=20))
    for name in ("beta", "gamma"):
        assert cli("--repo", three.shops[name].workspace, "renew").code == 0
        three.shops[name].settle()
    three.map("--threshold", 2)
    done = cli("download", "fw/app.bin", "--map", "map.json")
    assert (done.code, Path("fw/app.bin").read_bytes()) == (0, GOOD)
    assert done.err.startswith("! acme was left out: timestamp of acme expired 6 days ago")


def test_too_few_agree(three: Three, cli: Cli) -> None:
    """Exit 3, and who said what; nothing is there."""
    three.publish("acme", "fw/app.bin", EVIL)
    three.map()
    done = cli("download", "fw/app.bin", "--map", "map.json")
    assert (done.code, done.out, here()) == (3, "", {})
    lines = done.err.splitlines()
    assert lines[0] == (
        "error: too few repositories say the same of fw/app.bin: mapping 1 needs 3 of acme, beta and gamma"
    )
    assert [line.split()[:3] for line in lines[1:4]] == [[name, "900", "B,"] for name in NAMES]
    assert lines[4] == "hint:  take it from nowhere else either; ask their publishers which of them is right"
    error = cli("download", "fw/app.bin", "--map", "map.json", "--json").document["error"]
    assert (error["code"], error["path"], len(error["said"])) == ("not-agreed", "fw/app.bin", 3)


def test_too_few_can_be_reached(three: Three, cli: Cli) -> None:
    """Exit 6: the same command may do later."""
    for name in ("acme", "beta"):
        three.shops[name].site.manners[None] = lambda asked: asked.send(500)
    three.map("--threshold", 2)
    done = cli("download", "fw/app.bin", "--map", "map.json")
    assert (done.code, done.out, here()) == (6, "", {})
    assert "error: cannot look up fw/app.bin: too few repositories could be reached: mapping 1 needs 2 of" in done.err
    error = cli("download", "fw/app.bin", "--map", "map.json", "--json").document["error"]
    assert (error["code"], [each.get("code") for each in error["said"]]) == (
        "too-few-reached",
        ["storage-error", "storage-error", None],
    )


def test_not_everywhere_yet(three: Three, cli: Cli) -> None:
    """An artifact that only one of two has published so far is not taken, and no alarm is raised."""
    three.publish("acme", "new.bin", GOOD)
    three.map(names=("acme", "beta"))
    done = cli("download", "new.bin", "--map", "map.json")
    assert (done.code, here()) == (3, {})
    assert "beta  signs no such path" in done.err
    assert "it may not have reached all of them yet" in done.err


def test_mappings_in_their_order(three: Three, cli: Cli) -> None:
    """Private artifacts from one, everything else from another, as in TAP 4's second use case."""
    three.publish("acme", "secret.bin", GOOD)
    three.publish("gamma", "secret.bin", EVIL)
    three.map("--path", "secret*", names=("acme",))
    three.map(names=("gamma",))
    done = cli("download", "secret.bin", "fw/app.bin", "--map", "map.json")
    assert done.code == 0, done.err
    assert Path("secret.bin").read_bytes() == GOOD
    lines = done.out.splitlines()
    assert lines[0].endswith("verified, by acme")
    assert lines[1].endswith("verified, by gamma")
    assert not three.shops["beta"].site.asked


def test_a_mapping_that_lets_the_next_one_decide(three: Three, cli: Cli) -> None:
    """What the first one heard is told, since the second one is content with fewer."""
    three.publish("acme", "fw/app.bin", EVIL)
    three.map("--not-terminating", names=("acme", "beta"))
    three.map(names=("gamma",))
    done = cli("download", "fw/app.bin", "--map", "map.json")
    assert (done.code, Path("fw/app.bin").read_bytes()) == (0, GOOD)
    assert [line.split()[1] for line in done.err.splitlines()] == ["acme", "beta"]


def test_a_workspace_under_two_names(three: Three, cli: Cli) -> None:
    """Copied to another server and pinned once more, it is the same repository: two names make no two voices."""
    shop = three.shops["acme"]
    with serving(Site(dict(shop.site.files))) as url:
        assert cli("trust", "add", "twin", url, "--root", shop.root).code == 0
        cli("map", "make", "-o", "map.json", "--repository", f"acme={shop.url}", "--repository", f"twin={url}")
        done = cli("download", "fw/app.bin", "--map", "map.json")
    assert (done.code, here()) == (3, {})
    assert "; it is the repository acme, and counts once" in done.err


def test_a_content_that_is_missing(three: Three, cli: Cli) -> None:
    """Another one of those who agree has it; which did not is told, and it is the file that was signed."""
    shop = three.shops["acme"]
    del shop.site.files[next(name for name in shop.site.files if name.endswith(".app.bin"))]
    three.map("--threshold", 2)
    done = cli("download", "fw/app.bin", "--map", "map.json")
    assert (done.code, Path("fw/app.bin").read_bytes()) == (0, GOOD)
    assert done.err.startswith("! acme was left out: cannot read http://")
    Path("fw/app.bin").unlink()
    document = cli("download", "fw/app.bin", "--map", "map.json", "--json").document
    assert (document["downloads"][0]["from"], document["left_out"][0]["repository"]) == ("beta", "acme")


def test_to_stdout(three: Three, cli: Cli) -> None:
    """The bytes alone, verified before the first one."""
    three.publish("acme", "fw/app.bin", EVIL)
    three.map("--threshold", 2)
    done = cli("download", "fw/app.bin", "--map", "map.json", "-o", "-")
    assert (done.code, done.out_bytes, here()) == (0, GOOD, {})
    assert done.err.startswith("! acme signs another content")


def test_a_failure_in_the_middle_keeps_what_is_done(three: Three, cli: Cli) -> None:
    """Files that are complete stay and are told of, with all that is to be said of repositories."""
    three.publish("acme", "fw/app.bin", EVIL)
    for name in ("beta", "gamma"):
        three.publish(name, "b.bin", GOOD)
        files = three.shops[name].site.files
        del files[next(each for each in files if each.endswith(".b.bin"))]
    three.map("--threshold", 2)
    done = cli("download", "fw/app.bin", "b.bin", "--map", "map.json")
    assert (done.code, set(here())) == (6, {"fw/app.bin"})
    assert "! acme signs another content of fw/app.bin" in done.err
    assert "kept:  1 file complete" in done.err


def test_what_repositories_say_is_escaped(three: Three, cli: Cli) -> None:
    """A server's own words reach the terminal in no other form than those of one repository alone do."""
    evil = json.dumps({"signed": {"_type": "\x1b[31m", "version": "\u202e", "expires": "\x07"}, "signatures": []})
    three.shops["acme"].site.files["timestamp.json"] = evil.encode()
    three.map("--threshold", 2)
    for form in ((), ("--json",), ("-v", "-v")):
        done = cli("download", "fw/app.bin", "--map", "map.json", *form)
        assert done.code == 0
        assert_clean(done)
