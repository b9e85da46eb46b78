"""The grammar: options before and after the verb, help, usage, and what is loaded for it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from inspect import getdoc
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli

from rstuf_cli.app import _EPILOG, _NOUNS, VERBS, _rstuf
from rstuf_cli.console import Console
from rstuf_cli.exits import ExitCode
from rstuf_cli.grammar import Verb, program
from rstuf_cli.help import PANELS
from rstuf_cli.plans import DEMO, SAMPLE
from rstuf_cli.run import Run

PATHS = [verb.path for verb in VERBS]


def function_of(verb: Verb) -> Any:
    module, _, name = verb.home.partition(":")
    return getattr(import_module(module), name)


def examples_of(verb: Verb) -> list[list[str]]:
    """The commands among a verb's examples, as a shell would split them."""
    text = import_module(verb.home.partition(":")[0]).EXAMPLES[verb.path]
    lines = [line for line in text.splitlines() if "rstuf " in line and not line.startswith(" ")]
    commands = []
    for line in lines:
        # What stands behind three spaces explains; what stands before "rstuf" is another program.
        command = line[line.index("rstuf ") :].split("   ")[0].split(" && rstuf ")[-1].removeprefix("rstuf ")
        commands.append(shlex.split(command))
    return commands


def root_command() -> Any:
    return program(_rstuf, VERBS, nouns=_NOUNS, epilog=_EPILOG)


@pytest.mark.parametrize("verb", VERBS, ids=PATHS)
def test_purpose_is_the_first_line_of_the_docstring(verb: Verb) -> None:
    """What the program's help says of a command is what the command says of itself."""
    first = (getdoc(function_of(verb)) or "").splitlines()[0].removesuffix(".")
    assert first[:1].lower() + first[1:] == verb.purpose
    assert verb.panel in PANELS


@pytest.mark.parametrize("verb", VERBS, ids=PATHS)
def test_examples_are_command_lines_that_parse(verb: Verb) -> None:
    """Help shows nothing that the program would not understand."""
    examples = examples_of(verb)
    assert examples
    for words in examples:
        run = Run(Console(out=None, err=None))
        context = root_command().make_context("rstuf", list(words), obj=run)
        command, rest = context.command, [*context._protected_args, *context.args]
        while hasattr(command, "commands"):
            name, command, rest = command.resolve_command(context, rest)
            context = command.make_context(name, rest, parent=context)
            rest = [*context._protected_args, *context.args] if hasattr(command, "commands") else []
        assert context.command_path


@pytest.mark.parametrize("verb", VERBS, ids=PATHS)
def test_help_of_each_command(verb: Verb, cli: Cli) -> None:
    """Each command explains itself on stdout, within 80 columns but for its examples, and exits 0."""
    done = cli(*verb.path.split(), "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"rstuf {verb.path}: {verb.purpose[0]}")
    assert "examples\n" in done.out
    outside = done.out.partition("\nexamples\n")[0] + done.out.partition("\noptions\n")[2]
    assert max(map(len, outside.splitlines())) <= 80


def test_help_of_the_program(cli: Cli) -> None:
    """The program's help names every command and every common option, within 85 columns."""
    done = cli("--help")
    assert (done.code, done.err) == (0, "")
    for word in (*PATHS, "--repo", "--json", "--wait", "--accept-clock", "--passphrase-file", "--passphrase-fd"):
        assert word in done.out
    assert max(map(len, done.out.splitlines())) <= 85


def test_no_arguments_is_help(cli: Cli) -> None:
    """Somebody who types nothing but the name is told what there is."""
    assert cli().out == cli("--help").out


def test_noun_alone_is_a_usage_error_with_a_hint(cli: Cli) -> None:
    """A noun without a verb says where its verbs are."""
    done = cli("artifact")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: missing command\nhint:  rstuf artifact --help\n"


def test_version(cli: Cli) -> None:
    """The version is data, in both forms."""
    from importlib.metadata import version

    assert cli("--version").out == f"rstuf {version('rstuf')}\n"
    assert cli("--version", "--json").document == {"version": version("rstuf")}


@pytest.mark.parametrize(
    "argv",
    [
        ["--json", "--repo", "{}", "status"],
        ["status", "--json", "--repo", "{}"],
        ["--repo", "{}", "status", "--json"],
        ["--repo", "/nowhere", "status", "--json", "--repo", "{}"],
    ],
)
def test_common_options_stand_before_and_after_the_verb(argv: list[str], cli: Cli, made_once: Path) -> None:
    """Where an option stands makes no difference; the one further right counts."""
    done = cli(*[str(made_once) if each == "{}" else each for each in argv])
    assert done.document["repository"] == "acme"


def test_common_options_stand_between_noun_and_verb(cli: Cli, made_once: Path) -> None:
    """A noun takes them as well."""
    assert cli("artifact", "--repo", made_once, "list", "--json").document == {"artifacts": []}


def test_workspace_is_found_by_environment_and_by_place(
    cli: Cli, made_once: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--repo`, then RSTUF_REPO, then from here up."""
    monkeypatch.setenv("RSTUF_REPO", str(made_once))
    assert cli("status", "--json").code == 0
    assert cli("status", "--json", "--repo", "/nowhere").code == 1
    monkeypatch.delenv("RSTUF_REPO")
    monkeypatch.chdir(made_once / "metadata")
    assert cli("status", "--json").code == 0


@pytest.mark.parametrize(
    "argv",
    [
        ["frobnicate"],
        ["--frobnicate"],
        ["status", "surplus"],
        ["ceremony"],
        ["artifact", "show"],
        ["artifact", "add"],
        ["artifact", "add", "x", "--path", "y"],
        ["artifact", "add", "--path", "y"],
        ["artifact", "add", "--path", "y", "--length", "ten", "--hash", "sha256:00"],
        ["artifact", "add", "--path", "y", "--length", "10", "--hash", "0123"],
        ["artifact", "add", "x", "--custom", "[1]"],
        ["artifact", "import", "x", "--format", "xml"],
        ["artifact", "sync"],
        ["artifact", "sync", "x", "--keep", "--delete"],
        ["artifact", "export", "--state", "pending"],
        ["artifact", "why"],
        ["artifact", "list", "--limit", "0"],
        ["artifact", "list", "--limit", "-1"],
        ["completion"],
        ["completion", "powershell"],
        ["log", "--limit", "0"],
        ["log", "--after", "-1"],
        ["log", "--since", "yesterday"],
        ["log", "--action", "artifact"],
        ["log", "--head", "00"],
        ["log", "--verify", "--after", "1"],
        ["status", "--wait", "1e9"],
        ["status", "--wait", "99999999"],
        ["status", "--wait"],
        ["status", "-q", "-v"],
        ["verify", "--trusted-root", "x"],
        ["trust", "add", "x"],
        ["trust", "add", "x", "/y"],
        ["trust", "add", "x", "/y", "--root", "z", "--root-version", "2"],
        ["trust", "add", "x", "/y", "--root-version", "0"],
        ["trust", "remove"],
        ["download"],
        ["download", "x", "-o", "y", "--dir", "z"],
        ["download", "x", "y", "-o", "z"],
        ["download", "x", "-o", ""],
    ],
    ids=" ".join,
)
def test_usage_errors(argv: list[str], cli: Cli, workspace: Path) -> None:
    """A command line that makes no sense is exit 2 and says so on stderr, or in the document alone."""
    done = cli(*argv)
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert done.err.startswith("error: ")
    as_data = cli(*argv, "--json")
    if argv != ["status", "--wait"]:
        assert (as_data.code, as_data.err) == (ExitCode.USAGE, "")
        assert as_data.document["error"]["code"] == "usage"


@pytest.mark.parametrize(
    "argv",
    [
        ["artifact", "list", "--prefix", "{}"],
        ["artifact", "list", "--after", "{}"],
        ["artifact", "show", "{}"],
        ["artifact", "why", "{}"],
        ["artifact", "export", "--prefix", "{}"],
        ["artifact", "remove", "a", "{}"],
        ["artifact", "add", "rstuf.toml", "--prefix", "{}"],
        ["artifact", "sync", "metadata", "--prefix", "{}"],
        ["artifact", "add", "--path", "{}", "--length", "1", "--hash", "sha256:00"],
        ["renew", "--force", "{}"],
        ["log", "--since", "{}"],
        ["log", "--action", "{}"],
        ["log", "--verify", "--head", "{}"],
        ["verify", "--url", "{}"],
        ["trust", "add", "{}", "/x", "--root", "rstuf.toml"],
        ["trust", "add", "x", "{}", "--root", "rstuf.toml"],
        ["trust", "show", "{}"],
        ["download", "{}"],
        ["download", "x", "--from", "{}"],
    ],
    ids=" ".join,
)
def test_words_that_are_no_text_are_usage_errors(argv: list[str], cli: Cli, workspace: Path) -> None:
    """Bytes that are no UTF-8 come in as lone surrogates; no path, role or URL has those."""
    done = cli(*[each.replace("{}", "a\udcffb") for each in argv])
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert "it is not UTF-8 text" in done.err


def test_names_of_files_need_not_be_text(cli: Cli, made_once: Path, tmp_path: Path) -> None:
    """A workspace and a plan may lie anywhere that the file system has a name for."""

    odd = tmp_path / "odd\udcff"
    shutil.copytree(made_once, odd)
    for argv in (["status"], ["renew", "--force", "timestamp"], ["verify"], ["artifact", "list"]):
        assert cli("--repo", odd, *argv).code == 0, argv
        assert cli("--repo", odd, *argv, "--json").code == 0, argv
    (tmp_path / "plan\udcff.toml").write_text(DEMO)
    assert cli("ceremony", "--plan", tmp_path / "plan\udcff.toml", "--dry-run").code == 0
    assert cli("ceremony", "--plan", tmp_path / "none\udcff.toml").code == ExitCode.REFUSED
    assert cli("status", "--repo", tmp_path / "none\udcff").code == ExitCode.REFUSED


@pytest.mark.parametrize("argv", [["--json", "--help"], ["--help", "--json"], ["status", "--json", "-h"]], ids=" ".join)
def test_help_is_for_people(argv: list[str], cli: Cli) -> None:
    """Help is text, whatever else is asked for."""
    done = cli(*argv)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("rstuf")


def test_answering_beforehand(cli: Cli, filled: Path) -> None:
    """Scripts that say --yes to everything are understood; help speaks of it for all, and where something asks."""
    assert cli("artifact", "remove", "--yes", "a.txt").code == 0
    assert "--yes" in cli("--help").out
    assert "--yes" in cli("root", "update", "--help").out
    assert "--yes" not in cli("artifact", "add", "--help").out


def test_a_mistyped_command_is_recognised(cli: Cli) -> None:
    """A near miss names what was meant."""
    assert "did you mean rstuf status?" in cli("staus").err


def test_no_option_takes_a_secret() -> None:
    """What stands in arguments is seen by everybody on the machine: passphrases come from files and descriptors."""
    root = root_command()
    names = {option for param in root.params for option in param.opts}
    for verb in VERBS:
        command: Any = root
        for word in verb.path.split():
            command = command.get_command(None, word)
        names |= {option for param in command.params for option in param.opts}
    secret = ("pass", "secret", "pin", "token", "password")
    assert {name for name in names if any(word in name for word in secret)} == {"--passphrase-file", "--passphrase-fd"}


def test_an_option_after_two_dashes_is_a_name(cli: Cli, filled: Path) -> None:
    """Files and artifacts may be called like options."""
    Path("--json").write_bytes(b"odd\n")
    done = cli("artifact", "add", "--", "--json")
    assert (done.code, done.out[:1]) == (0, "✓")
    assert cli("artifact", "show", "--json", "--", "--json").document["path"] == "--json"


def loaded_by(*argv: str) -> set[str]:
    """The modules that a command has loaded at its end."""
    script = (
        "import sys\nfrom rstuf_cli.app import main\n"
        f"code = main({list(argv)!r})\nprint(*sys.modules, file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_loads_nothing_heavy() -> None:
    """Help costs little more than typer itself: no engine, no rich, no validation library."""
    loaded = loaded_by("--help")
    heavy = {"pydantic", "rich", "questionary", "prompt_toolkit", "httpx", "tuf", "orjson", "sqlite3", "cryptography"}
    assert not loaded & heavy
    assert not any(name.startswith(("rstuf.", "rstuf_cli.commands.")) for name in loaded)


def test_status_loads_no_client_and_no_prompts(made_once: Path) -> None:
    """A look at a repository needs neither a TUF library nor a prompt, a bar or a validation library."""
    loaded = loaded_by("--repo", str(made_once), "status")
    assert not loaded & {"pydantic", "rich", "questionary", "prompt_toolkit", "httpx", "sqlite_utils"}
    # Plain keys tell whose they are without what reads every form of one.
    assert "cryptography.hazmat.primitives.serialization" not in loaded


def test_a_look_at_what_is_trusted_loads_no_client(tmp_path: Path) -> None:
    """Neither a TUF library nor HTTP, prompts or bars are needed to list pinned roots."""
    loaded = loaded_by("trust", "list", "--trust-dir", str(tmp_path))
    assert not loaded & {"pydantic", "rich", "questionary", "prompt_toolkit", "httpx", "tuf", "sqlite3"}


def test_plans_that_we_show_are_plans(tmp_path: Path, cli: Cli, made_once: Path) -> None:
    """The plan in the ceremony's help, and the demo's, can be copied and held as they stand."""
    # What the first one says must be brought.
    assert "bring laptop.pub" in SAMPLE
    shutil.copy(made_once / "keys" / "alice.pub", tmp_path / "laptop.pub")
    secret = tmp_path / "secret"
    secret.write_text("horse battery staple")
    secret.chmod(0o600)
    for name, text in (("sample", SAMPLE), ("demo", DEMO)):
        assert tomllib.loads(text)
        (tmp_path / "plan.toml").write_text(text)
        ceremony = ("--repo", tmp_path / name, "ceremony", "--plan", tmp_path / "plan.toml")
        done = cli(*ceremony, "--dry-run")
        assert (done.code, done.out.count("made now") > 0) == (0, True)
        assert cli(*ceremony, "--passphrase-file", secret).code == 0
    assert all(line.strip() in cli("ceremony", "--help").out for line in SAMPLE.splitlines())
