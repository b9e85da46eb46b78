"""A workspace that is served as it lies, or in part: what its clients and its publisher are told about it."""

from __future__ import annotations

import hashlib
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import PLAN, Cli, Shop, tree
from tests.support.servers import Asked, running

from rstuf_cli.console import width_of

Serve = Callable[[Path], str]


class Quiet(SimpleHTTPRequestHandler):
    """What `python3 -m http.server` answers with, without a word."""

    def log_message(self, *_: object) -> None:
        return


def serving(directory: Path) -> AbstractContextManager[str]:
    return running(ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory))))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves a directory until the end of the test; its URL."""
    with ExitStack() as servers:
        yield lambda directory: servers.enter_context(serving(directory))


@pytest.fixture
def shared(filled: Path, tmp_path: Path) -> Path:
    """What should be served of a workspace, and nothing else of it."""
    for name in ("metadata", "targets"):
        shutil.copytree(filled / name, tmp_path / "shared" / name)
    return tmp_path / "shared"


def fingerprint(workspace: Path) -> str:
    return hashlib.sha256((workspace / "metadata" / "1.root.json").read_bytes()).hexdigest()


def codes(document: dict[str, Any]) -> list[str]:
    return [problem["code"] for problem in document["problems"]]


# --- the client ------------------------------------------------------------------------------------------


def test_a_workspace_as_it_lies(cli: Cli, filled: Path, serve: Serve, tmp_path: Path) -> None:
    """Its metadata/ is trusted, and contents are found in the targets/ beside it."""
    url = serve(filled)
    added = cli("trust", "add", "acme", f"{url}metadata/", "--fingerprint", fingerprint(filled))
    assert (added.code, f"  contents     {url}targets/\n" in added.out) == (0, True), added.err
    assert cli("download", "a.txt", "--dir", tmp_path / "got").code == 0
    assert (tmp_path / "got" / "a.txt").read_bytes() == b"alpha\n"


def test_one_level_too_high(cli: Cli, filled: Path, serve: Serve, tmp_path: Path) -> None:
    """Where no root is found, the hint names the place that is more likely, and that is not asked for anything."""
    url = serve(filled)
    done = cli("trust", "add", "acme", url, "--fingerprint", fingerprint(filled))
    assert (done.code, done.out) == (6, "")
    assert done.err.endswith(f"hint:  is metadata one level further down? Then its place is {url}metadata/\n")
    below = cli("trust", "add", "acme", f"{url}metadata/metadata", "--fingerprint", fingerprint(filled))
    assert (below.code, "one level further down" in below.err) == (6, False)
    cli("trust", "add", "acme", url, "--root", filled / "metadata" / "1.root.json")
    looked = cli("download", "a.txt")
    assert (looked.code, f"Then its place is {url}metadata/\n" in looked.err) == (6, True)


def test_a_directory_one_level_too_high(cli: Cli, filled: Path) -> None:
    """The same of a directory."""
    done = cli("trust", "add", "acme", filled, "--fingerprint", fingerprint(filled))
    assert (done.code, f"Then its place is {filled}/metadata/\n" in done.err) == (6, True)


def test_the_same_pin_elsewhere(cli: Cli, shop: Shop, tmp_path: Path) -> None:
    """For a trusted name the URLs alone are changed: no root is asked for, nothing is fetched, and the pin stays."""
    cli("trust", "add", "acme", f"{shop.url}old", "--root", shop.root, "--plain-names")
    pinned = cli("trust", "show", "acme", "--json").document
    done = cli("trust", "add", "acme", shop.url)
    assert (done.code, done.err, shop.site.asked) == (0, "", [])
    assert done.out.splitlines() == [
        "✓ acme is looked for elsewhere now; root version 1 stays what it is trusted by",
        "",
        f"  metadata  {shop.url}old/",
        f"    → metadata  {shop.url}",
        f"  contents  {shop.url}old/targets/",
        f"    → contents  {shop.url}targets/",
    ]
    after = cli("trust", "show", "acme", "--json").document
    assert after == {**pinned, "url": shop.url, "artifacts": f"{shop.url}targets/"}
    again = cli("trust", "add", "acme", shop.url, "--json").document
    assert again == {**after, "changed": []}
    moved = cli("trust", "add", "acme", shop.url, "--artifacts", tmp_path, "--json").document
    assert (moved["artifacts"], moved["changed"]) == (f"{tmp_path}/", ["artifacts"])


def test_contents_that_are_elsewhere(cli: Cli, shop: Shop, tmp_path: Path) -> None:
    """Whoever is told that contents are not there can type what the hint says."""
    missing = f"{shop.url}nowhere/"
    cli("trust", "add", "acme", shop.url, "--root", shop.root, "--artifacts", missing)
    done = cli("download", "a.txt")
    assert (done.code, f"its content is not below {missing}" in done.err) == (6, True)
    command = f"rstuf trust add acme {shop.url} --artifacts URL, or without --artifacts for {shop.url}targets/"
    assert done.err.endswith(f"{command}\n")
    assert cli("trust", "add", "acme", shop.url).code == 0
    assert cli("download", "a.txt", "--dir", tmp_path / "got").code == 0


def test_another_repository_at_the_new_place(cli: Cli, shop: Shop, made_once: Path) -> None:
    """A name that is looked for at somebody else's place is still verified from its own root."""
    cli("trust", "add", "acme", shop.url, "--root", shop.root)
    # The same workspace before anything was added has an older timestamp.
    assert cli("download", "a.txt").code == 0
    assert cli("trust", "add", "acme", made_once / "metadata").code == 0
    done = cli("download", "a.txt", "--force")
    assert (done.code, "(rollback)" in done.err) == (3, True)


def test_a_new_name_needs_a_root(cli: Cli, shop: Shop) -> None:
    """That another name is trusted opens nothing for a new one, and a root to fetch is still to be proven."""
    cli("trust", "add", "acme", shop.url, "--root", shop.root)
    for argv in (["acne", shop.url], ["acme", shop.url, "--root-version", 1]):
        done = cli("trust", "add", *argv)
        assert (done.code, "nothing says which root to trust" in done.err) == (2, True)


# --- the publisher ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "served", "url"),
    [
        ("", "metadata/ at URL/metadata/ and targets/ at URL/targets/", "URL/metadata/"),
        ('metadata = "public"\nartifacts = "public/targets"', "public/ at URL/", "URL/"),
        ('metadata = "public"\nartifacts = "public/all/"', "public/ at URL/", "URL/ --artifacts URL/all/"),
        ('metadata = "tuf/"\nartifacts = "files"', "tuf/ at URL/metadata/ and files/ at URL/targets/", "URL/metadata/"),
        ('artifacts = ""', "metadata/ at URL/metadata/", "URL/metadata/ --artifacts URL"),
    ],
)
def test_the_ceremony_leads_on(places: str, served: str, url: str, cli: Cli, tmp_path: Path) -> None:
    """It ends with what to serve, by the plan's places, and with what a client types then."""
    (tmp_path / "plan.toml").write_text(PLAN.replace('name = "acme"', f'name = "acme"\n{places}'))
    done = cli("ceremony", "--plan", tmp_path / "plan.toml")
    assert done.code == 0, done.err
    root = next(Path().glob("*/1.root.json"))
    lines = done.out.splitlines()
    assert lines[-4] == f"  serve {served}, and nothing else of this directory: keys/ lies there too. A client types"
    assert lines[-3:] == [
        f"    rstuf trust add NAME {url} --fingerprint \\",
        f"      {hashlib.sha256(root.read_bytes()).hexdigest()}",
        "    rstuf download PATH",
    ]


def test_the_fingerprint_is_found_again(cli: Cli, filled: Path) -> None:
    """`rstuf status` has that of root v1 in one line, after root was renewed too, and in its document."""
    assert cli("renew", "--force", "root").code == 0
    shown = cli("status").out.splitlines()
    assert f"  root v1 is {fingerprint(filled)}" in shown
    assert max(map(width_of, shown)) <= 80
    assert cli("status", "--json").document["root"] == {"version": 1, "sha256": fingerprint(filled)}


@pytest.mark.parametrize("place", ["url", "directory"])
def test_what_should_be_served(place: str, cli: Cli, shared: Path, serve: Serve) -> None:
    """Metadata, contents and nothing else: nothing is wrong, in whichever way they are given away."""
    at = f"{serve(shared)}metadata/" if place == "url" else shared / "metadata"
    done = cli("verify", "--url", at, "--full")
    assert (done.code, done.err) == (0, ""), done.out
    assert "2 read and hashed" in done.out
    asked = "✓ served      no keys/, state.db or rstuf.toml is there for whoever asks" in done.out
    assert asked == (place == "url")


def test_a_directory_is_not_what_is_served(cli: Cli, filled: Path) -> None:
    """What lies beside metadata on a disk is given to nobody by that."""
    done = cli("verify", "--url", filled / "metadata", "--json")
    assert (done.code, codes(done.document)) == (0, [])


def test_what_must_never_be_served(cli: Cli, filled: Path, serve: Serve) -> None:
    """Keys, state and configuration above a served metadata/ are a problem each, which names them."""
    base = serve(filled)
    before = tree(filled)
    done = cli("verify", "--url", f"{base}metadata/", "--json")
    assert (done.code, codes(done.document)) == (3, ["served-workspace"] * 3)
    for name, problem in zip(("keys/", "state.db", "rstuf.toml"), done.document["problems"], strict=True):
        assert problem["message"].startswith(
            f"{base}{name} is there for whoever asks: serve only metadata/ and targets/"
        )
    shown = cli("verify", "--url", f"{base}metadata/").out
    assert "✗ served      3 problems" in shown
    assert "serve metadata/ and targets/ alone" in shown
    assert tree(filled) == before


def test_a_workspace_beside_its_metadata(cli: Cli, shop: Shop) -> None:
    """The place of metadata itself is asked as well, and only a few bytes of what answers are read."""
    for name in ("state.db", "rstuf.toml"):
        shop.site.files[name] = (shop.workspace / name).read_bytes()
    shop.site.files["keys/"] = b"<html>"
    root = ("--trusted-root", shop.root)
    done = cli("verify", "--url", shop.url, *root, "--json")
    assert codes(done.document) == ["served-workspace"] * 3
    assert done.document["checked"]["asked"] == 3


def test_who_answers_everything_is_not_accused(cli: Cli, shop: Shop) -> None:
    """A page for every name, a page to log in on, and files that only have the name are no workspace."""
    root = ("--trusted-root", shop.root)
    asked = ["keys/", "state.db", "rstuf.toml", "rstuf-verify-absent/"]
    for name in asked:
        shop.site.files[name] = b"<!doctype html>\n<p>format = of everything</p>\n"
    assert cli("verify", "--url", shop.url, *root).code == 0

    def leads_away(request: Asked) -> None:
        request.send(302, Location="/login")

    shop.site.files["login"] = b"SQLite format 3\0"
    del shop.site.files["rstuf-verify-absent/"]
    for name in asked:
        shop.site.manners[name] = leads_away
    assert cli("verify", "--url", shop.url, *root).code == 0


def test_who_does_not_answer_is_a_note(cli: Cli, shop: Shop) -> None:
    """What could not be asked for is told, and is no problem of what is published."""

    def hangs_up(request: Asked) -> None:
        request.handler.connection.shutdown(socket.SHUT_RDWR)

    shop.site.files["keys/"] = b""
    shop.site.manners["keys/"] = hangs_up
    done = cli("verify", "--url", shop.url, "--trusted-root", shop.root, "--json")
    assert (done.code, [note["code"] for note in done.document["facts"]["notes"]]) == (0, ["served-not-listed"])


def test_contents_that_are_not_there_are_told_once(cli: Cli, shop: Shop) -> None:
    """One short problem for each, with its path and the place that was looked at; no name that nobody can use."""
    root = ("--trusted-root", shop.root)
    where = f"{shop.url}nowhere/"
    done = cli("verify", "--url", shop.url, "--artifacts", "--artifacts-url", where, *root, "--json")
    assert (done.code, codes(done.document)) == (3, ["content-missing"] * 2)
    assert {problem["path"] for problem in done.document["problems"]} == {"a.txt", "data/b.bin"}
    assert {problem["message"] for problem in done.document["problems"]} == {
        f"its content is not below {where} under its sha256"
    }
    assert done.document["facts"]["clients"]["python-tuf"]["ok"] is False
    shown = cli("verify", "--url", shop.url, "--artifacts", "--artifacts-url", where, *root).out
    assert ".invalid" not in shown
    assert max(map(width_of, shown.splitlines())) < 130
    assert "rstuf verify --url URL --artifacts-url URL" in shown


def test_where_contents_are(cli: Cli, shop: Shop) -> None:
    """`--artifacts-url` names a URL or a directory, implies nothing, and is of a repository elsewhere alone."""
    root = ("--trusted-root", shop.root)
    for where in (shop.url + "targets", shop.workspace / "targets"):
        options = ["--url", shop.url, "--artifacts-url", where, *root]
        assert "contents" not in cli("verify", *options, "--json").document["checked"]
        assert cli("verify", *options, "--artifacts", "--json").document["checked"]["contents"] == 2
    done = cli("--repo", shop.workspace, "verify", "--artifacts-url", shop.url)
    assert (done.code, "--artifacts-url goes with --url" in done.err) == (2, True)
