"""The command line in process, with real streams, and workspaces to use it on."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.bundles import PASSPHRASE
from tests.support.holders import Holder, write_key
from tests.support.plans import plan_text
from tests.support.servers import Site, serving

import rstuf
from rstuf.clock import SystemClock
from rstuf_cli import prompts
from rstuf_cli.app import main

PLAN = plan_text(name="acme", signers=("alice", "bob"))


@dataclass(frozen=True)
class Result:
    """What a command came to: its exit code and the bytes of both streams."""

    code: int
    out_bytes: bytes
    err_bytes: bytes

    @property
    def out(self) -> str:
        """stdout."""
        return self.out_bytes.decode()

    @property
    def err(self) -> str:
        """stderr."""
        return self.err_bytes.decode()

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


Cli = Callable[..., Result]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody to ask, no colours, nobody's environment, and a directory that is no workspace."""
    monkeypatch.setattr(prompts, "person_is_there", lambda: False)
    for name in ("RSTUF_REPO", "RSTUF_TRUST_DIR", "NO_COLOR", "COLUMNS", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    empty = tmp_path / "here"
    empty.mkdir()
    monkeypatch.chdir(empty)


def run(*argv: object, monkeypatch: pytest.MonkeyPatch) -> Result:
    """One command, its streams captured as bytes."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        code = main([str(each) for each in argv])
    out, err = (stream.buffer.getvalue() for stream in streams)  # type: ignore[attr-defined]
    return Result(code, out, err)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command in process."""
    return lambda *argv: run(*argv, monkeypatch=monkeypatch)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after its ceremony, to copy. It took no time: all of its dates count from one second."""
    directory, began = tmp_path_factory.mktemp("made"), SystemClock().now()
    plan = directory / "plan.toml"
    plan.write_text(PLAN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompts, "person_is_there", lambda: False)
        patch.setattr(SystemClock, "now", lambda self: began)
        done = run("--repo", directory / "acme", "ceremony", "--plan", plan, monkeypatch=patch)
    assert done.code == 0, done.err
    return directory / "acme"


@pytest.fixture
def workspace(made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of its own, in which the test stands."""
    place = tmp_path / "acme"
    shutil.copytree(made_once, place)
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def filled(workspace: Path, cli: Cli, tmp_path: Path) -> Path:
    """A workspace with two published artifacts, a.txt and data/b.bin."""
    files = tmp_path / "files"
    (files / "data").mkdir(parents=True)
    (files / "a.txt").write_bytes(b"alpha\n")
    (files / "data" / "b.bin").write_bytes(bytes(range(256)) * 20)
    done = cli("artifact", "add", files)
    assert done.code == 0, done.err
    return workspace


@pytest.fixture
def by_people(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which two people sign root, and one of them targets; an artifact is published."""
    plan, place = tmp_path / "plan.toml", tmp_path / "shop"
    plan.write_text(
        PLAN + '[targets]\nthreshold = 1\nsigners = ["carol"]\n\n[keys.carol]\ngenerate = "ed25519"\n'
        'encrypt = false\nsigner = "file:keys/carol.key"\n'
    )
    done = cli("--repo", place, "ceremony", "--plan", plan)
    assert done.code == 0, done.err
    monkeypatch.chdir(place)
    (tmp_path / "a.txt").write_bytes(b"alpha\n")
    assert cli("artifact", "add", tmp_path / "a.txt").code == 0
    assert cli("key", "generate", "online-2", "--unencrypted").code == 0
    return place


@pytest.fixture
def team(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose root two of three must sign; the key of bob and the one of cleo are elsewhere."""
    (tmp_path / "plan.toml").write_text(plan_text(name="acme", signers=("alice", "bob", "cleo"), threshold=2))
    place = tmp_path / "team"
    done = cli("--repo", place, "ceremony", "--plan", tmp_path / "plan.toml")
    assert done.code == 0, done.err
    for name in ("bob", "cleo"):
        (tmp_path / name).mkdir()
        (place / "keys" / f"{name}.key").rename(tmp_path / name / f"{name}.key")
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def waiting(team: Path, cli: Cli) -> Path:
    """The same, while root v2 waits, and nobody has signed it."""
    (team / "keys" / "alice.key").rename(team / "alice.away")
    done = cli("renew", "--force", "root")
    assert done.code == 4, done.err
    (team / "alice.away").rename(team / "keys" / "alice.key")
    return team


@dataclass(frozen=True)
class Shop:
    """What a workspace publishes, behind a web server."""

    workspace: Path
    site: Site
    url: str

    @property
    def root(self) -> Path:
        """The first root."""
        return self.workspace / "metadata" / "1.root.json"

    @property
    def fingerprint(self) -> str:
        """Its SHA-256, hex."""
        return hashlib.sha256(self.root.read_bytes()).hexdigest()

    def settle(self) -> None:
        """Serve what is published now."""
        self.site.files.clear()
        for base, prefix in (("metadata", ""), ("targets", "targets/")):
            top = self.workspace / base
            for path in top.rglob("*"):
                if path.is_file() and ".staging" not in path.parts:
                    self.site.files[f"{prefix}{path.relative_to(top)}"] = path.read_bytes()

    def served(self, path: str) -> str:
        """The name under which a content is served."""
        (name,) = [name for name in self.site.files if name.endswith(f".{path}") and name.startswith("targets/")]
        return name


@pytest.fixture
def shop(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A workspace with two published artifacts behind a web server; the test stands elsewhere."""
    site = Site()
    monkeypatch.chdir(tmp_path / "here")
    with serving(site) as url:
        shop = Shop(filled, site, url)
        shop.settle()
        yield shop


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[timedelta], None]]:
    """Moves the clock of every command that follows."""
    usual = SystemClock.now

    def move(by: timedelta) -> None:
        def now(self: SystemClock) -> datetime:
            return usual(self) + by

        monkeypatch.setattr(SystemClock, "now", now)

    return move  # type: ignore[return-value]


def tree(directory: Path) -> dict[str, str]:
    """Every file below a directory, by what is in it. SQLite's scratch files beside the state are none of ours."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def bin_in_sight(workspace: Path) -> Path:
    """The file of a bin that clients see at its first version."""
    first = workspace.glob("metadata/1.bins-*.json")
    return next(path for path in first if not path.with_name(f"2{path.name[1:]}").exists())


def elsewhere(tmp_path: Path, name: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A holder signs a bundle on a machine of their own, which has a record of its own; the signature file."""
    sig = tmp_path / name / f"{bundle.stem}.sig"
    code = rstuf.parse_bundle(bundle.read_bytes()).code
    first = rstuf.parse_bundle(bundle.read_bytes()).first_root
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path / name)
        argv = ("bundle", "sign", bundle, "--key", f"{name}.key", "-o", sig, "--yes", "--code", code)
        trust = () if first is None else ("--fingerprint", first)
        done = run(*argv, *trust, "--holder-dir", tmp_path / name / "record", monkeypatch=patch)
    assert done.code == 0, done.err
    return sig


def as_person(monkeypatch: pytest.MonkeyPatch, *, says: bool) -> list[str]:
    """Somebody is there and answers; what they are asked is listed."""
    asked: list[str] = []

    def agrees(question: str) -> bool:
        asked.append(question)
        return says

    monkeypatch.setattr(prompts, "person_is_there", lambda: True)
    monkeypatch.setattr(prompts, "agrees", agrees)
    monkeypatch.setattr(prompts, "show", lambda lines, unless: None)
    return asked


def opened(workspace: Path) -> rstuf.Repository:
    """The engine's own view of a workspace, for what other commands are about."""
    session = rstuf.Session(purpose="test", actor="test", secrets=rstuf.load_secrets((), (), None))
    return rstuf.open_repository(workspace, session)


@pytest.fixture
def holder(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Holder:
    """The holder of the key "vault", who is there to be asked, and says no."""
    holder = Holder(cli, tmp_path / "here")
    write_key(holder.place / "vault.key", 2)
    write_key(holder.place / "online.key", 3)
    monkeypatch.setattr(prompts, "person_is_there", lambda: True)
    monkeypatch.setattr(prompts, "show", lambda lines, *, unless: None)

    def agrees(question: str) -> bool:
        holder.asked.append(question)
        return holder.answer

    def ask(question: str) -> str:
        holder.asked.append(question)
        return holder.typed.pop(0)

    def ask_hidden(question: str) -> str:
        holder.opened.append(question)
        return PASSPHRASE.decode()

    monkeypatch.setattr(prompts, "agrees", agrees)
    monkeypatch.setattr(prompts, "ask", ask)
    monkeypatch.setattr(prompts, "ask_hidden", ask_hidden)
    return holder
