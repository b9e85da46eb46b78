"""What docs/formats.md says of plans, JSON documents, problems and configuration is what the code does."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.docs.pages import ROOT, blocks_of
from tests.support.bundles import World, encode
from tests.support.elsewhere import Delegate
from tests.support.servers import Site, serving
from tests.unit.signing import keyring

from rstuf import parse_bundle, strict_loads
from rstuf.clock import SystemClock
from rstuf.config import read_config, render_config
from rstuf.errors import InvalidPlan
from rstuf.metadata.audit.findings import Code, Note
from rstuf.repository.plan import read_plan
from rstuf.signing.containers import write_container
from rstuf_cli.app import VERBS, main

FORMATS = ROOT / "docs" / "formats.md"
TEXT = FORMATS.read_text(encoding="utf-8")


def section(title: str) -> str:
    """What stands under a heading, up to the next one of its rank or above."""
    found = re.search(rf"^(##+) {re.escape(title)}\n(.*?)(?=^##|\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return found[2]


def rows(title: str) -> list[list[str]]:
    """The cells of the tables in a section, without their heads."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line][1:]


def words(cell: str) -> list[tuple[str, bool]]:
    """The names in a cell, each with whether it is marked as one that is not always there."""
    return [(name, mark == "?") for name, mark in re.findall(r"`([\w.-]+)`(\??)", cell)]


# --- the plan --------------------------------------------------------------------------------------------


class _Asked(dict[str, Any]):
    """A table that takes down which of its keys are asked for."""

    def __init__(self, name: str, table: Mapping[str, Any], asked: set[tuple[str, str]]) -> None:
        super().__init__({key: _asked(f"{name}.{key}", value, asked) for key, value in table.items()})
        self._name, self._all = name.lstrip("."), asked

    def get(self, key: str, default: Any = None) -> Any:
        self._all.add((self._name, key))
        return super().get(key, default)


def _asked(name: str, value: Any, asked: set[tuple[str, str]]) -> Any:
    if isinstance(value, list):
        return [_asked(name, each, asked) for each in value]
    return _Asked(name, value, asked) if isinstance(value, dict) else value


def _plan() -> dict[str, Any]:
    (block,) = [block for block in blocks_of(FORMATS) if block.argument == "plan.toml"]
    return tomllib.loads(block.text)


def test_every_field_of_a_plan_is_documented() -> None:
    """The fields that a plan's reader asks for are those of the table, and the example has each of them."""
    asked: set[tuple[str, str]] = set()
    read_plan(_Asked("", _plan(), asked))
    fields = {(re.sub(r"^keys\.\w+$", "keys.NAME", table), key) for table, key in asked if table not in {"", "keys"}}
    documented = {(table.strip("`"), key.strip("`")) for table, key, *_ in rows("The plan")}
    assert documented == fields
    example = {
        ("keys.NAME" if table == "keys" else table, key)
        for table, content in _plan().items()
        for each in (content.values() if table == "keys" else content if table == "delegations" else [content])
        for key in each
    }
    assert example == fields


@pytest.mark.parametrize(("table", "key", "default"), [row[:3] for row in rows("The plan")])
def test_defaults_of_a_plan_are_as_documented(table: str, key: str, default: str) -> None:
    """A field that has a default may be left out, and then means what the table says; the others are missed."""
    plan = _plan()
    if table == "`keys.NAME`":
        return
    name, field = table.strip("`"), key.strip("`")
    where = plan[name][0] if name == "delegations" else plan[name]
    del where[field]
    if field == "signers" and name in {"targets", "delegations"}:
        del plan["keys"]["cleo" if name == "targets" else "vera"]
    if default == "required":
        with pytest.raises(InvalidPlan, match=field):
            read_plan(plan)
        return
    left_out = read_plan(plan)
    if default.startswith("`"):
        where[field] = tomllib.loads(f"value = {default.strip('`')}")["value"]
        stated = read_plan(plan)
        assert replace(stated, digest=left_out.digest) == left_out


# --- rstuf.toml ------------------------------------------------------------------------------------------


def test_every_field_of_the_configuration_is_documented(tmp_path: Path) -> None:
    """What the ceremony writes into rstuf.toml are the keys of the table, with their defaults."""
    text = render_config(state="state.db", metadata="metadata", artifacts="targets")
    documented = {key.strip("`"): default.strip("`") for key, default, _ in rows("rstuf.toml")}
    assert tomllib.loads(text).keys() == documented.keys()
    (tmp_path / "rstuf.toml").write_text("format = 1\n", encoding="utf-8")
    config = read_config(tmp_path)
    assert (config.clients, documented.pop("clients")) == ((), "[]")
    assert {key: f'"{getattr(config, key)}"' for key in documented if key != "format"} == {
        key: default for key, default in documented.items() if key != "format"
    }


# --- records ---------------------------------------------------------------------------------------------


def test_records_are_valid() -> None:
    """Each line of the NDJSON example is a record by itself; its fields are those of the table."""
    (block,) = [block for block in blocks_of(FORMATS) if block.argument == "records.ndjson"]
    fields: set[str] = set()
    for line in block.text.splitlines():
        record = strict_loads(line.encode(), what="the example")
        fields |= record.keys() | record.get("info", {}).keys()
    assert {name for row in rows("Artifact records") for name, _ in words(row[0])} == fields


# --- JSON documents --------------------------------------------------------------------------------------


def rstuf(*arguments: str) -> tuple[int, Any]:
    """Run a command with --json: its exit code and its one document."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = main(["--json", *arguments])
    out.flush()
    return code, json.loads(out.buffer.getvalue())


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[Any]]:
    """For each heading the documents that its commands gave."""
    scratch = tmp_path_factory.mktemp("documents")
    repo, file = scratch / "repo", scratch / "file.txt"
    file.write_text("first\n", encoding="utf-8")
    (scratch / "more").mkdir()
    (scratch / "more" / "g.txt").write_text("third\n", encoding="utf-8")
    found: dict[str, list[Any]] = {}

    def keep(heading: str, *arguments: str) -> Any:
        code, document = rstuf(*arguments)
        found.setdefault(heading, []).append(document)
        return code, document

    at = ("--repo", str(repo))
    keep("demo", "demo", str(repo))
    plan = ("--plan", str(repo / "plan.toml"))
    keep("ceremony --dry-run", "--repo", str(scratch / "other"), "ceremony", *plan, "--dry-run")
    keep("ceremony", "--repo", str(scratch / "other"), "ceremony", *plan)
    payload = ("--out", str(scratch / "payload.json"))
    keep("ceremony --out", "--repo", str(scratch / "for-a-service"), "ceremony", *plan, *payload)
    keep("artifact add", *at, "artifact", "add", str(file), "--custom", '{"channel": "beta"}')
    keep("artifact add", *at, "artifact", "remove", "hello.txt", "--no-publish")
    keep("artifact add", *at, "artifact", "sync", "--keep", str(file.parent / "more"), "--no-publish")
    keep("artifact sync --dry-run", *at, "artifact", "sync", "--dry-run", str(file.parent / "more"))
    keep("artifact list", *at, "artifact", "list", "--limit", "1")
    keep("artifact list", *at, "artifact", "list")
    found["artifact show"] = list(found["artifact list"][-1]["artifacts"])
    keep("artifact export", *at, "artifact", "export", "--state", "all")
    keep("artifact export", *at, "artifact", "export", "--limit", "1")
    keep("artifact why", *at, "artifact", "why", "file.txt")
    keep("key generate", *at, "key", "generate", "maria", "--unencrypted")
    keep("key list", *at, "key", "list")
    keep("key find", *at, "key", "find")
    keep("key add", *at, "key", "add", "maria", "--away")
    keep("key export", *at, "key", "export", "maria")
    keep("artifact show", *at, "artifact", "show", "file.txt")
    keep("publish", *at, "publish", "--dry-run")
    root = repo / "metadata" / "1.root.json"
    root.unlink()
    keep("publish", *at, "publish")
    found["publish"].append(found["artifact add"][0]["publication"])
    root.unlink()
    keep("renew", *at, "renew", "--force", "timestamp")
    keep("status", *at, "status")
    _events(keep, repo, at, scratch)
    keep("verify", *at, "verify", "--full")
    keep("doctor", *at, "doctor")
    (repo / "rstuf.toml").chmod(0o666)
    keep("doctor", *at, "doctor")
    (repo / "rstuf.toml").chmod(0o644)
    keep("completion", "completion", "bash")
    keep("log", *at, "log", "--after", "0", "--limit", "2")
    keep("log", *at, "log")
    newest = found["log"][-1]["entries"][-1]["digest"]
    keep("log --verify", *at, "log", "--verify", "--head", newest)
    keep("log --verify", *at, "log", "--verify")
    for heading, document in _of_bundles(scratch):
        found[heading] = [document]
    keep("root update", *at, "root", "update", "--role", "timestamp", "--expires", "2d")
    keep("root update", *at, "root", "update", "--expires", "300d", "--yes")
    keep("root show", *at, "root", "show")
    keep("root history", *at, "root", "history")
    keep("root diff", *at, "root", "diff")
    keep("key rotate", *at, "key", "rotate", "online", "--yes")
    keep("lint", *at, "lint", "--compat", "tuf-js")
    keep("bins advise", *at, "bins", "advise")
    keep("bins resize", *at, "bins", "resize", "32", "--yes")
    keep("delegation add", *at, "delegation", "add", "team", "--path", "team/*", "--yes")
    _from_a_delegate(keep, at, scratch)
    keep("delegation list", *at, "delegation", "list")
    keep("delegation why", *at, "delegation", "why", "team/x")
    keep("prune", *at, "prune", "--keep", "1", "--days", "0", "--dry-run")
    keep("prune", *at, "prune", "--keep", "1", "--days", "0", "--yes")
    keep("recover metadata", *at, "recover", "metadata", "--yes")
    keep("recover root-keys", *at, "recover", "root-keys")
    (scratch / "other" / "state.db").rename(scratch / "lost.db")
    keep("recover state", "--repo", str(scratch / "other"), "recover", "state", "--yes")
    trust = ("--trust-dir", str(scratch / "trust"))
    served = (str(repo / "metadata"), "--root", str(repo / "metadata" / "1.root.json"))
    keep("trust add", "trust", "add", "here", *served, "--artifacts", str(repo / "targets"), *trust)
    keep("download", "download", "file.txt", "--dir", str(scratch / "fetched"), *trust)
    keep("trust add", "trust", "show", "here", *trust)
    keep("trust add", "trust", "add", "here", str(repo / "metadata"), *trust)
    keep("trust list", "trust", "list", *trust)
    unlike = _by_map(keep, repo, scratch, trust)
    rstuf("trust", "add", "mixed", str(scratch / "other" / "metadata"), *served[1:], *trust)
    _, refused = rstuf("download", "file.txt", "--from", "mixed", *trust)
    keep("trust remove", "trust", "remove", "mixed", "--yes", *trust)
    file.write_text("second\n", encoding="utf-8")
    code, document = rstuf(*at, "artifact", "add", str(file))
    assert code == 1
    found["An error"] = [document["error"], refused["error"], unlike]
    return found


def _from_a_delegate(keep: Callable[..., Any], at: tuple[str, str], scratch: Path) -> None:
    """A role that somebody signs elsewhere, with a tool of their own."""
    vera = Delegate(scratch / "vera", "vera")
    rstuf(*at, "key", "add", "vera", str(vera.public))
    rstuf(*at, "delegation", "add", "vendor", "--path", "vendor/*", "--signer", "vera", "--yes")
    bundle, sig = vera.home / "v1.rstuf", vera.home / "v1.sig"
    rstuf(*at, "bundle", "export", "vendor-v1", "-o", str(bundle))
    sig.write_bytes(vera.detached(parse_bundle(bundle.read_bytes()), "vendor"))
    assert rstuf(*at, "bundle", "import", str(sig))[0] == 0
    vera.keep_key(vera.home / "vera.key")
    trust, record = ("--trust-dir", str(scratch / "delegates")), ("--holder-dir", str(scratch / "vera" / "record"))
    served = Path(at[1]) / "metadata"
    rstuf("trust", "add", "here", str(served), "--root", str(served / "1.root.json"), *trust)
    words = ("--key", str(vera.home / "vera.key"), "--yes", "-o", str(vera.home / "made.json"), *trust, *record)
    assert keep("delegation prepare", "delegation", "prepare", "vendor", *words)[0] == 0
    file = str(vera.signs("vendor", 2, {"vendor/x": b"x"}, now=SystemClock().now()))
    for option in ("--dry-run", "--no-contents", "--no-contents"):
        assert keep("delegation accept", *at, "delegation", "accept", file, option)[0] == 0


def _by_map(keep: Callable[..., Any], repo: Path, scratch: Path, trust: tuple[str, str]) -> Any:
    """A map of two repositories, of which one is not there."""
    names, file = ("--repository", "away=http://127.0.0.1:1/"), str(scratch / "map.json")
    files = [
        {str(place.relative_to(top)): place.read_bytes() for place in top.rglob("*") if place.is_file()}
        for top in (repo / "metadata", repo / "targets")
    ]
    with serving(Site.of(*files)) as url:
        keep("map make", "map", "make", "-o", file, *names, "--repository", f"here={url}", "--threshold", "1")
        keep("map show", "map", "show", file, *trust)
        keep("map check", "map", "check", file)
        keep("download", "download", "file.txt", "--dir", str(scratch / "mapped"), "--map", file, *trust)
        rstuf("map", "make", "-o", f"{file}2", *names, "--repository", f"here={url}")
        return rstuf("download", "file.txt", "--map", f"{file}2", *trust)[1]["error"]


def _events(keep: Callable[..., Any], repo: Path, at: tuple[str, str], scratch: Path) -> None:
    """Root waits twice for its signers: the first time it is dropped, the second time it is signed."""
    keys = [path for path in (repo / "keys").glob("*.key") if path.stem != "online"]
    holder, bundle, sig = ("--holder-dir", str(scratch / "holder")), str(scratch / "b.rstuf"), str(scratch / "b.sig")
    trusted = ("--trusted-root", str(repo / "metadata" / "1.root.json"), *holder)
    for place in keys:
        place.rename(scratch / place.name)
    keep("renew", *at, "renew", "--force", "root")
    keep("status", *at, "status")
    keep("event cancel", *at, "event", "cancel", "root-v2", "--yes")
    keep("renew", *at, "renew", "--force", "root")
    keep("event list", *at, "event", "list", "--all")
    keep("bundle export", *at, "bundle", "export", "root-v2", "-o", bundle)
    _, review = rstuf("bundle", "inspect", bundle, *trusted)
    key = ("--key", str(scratch / keys[0].name))
    rstuf("bundle", "sign", bundle, *key, "-o", sig, *trusted, "--yes", "--code", review["code"])
    keep("event show", *at, "event", "show", "root-v2")
    loose = scratch / "loose"
    shutil.copytree(repo, loose)
    for place in keys:
        (scratch / place.name).rename(place)
    keep("sign", *at, "sign", "--yes", *holder)
    keep("bundle import", *at, "bundle", "import", sig)
    keep("bundle import", *at, "bundle", "import", str(repo / "rstuf.toml"))
    shutil.copy(repo / "metadata" / "2.root.json", loose / "metadata")
    keep("recover loose-root", "--repo", str(loose), "recover", "loose-root", "--yes")


def _of_bundles(scratch: Path) -> Iterator[tuple[str, Any]]:
    world = World(SystemClock().now())
    holder, root, key = scratch / "root-v4.rstuf", scratch / "3.root.json", scratch / "vault.key"
    holder.write_bytes(encode(world.document()))
    root.write_bytes(world.files[2])
    key.touch(mode=0o600)
    key.write_bytes(write_container(keyring.private("ed25519", 2), None, where="test"))
    how = (str(holder), "--trusted-root", str(root), "--holder-dir", str(scratch / "holder"))
    _, inspected = rstuf("bundle", "inspect", *how)
    yield "bundle inspect", inspected
    sign = ("--key", str(key), "-o", str(scratch / "sig"), "--yes", "--code", inspected["code"])
    yield "bundle sign", rstuf("bundle", "sign", *how, *sign)[1]


ALWAYS_NAMED = ("demo", "ceremony", "ceremony --dry-run", "artifact add", "artifact list", "artifact show", "publish")
CLIENT = ("trust add", "trust list", "trust remove", "map make", "map show", "map check", "download")
BUNDLES = ("bundle inspect", "bundle sign")
KEYS = ("ceremony --out", "key generate", "key list", "key find", "key add", "key export")
BINS = ("bins advise", "bins resize", "lint", "prune")
DELEGATIONS = ("delegation add", "delegation prepare", "delegation accept", "delegation list", "delegation why")
GOODS = ("artifact sync --dry-run", "artifact export", "artifact why")
ROOTS = ("root update", "root show", "root history", "root diff", "key rotate", "recover root-keys")
RECOVERIES = ("recover metadata", "recover state", "recover loose-root")
CARE = ("renew", "status", "verify", "doctor", "log", "log --verify", "completion")
EVENTS = ("sign", "event list", "event show", "event cancel", "bundle export", "bundle import")
HEADINGS = ("An error", *ALWAYS_NAMED, *GOODS, *CARE, *CLIENT, *BUNDLES, *KEYS, *ROOTS, *EVENTS, *RECOVERIES, *BINS)
HEADINGS += DELEGATIONS


@pytest.mark.parametrize("heading", HEADINGS)
def test_documents_have_the_documented_fields(documents: Mapping[str, Sequence[Any]], heading: str) -> None:
    """Each document has all fields of its table that are not marked, and none that the table does not name."""
    documented = dict(pair for row in rows(heading) for pair in words(row[0]))
    if heading == "recover metadata":
        documented |= dict(pair for row in rows("renew") for pair in words(row[0]))
    if heading in {"renew", "recover metadata"}:
        documented |= dict(pair for row in rows("publish") for pair in words(row[0]))
    required = {name for name, optional in documented.items() if not optional}
    seen: set[str] = set()
    for document in documents[heading]:
        assert required <= document.keys() <= documented.keys(), document
        seen |= document.keys()
    # Interruptions, lost files, a wrong clock, and what other errors know do not happen here; a renewal has no dry run.
    elsewhere = {
        "recovery",
        "restored",
        "recorded",
        "old_copy",
        "publishing",
        "clock_behind",
        "missing",
        "waiting",
        *(["dropped"] if heading == "publish" else []),
        *(["dry_run"] if heading in {"renew", "recover metadata"} else []),
    }
    assert documented.keys() - seen <= elsewhere


def test_parts_of_documents_have_the_documented_fields(documents: Mapping[str, Sequence[Any]]) -> None:
    """Roles, keys, waiting roles and next steps have the fields that the row of their list names."""
    cells = {(heading, name): row for heading in HEADINGS for row in rows(heading) for name, _ in words(row[0])}
    parts = {
        ("status", "roles"): documents["status"][0]["roles"],
        ("status", "signers"): documents["status"][0]["signers"],
        ("publish", "roles"): documents["publish"][1]["roles"],
        ("ceremony", "keys"): documents["ceremony"][0]["keys"],
        ("ceremony", "root"): [documents["ceremony"][0]["root"]],
        ("ceremony --dry-run", "roles"): list(documents["ceremony --dry-run"][0]["roles"].values()),
        ("artifact sync --dry-run", "steps"): documents["artifact sync --dry-run"][0]["steps"],
        ("prune", "files"): documents["prune"][0]["files"],
        ("prune", "policy"): [documents["prune"][0]["policy"]],
        ("artifact export", "artifacts"): documents["artifact export"][0]["artifacts"],
        ("artifact why", "role"): [documents["artifact why"][0]["role"]],
        ("artifact why", "bin"): [documents["artifact why"][0]["bin"]],
        ("artifact why", "changed"): [documents["artifact why"][0]["changed"]],
        ("artifact why", "fetched"): documents["artifact why"][0]["fetched"],
        ("event list", "events"): [*documents["event list"][0]["events"], *documents["status"][1]["events"]],
        ("sign", "signed"): documents["sign"][0]["signed"],
        ("sign", "completed"): documents["sign"][0]["completed"],
        ("demo", "client"): documents["demo"][0]["client"],
        ("verify", "checked"): [documents["verify"][0]["checked"]],
        ("doctor", "findings"): documents["doctor"][1]["findings"],
        ("doctor", "disks"): documents["doctor"][0]["disks"],
        ("log", "entries"): documents["log"][0]["entries"],
        ("log --verify", "checked"): [documents["log --verify"][0]["checked"]],
        ("log --verify", "head"): [documents["log --verify"][0]["head"], documents["log --verify"][0]["known"]],
        ("bundle inspect", "repository"): [documents["bundle inspect"][0]["repository"]],
        ("bundle inspect", "trusted"): [documents["bundle inspect"][0]["trusted"]],
        ("bundle inspect", "parts"): documents["bundle inspect"][0]["parts"],
        ("bundle inspect", "keys"): list(documents["bundle inspect"][0]["keys"].values()),
        ("bundle inspect", "concerns"): documents["bundle inspect"][0]["concerns"],
        ("trust add", "pinned"): [documents["trust add"][0]["pinned"]],
        ("trust add", "seen"): documents["trust add"][1]["seen"]["roles"],
        ("trust add", "root"): [documents["trust add"][0]["root"]],
        ("map show", "repositories"): documents["map show"][0]["repositories"],
        ("map check", "notes"): documents["map check"][0]["notes"],
        ("download", "repositories"): documents["download"][1]["repositories"],
        ("download", "downloads"): [each for document in documents["download"] for each in document["downloads"]],
    }
    for place, entries in parts.items():
        named = {name for name, _ in words(cells[place][1])}
        assert entries, place
        for entry in entries:
            assert entry.keys() <= named, place


def test_every_command_has_its_document() -> None:
    """No command is left out."""
    said = "".join(
        section(title).split("|")[0]
        for title in ("artifact add", "trust add", "key list", "renew", "root update", "key rotate", "delegation add")
    )
    for verb in VERBS:
        assert verb.path in HEADINGS or f"`{verb.path}`" in said, verb.path


# --- what verify reports ---------------------------------------------------------------------------------


def test_every_problem_is_documented() -> None:
    """The table has each kind of problem once, and no other; the notes are all there too."""
    title = "Problems that verify reports"
    named = [name for row in rows(title) for name, _ in words(row[0])]
    assert sorted(named) == sorted(map(str, Code))
    notes = re.findall(r"`([a-z0-9-]+)`", section(title).split("Notes, in")[1])
    assert sorted(set(notes) - {"facts"}) == sorted(map(str, Note))
