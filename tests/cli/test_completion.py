"""Completion: what is offered where, and that real shells put it on their lines as it is meant."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli, tree
from tests.support.person import Person

from rstuf_cli.app import VERBS, whole_program
from rstuf_cli.completing import OFFERS, _kind, _takes_value, complete
from rstuf_cli.shells import SCRIPTS, Shell, split

BREAKS = " \t\n\"'><=;|&(:"
TAB, ENTER, CLEAR = "\t", "\r", "\x15"
ODD = "odd name:v=1 'x'.txt"


def offered(line: str) -> list[str]:
    """What could stand at the end of a line, as values."""
    words = [word.text for word in split(line, breaks=BREAKS)]
    return [each.value for each in complete(whole_program(), words[1:-1], words[-1])]


# --- what is offered -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rstuf stat", ["status"]),
        ("rstuf artifact re", ["remove"]),
        ("rstuf --json artifact re", ["remove"]),
        ("rstuf --repo x artifact re", ["remove"]),
        ("rstuf --repo=x artifact re", ["remove"]),
        ("rstuf artifact --wait 5 re", ["remove"]),
        ("rstuf status --ch", ["--check"]),
        ("rstuf status --check --ch", []),
        ("rstuf status --js", ["--json"]),
        ("rstuf status --he", ["--help"]),
        ("rstuf --versi", ["--version"]),
        ("rstuf status --versi", []),
        ("rstuf renew --force timestamp --for", ["--force"]),
        ("rstuf artifact import --format ", ["ndjson", "csv", "sha256sums"]),
        ("rstuf artifact import --format=c", ["--format=csv"]),
        ("rstuf completion z", ["zsh"]),
        ("rstuf log --action artifacts.r", ["artifacts.remove", "artifacts.restore"]),
        ("rstuf artifact add --hash sha2", ["sha256:"]),
        ("rstuf nothing ", []),
        ("rstuf status nothing --ch", ["--check"]),
        ("rstuf status --wait ", []),
        ("rstuf artifact show -- --j", []),
    ],
)
def test_commands_options_and_enums(line: str, expected: list[str]) -> None:
    """Wherever options of the program stand, what comes next is known; a flag that was given is not offered again."""
    assert offered(line) == expected


def test_every_command_is_offered() -> None:
    """Each word of each command, with what it is for."""
    for verb in VERBS:
        *before, last = verb.path.split()
        found = {each.value: each.help for each in complete(whole_program(), before, last)}
        assert last in found
        assert found[last].startswith(verb.purpose.partition(":")[0])


def test_every_value_is_thought_of() -> None:
    """A value that is text is offered something, or stands in the table as one for which nothing can be."""
    root = whole_program()
    unknown, known = [], set()
    for verb in VERBS:
        command: Any = root
        for word in verb.path.split():
            command = command.get_command(None, word)
        for param in [*command.params, *root.params]:
            kind = _kind(param)
            if not _takes_value(param) if param.param_type_name == "option" else False:
                continue
            known |= {(verb.path, param.name), ("", param.name)} & OFFERS.keys()
            told = issubclass(kind, Enum) or kind is int or kind is Path
            if not told and not {(verb.path, param.name), ("", param.name)} & OFFERS.keys():
                unknown.append(f"{verb.path}: {param.name}")
    assert unknown == []
    assert known == set(OFFERS)


def test_names_of_the_workspace(cli: Cli, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Artifacts up to the next slash, roles, keys; from wherever --repo or RSTUF_REPO says."""
    assert offered("rstuf artifact show ") == ["a.txt", "data/"]
    assert offered("rstuf artifact remove a.txt data/") == ["data/b.bin"]
    assert offered("rstuf artifact list --prefix d") == ["data/"]
    assert offered("rstuf renew --force t") == ["targets", "timestamp"]
    assert offered("rstuf renew --force bins") == ["bins", "bins-0", "bins-1", "bins-2", "bins-3"]
    assert offered("rstuf key show ") == ["alice", "bob", "online"]
    assert offered("rstuf renew --passphrase-file al") == ["alice="]
    assert offered("rstuf renew --passphrase-file alice=rst") == ["alice=rstuf.toml"]
    monkeypatch.chdir("/")
    assert offered("rstuf artifact show ") == []
    assert offered(f"rstuf artifact show --repo {filled} a") == ["a.txt"]
    assert offered(f"rstuf --repo={filled} artifact show a") == ["a.txt"]
    monkeypatch.setenv("RSTUF_REPO", str(filled))
    assert offered("rstuf artifact show a") == ["a.txt"]


def test_trusted_repositories(cli: Cli, filled: Path, tmp_path: Path) -> None:
    """By their names, from where they are kept."""
    store = ("--trust-dir", tmp_path / "trust")
    pin = ("trust", "add", "acme", filled / "metadata", "--root", filled / "metadata/1.root.json")
    assert cli(*pin, *store).code == 0
    assert offered(f"rstuf download --trust-dir {tmp_path}/trust --from ") == ["acme"]
    assert offered(f"rstuf trust show --trust-dir={tmp_path}/trust a") == ["acme"]
    assert offered("rstuf trust show ") == []


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files where files are meant, directories alone where those are; hidden ones behind a dot."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("one.toml", ".hidden", "sub/two.toml"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    assert offered("rstuf ceremony --plan o") == ["one.toml"]
    assert offered("rstuf ceremony --plan sub/") == ["sub/two.toml"]
    assert offered("rstuf ceremony --plan ~/o") == ["~/one.toml"]
    assert offered("rstuf artifact add one.toml s") == ["sub/"]
    assert offered("rstuf artifact add .h") == [".hidden"]
    assert offered("rstuf --repo s") == ["sub/"]
    assert offered("rstuf --repo o") == []
    assert offered("rstuf artifact add --custom @o") == ["@one.toml"]
    assert offered("rstuf key add x --signer file:o") == ["file:one.toml"]


# --- what it leaves alone --------------------------------------------------------------------------------


def ask(line: str, cwd: Path, *, shell: str = "bash", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """What a process answers to a shell."""
    arguments = [line, BREAKS] if shell == "bash" else line.split(" ")[1:]
    return subprocess.run(
        [sys.executable, "-m", "rstuf_cli", *arguments],
        cwd=cwd,
        env={**os.environ, "_RSTUF_COMPLETE": shell, **environment},
        capture_output=True,
        check=False,
    )


def _spoil_config(place: Path) -> None:
    (place / "rstuf.toml").write_bytes(b"\xff")


def _spoil_state(place: Path) -> None:
    (place / "state.db").write_bytes(b"no database" * 500)


def _open_to_all(place: Path) -> None:
    place.chmod(0o777)


def _older(place: Path) -> None:
    with closing(sqlite3.connect(place / "state.db")) as connection:
        connection.execute("ALTER TABLE role DROP COLUMN shown")
        connection.execute("PRAGMA user_version=1")


@pytest.mark.parametrize("spoil", [_spoil_config, _spoil_state, _open_to_all, _older])
def test_a_workspace_that_cannot_be_used(spoil: Any, filled: Path) -> None:
    """Nothing is offered, nothing is said, nothing is changed: not even an older state is brought up to date."""
    spoil(filled)
    before, names = tree(filled), sorted(os.listdir(filled))
    done = ask("rstuf artifact show ", filled)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tree(filled), sorted(os.listdir(filled))) == (before, names)


def test_nothing_is_left_beside_the_state(filled: Path) -> None:
    """An answer makes no file, and leaves a log that another process writes as it is."""
    names = sorted(os.listdir(filled))
    assert ask("rstuf artifact show a", filled).stdout == b"a.txt \n"
    assert sorted(os.listdir(filled)) == names
    with closing(sqlite3.connect(filled / "state.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE repository SET name = 'x'")
        started = time.monotonic()
        assert ask("rstuf artifact show a", filled).stdout == b"a.txt \n"
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("shell", [*Shell, "powershell", ""])
@pytest.mark.parametrize(
    "line", ["", "rstuf", "rstuf '", 'rstuf "$(touch evil)', "rstuf \\", "rstuf a\x1b[2J\udcff --x="]
)
def test_lines_of_any_kind(shell: str, line: str, filled: Path) -> None:
    """Whatever is typed, and whoever asks: exit 0, and not a word on stderr."""
    done = ask(line, filled, shell=shell)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\x1b" not in done.stdout
    assert not (filled / "evil").exists()


def test_names_that_a_terminal_would_obey_are_not_offered(tmp_path: Path) -> None:
    """A file may have any name; what is not printable is not put on anybody's line."""
    (tmp_path / "a\x1b[2J\nb").touch()
    (tmp_path / "a$(id)").touch()
    assert ask("rstuf artifact add a", tmp_path).stdout == b"a\\$\\(id\\) \n"


def test_answers_load_nothing_that_takes_long(filled: Path) -> None:
    """A name from the state is offered without the engine's libraries: no TUF, no HTTP, no prompts, no bars."""
    script = (
        "import sys\nfrom rstuf_cli.shells import answer\n"
        f"answer('bash', ['rstuf artifact show a', {BREAKS!r}])\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=filled, capture_output=True, text=True, check=True)
    assert done.stdout == "a.txt \n"
    heavy = {"pydantic", "rich", "questionary", "prompt_toolkit", "httpx", "tuf", "sqlite_utils", "cryptography"}
    assert not set(done.stderr.split()) & heavy


def test_a_long_look_is_given_up(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is, a look at the state ends; then nothing is offered."""
    with closing(sqlite3.connect(filled / "state.db")) as connection, connection:
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
            "INSERT INTO artifact (holder, slot, path, number, fragment) "
            "SELECT (SELECT min(holder) FROM artifact), i, 'z' || i, 1, x'7b7d' FROM n"
        )
    monkeypatch.setattr("rstuf.glances._PATIENCE", timedelta(seconds=60))
    assert offered("rstuf artifact show a") == ["a.txt"]
    monkeypatch.setattr("rstuf.glances._PATIENCE", timedelta(milliseconds=1))
    assert offered("rstuf artifact show a") == []


# --- words and quotes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "last"),
    [
        ("rstuf a", ("a", 0, "")),
        ("rstuf ", ("", 0, "")),
        ("rstuf a\\ b", ("a b", 0, "")),
        ("rstuf 'a b", ("a b", 0, "'")),
        ('rstuf x"a b', ("xa b", 1, '"')),
        ('rstuf "a\\"b', ('a"b', 0, '"')),
        ("rstuf 'a b' ", ("", 0, "")),
        ("rstuf --format=c", ("--format=c", 9, "")),
        ("rstuf a:b", ("a:b", 2, "")),
        ("rstuf a\\:b", ("a:b", 0, "")),
        ("rstuf '' x", ("x", 0, "")),
    ],
)
def test_words_of_a_line(line: str, last: tuple[str, int, str]) -> None:
    """A line is read as bash reads it, up to the cursor, and it is known which part of the last word bash replaces."""
    words = split(line, breaks=BREAKS)
    assert tuple(words[-1]) == last
    assert words[0].text == "rstuf"


# --- in shells -------------------------------------------------------------------------------------------


def found(shell: Shell) -> str:
    """The shell's program."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed; its script is tried where it is")
    return program


@pytest.mark.parametrize("shell", Shell)
def test_scripts_parse(shell: Shell, cli: Cli, tmp_path: Path) -> None:
    """What is printed is a script of that shell, as text and as data."""
    assert cli("completion", shell).out == SCRIPTS[shell]
    assert cli("completion", shell, "--json").document == {"shell": shell, "script": SCRIPTS[shell]}
    script = tmp_path / "script"
    script.write_text(SCRIPTS[shell])
    done = subprocess.run([found(shell), "-n", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@contextmanager
def sitting_at(shell: Shell, place: Path, tools: Path) -> Iterator[Person]:
    """A person at that shell, which has its script."""
    tools.mkdir()
    (tools / "rstuf").write_text(f'#!/bin/sh\nexec {sys.executable} -m rstuf_cli "$@"\n')
    (tools / "rstuf").chmod(0o755)
    command = {
        Shell.BASH: [found(shell), "--norc", "--noprofile", "-i"],
        Shell.ZSH: [found(shell), "-f", "-i"],
        Shell.FISH: [found(shell), "--no-config", "-i"],
    }[shell]
    begin = {
        Shell.BASH: """PS1='$ '; eval "$(rstuf completion bash)"; echo re'ady'""",
        Shell.ZSH: """PS1='$ '; autoload -U compinit; compinit -u; eval "$(rstuf completion zsh)"; echo re'ady'""",
        Shell.FISH: "function fish_prompt; echo '$ '; end; rstuf completion fish | source; echo re'ady'",
    }[shell]
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "INPUTRC": "/dev/null", "fish_features": ""}
    with Person.at(command, cwd=place, **environment) as person:
        person.sees("")
        person.presses(begin, ENTER)
        person.sees("\nready")
        yield person


@pytest.fixture
def odd(cli: Cli, filled: Path) -> Path:
    """A workspace with an artifact whose path needs quotes in every shell."""
    assert cli("artifact", "add", "--path", ODD, "--length", 7, "--hash", f"sha256:{'0' * 64}").code == 0
    return filled


@pytest.mark.parametrize("shell", Shell)
def test_in_a_shell(shell: Shell, odd: Path, tmp_path: Path) -> None:
    """Commands, options, values and paths come onto the line, quoted so that the command gets what was meant."""
    with sitting_at(shell, odd, tmp_path / "tools") as person:
        person.presses("rstuf stat", TAB)
        person.sees("rstuf status")
        person.presses("--chec", TAB, ENTER)
        person.sees("acme  ·  3 artifacts")
        person.presses("clear", ENTER)
        person.presses("rstuf artifact show od", TAB)
        person.sees("x")
        person.presses(ENTER)
        assert f"\n{ODD}\n" in person.sees("sha256")
        person.presses("clear", ENTER)
        person.presses("rstuf artifact import --format=nd", TAB)
        person.sees("--format=ndjson")
        person.presses(CLEAR, "rstuf artifact add ../files/da", TAB, "b", TAB)
        person.sees("../files/data/b.bin")
        person.presses(CLEAR, "rstuf artifact show nothing", TAB, TAB)
        assert "error" not in person.sees("show nothing")


@pytest.mark.parametrize("shell", Shell)
def test_in_a_shell_outside_of_a_workspace(shell: Shell, tmp_path: Path) -> None:
    """Nothing is said where nothing can be offered, and commands are offered all the same."""
    with sitting_at(shell, tmp_path / "here", tmp_path / "tools") as person:
        person.presses("rstuf key show ", TAB)
        assert "error" not in person.sees("rstuf key show")
        person.presses(CLEAR, "rstuf artifact li", TAB)
        person.sees("rstuf artifact list")


@pytest.mark.parametrize(
    "typed",
    ["odd\\ na", '"odd na', "'odd na", "odd\\ name:v", "odd\\ name:v=", '"odd name:v='],
    ids=lambda typed: typed,
)
def test_quotes_in_bash(typed: str, odd: Path, tmp_path: Path) -> None:
    """However the word was begun, and wherever bash breaks it, it ends as the artifact's path."""
    with sitting_at(Shell.BASH, odd, tmp_path / "tools") as person:
        person.presses("clear", ENTER, f"rstuf artifact show {typed}", TAB)
        person.sees(".txt")
        person.presses(ENTER)
        assert f"\n{ODD}\n" in person.sees("sha256")
