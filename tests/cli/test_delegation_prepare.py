"""`delegation prepare`: without a workspace, a delegate makes and signs what the repository then publishes as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tests.cli.conftest import Cli, Shop, as_person
from tests.support.clients import Client, directory_site
from tuf.api.metadata import Metadata, Targets

from rstuf.clock import SystemClock


@pytest.fixture
def vera(shop: Shop, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Vera's machine, on which the test stands: her key, and the repository that she trusts by its fingerprint.

    vendor is hers: the workspace has her public key alone, and she signed the first version from its bundle.
    """
    home = tmp_path / "vera"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    at = ("--repo", shop.workspace)
    assert cli("key", "generate", "vera", "--unencrypted").code == 0
    assert cli(*at, "key", "add", "vera", home / "vera.pub").code == 0
    assert cli(*at, "delegation", "add", "vendor", "--path", "vendor/*", "--signer", "vera", "--yes").code == 4
    assert cli(*at, "bundle", "export", "vendor-v1", "-o", home / "v1.rstuf").code == 0
    shown = cli("bundle", "inspect", "v1.rstuf", "--fingerprint", shop.fingerprint, "--json").document
    words = ("--fingerprint", shop.fingerprint, "--yes", "--code", shown["code"], "-o", "v1.sig")
    assert cli("bundle", "sign", "v1.rstuf", "--key", "vera.key", *words).code == 0
    assert cli(*at, "bundle", "import", "v1.sig").code == 0
    shop.settle()
    assert cli("trust", "add", "acme", shop.url, "--fingerprint", shop.fingerprint).code == 0
    (home / "dist").mkdir()
    (home / "dist" / "app.bin").write_bytes(b"app")
    return home


def flat(text: str) -> str:
    """What was said, on one line."""
    return " ".join(text.split())


def accept(shop: Shop, cli: Cli, file: Path, *words: object) -> None:
    """What the repository's people do with it."""
    done = cli("--repo", shop.workspace, "delegation", "accept", file, *words)
    assert done.code == 0, done.err
    shop.settle()


PREPARE = ("delegation", "prepare", "vendor")


def test_a_role_goes_from_machine_to_machine(shop: Shop, vera: Path, tmp_path: Path, cli: Cli) -> None:
    """Made over what is served, signed with a key that never leaves, published as it is; then replaced and removed."""
    done = cli(*PREPARE, "dist", "--prefix", "vendor", "--key", "vera.key", "--yes")
    assert done.code == 0, done.err
    assert "vendor v2 is signed: 2.vendor.json" in done.out
    assert "rstuf delegation accept 2.vendor.json --contents DIR" in done.out
    file = vera / "2.vendor.json"
    assert list(Metadata.from_file(str(file)).signed.targets) == ["vendor/app.bin"]
    accept(shop, cli, file, "--contents", "dist", "--prefix", "vendor")
    assert (shop.workspace / "metadata" / "2.vendor.json").read_bytes() == file.read_bytes()
    assert cli("download", "vendor/app.bin", "-o", "fetched").code == 0
    assert (vera / "fetched").read_bytes() == b"app"
    (vera / "dist" / "app.bin").write_bytes(b"another")
    (vera / "dist" / "new.bin").write_bytes(b"new")
    refused = cli(*PREPARE, "dist", "--prefix", "vendor", "--key", "vera.key", "--yes")
    assert "with --replace" in refused.err
    custom = ("--custom", '{"channel": "beta"}')
    done = cli(*PREPARE, "dist", "--prefix", "vendor", "--key", "vera.key", "--replace", *custom, "--yes", "--json")
    assert done.code == 0, done.err
    said = done.document
    assert (said["version"], said["previous"], said["lacking"]) == (3, 2, 0)
    assert (said["added"], said["replaced"], said["recorded"]) == (["vendor/new.bin"], ["vendor/app.bin"], True)
    accept(shop, cli, vera / "3.vendor.json", "--contents", "dist", "--prefix", "vendor")
    done = cli(*PREPARE, "--remove", "vendor/app.bin", "--key", "vera.key", "--yes")
    assert done.code == 0, done.err
    accept(shop, cli, vera / "4.vendor.json")
    site = directory_site(shop.workspace / "metadata", shop.workspace / "targets")
    client = Client(tmp_path / "client", site, root=shop.root.read_bytes(), now=SystemClock().now())
    assert client.find("vendor/app.bin") is None
    assert client.download("vendor/new.bin") == b"new"
    assert cli("--repo", shop.workspace, "verify", "--full").code == 0
    assert cli("--repo", shop.workspace, "key", "list", "--json").document["keys"]


def test_nothing_is_signed_that_was_not_seen(shop: Shop, vera: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is asked sees the artifacts and the changes; nobody to ask, or a no, and nothing is there."""
    words = (*PREPARE, "dist", "--prefix", "vendor", "--key", "vera.key")
    assert cli(*words).code == 2
    with monkeypatch.context() as patch:
        asked = as_person(patch, says=False)
        done = cli(*words)
    assert done.code == 1
    assert asked == ["Sign vendor v2?"]
    assert "vendor/app.bin" in done.err
    assert not (vera / "2.vendor.json").exists()
    (vera / "2.vendor.json").write_text("mine")
    assert "is there already" in cli(*words, "--yes").err
    assert (vera / "2.vendor.json").read_text() == "mine"


def test_what_the_role_is_not_for_is_refused_at_once(shop: Shop, vera: Path, cli: Cli) -> None:
    """Paths outside, roles that are none, a key that may not sign it, versions that are not above."""
    words = ("--key", "vera.key", "--yes")
    refused = cli(*PREPARE, "dist", "--prefix", "other", *words)
    assert refused.code == 1
    assert "vendor is not for other/app.bin" in refused.err
    refused = cli("delegation", "prepare", "nobody", *words)
    assert "there is no role 'nobody'" in refused.err
    assert "no such path" in cli(*PREPARE, "--remove", "vendor/none", *words).err
    assert "clients see version 1 already" in cli(*PREPARE, "--version", "1", *words).err
    assert cli("key", "generate", "eve", "--unencrypted").code == 0
    assert "may not sign vendor-v2" in cli(*PREPARE, "--key", "eve.key", "--yes").err
    assert not list(vera.glob("*.vendor.json"))
    done = cli(*PREPARE, "--version", "9", *words)
    assert done.code == 0, done.err
    assert (vera / "9.vendor.json").exists()


def test_what_is_served_is_not_believed(shop: Shop, vera: Path, cli: Cli) -> None:
    """Changed, older or missing metadata is refused before anything is signed."""
    good = dict(shop.site.files)
    changed = good["1.vendor.json"].replace(b'"version":1', b'"version":2')
    for name, data in {"1.vendor.json": changed, "timestamp.json": b"{}", "1.root.json": good["1.root.json"]}.items():
        shop.site.files[name] = data
        if name == "1.root.json":
            del shop.site.files["1.vendor.json"]
        refused = cli(*PREPARE, "--key", "vera.key", "--yes")
        assert refused.code in {3, 6}, (name, refused.err)
        shop.site.files.update(good)
    assert not list(vera.glob("*.vendor.json"))
    assert cli(*PREPARE, "--key", "vera.key", "--yes").code == 0


def test_a_role_that_expired_is_made_anew(shop: Shop, vera: Path, cli: Cli, later: Callable[[timedelta], None]) -> None:
    """Clients refuse it, and its delegate can renew it all the same; the repository renewed the rest."""
    short = cli(*PREPARE, "dist", "--prefix", "vendor", "--key", "vera.key", "--expires", "2d", "--yes")
    assert short.code == 0, short.err
    accept(shop, cli, vera / "2.vendor.json", "--contents", "dist", "--prefix", "vendor")
    later(timedelta(days=3))
    renewed = cli("--repo", shop.workspace, "renew")
    assert renewed.code == 4
    theirs = "rstuf delegation prepare vendor --expires 365d --key KEY"
    assert f"{theirs}; then here: rstuf delegation accept FILE" in flat(renewed.err)
    assert cli("--repo", shop.workspace, "renew", "--json").document["waiting"][0]["elsewhere"] is True
    assert cli("--repo", shop.workspace, "event", "list", "--json").document["events"] == []
    steps = cli("--repo", shop.workspace, "status", "--json").document["next_steps"]
    assert [step["command"] for step in steps] == [theirs]
    shop.settle()
    assert cli("download", "vendor/app.bin", "-o", "fetched").code == 3
    done = cli(*PREPARE, "--key", "vera.key", "--yes")
    assert done.code == 0, done.err
    made = sorted(vera.glob("[3-9].vendor.json"))[-1]
    done = cli("--repo", shop.workspace, "delegation", "accept", made)
    assert done.code == 0, done.err
    shop.settle()
    assert cli("download", "vendor/app.bin", "-o", "fetched").code == 0
    # Whoever wants it signed from a bundle can still have that.
    assert cli("--repo", shop.workspace, "renew", "--force", "vendor").code == 4
    (event,) = cli("--repo", shop.workspace, "event", "list", "--json").document["events"]
    assert event["kind"] == "renewal"


def test_several_delegates_sign_one_file(
    shop: Shop, vera: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first makes it, and a bundle of it for the other; each file alone is too little, both are enough."""
    at = ("--repo", shop.workspace)
    assert cli("key", "generate", "victor", "--unencrypted").code == 0
    assert cli(*at, "key", "add", "victor", "victor.pub").code == 0
    signers = ("--signer", "vera", "--signer", "victor", "--threshold", "2")
    assert cli(*at, "delegation", "update", "vendor", *signers, "--yes").code == 4
    assert cli(*at, "bundle", "export", "vendor-v2", "-o", vera / "v2.rstuf").code == 0
    code = cli("bundle", "inspect", "v2.rstuf", "--json").document["code"]
    for name in ("vera", "victor"):
        words = ("--yes", "--code", code, "-o", f"{name}-v2.sig")
        assert cli("bundle", "sign", "v2.rstuf", "--key", f"{name}.key", *words).code == 0
        assert cli(*at, "bundle", "import", f"{name}-v2.sig").code in {0, 4}
    shop.settle()
    words = ("dist", "--prefix", "vendor", "--bundle", "v3.rstuf", "--key", "vera.key", "--yes")
    made = cli(*PREPARE, *words)
    assert made.code == 0, made.err
    assert "it takes 1 more signature; they sign v3.rstuf" in made.out
    contents = ("--contents", "dist", "--prefix", "vendor")
    done = cli(*at, "delegation", "accept", "3.vendor.json", *contents)
    assert done.code == 4, done.err
    code = cli("bundle", "inspect", "v3.rstuf", "--json").document["code"]
    assert cli("bundle", "sign", "v3.rstuf", "--key", "victor.key", "-o", "v3.sig", "--yes", "--code", code).code == 0
    done = cli(*at, "bundle", "import", "v3.sig")
    assert done.code == 0, done.err
    assert "vendor v3 has all its signatures, and is published" in done.out
    shop.settle()
    both = cli(*PREPARE, "--key", "vera.key", "--key", "victor.key", "--bundle", "v4.rstuf", "--yes", "--json")
    assert both.document["lacking"] == 0
    accept(shop, cli, vera / "v4.rstuf")
    published = json.loads((shop.workspace / "metadata" / "4.vendor.json").read_text())
    assert len(published["signatures"]) == 2
    digest = hashlib.sha256((vera / "4.vendor.json").read_bytes()).hexdigest()
    assert hashlib.sha256((shop.workspace / "metadata" / "4.vendor.json").read_bytes()).hexdigest() == digest


def test_a_role_further_down_is_found_and_made(shop: Shop, vera: Path, tmp_path: Path, cli: Cli) -> None:
    """Below another role, whose own file leads there; what it delegates itself stays as it is."""
    at = ("--repo", shop.workspace)
    assert cli(*at, "delegation", "add", "outer", "--path", "x/*", "--path", "x/*/*", "--yes").code == 0
    inner = ("--path", "x/in/*", "--parent", "outer", "--signer", "vera", "--expires", "90d")
    assert cli(*at, "delegation", "add", "inner", *inner, "--yes").code == 4
    assert cli(*at, "bundle", "export", "inner-v1", "-o", vera / "in.rstuf").code == 0
    code = cli("bundle", "inspect", "in.rstuf", "--json").document["code"]
    assert cli("bundle", "sign", "in.rstuf", "--key", "vera.key", "-o", "in.sig", "--yes", "--code", code).code == 0
    assert cli(*at, "bundle", "import", "in.sig").code == 0
    shop.settle()
    words = ("--key", "vera.key", "--expires", "90d", "--yes")
    refused = cli("delegation", "prepare", "inner", "dist", "--prefix", "x", *words)
    assert "inner is not for x/app.bin" in refused.err
    assert "it is for x/in/*" in refused.err
    done = cli("delegation", "prepare", "inner", "dist", "--prefix", "x/in", *words)
    assert done.code == 0, done.err
    accept(shop, cli, vera / "2.inner.json", "--contents", "dist", "--prefix", "x/in")
    site = directory_site(shop.workspace / "metadata", shop.workspace / "targets")
    client = Client(tmp_path / "client", site, root=shop.root.read_bytes(), now=SystemClock().now())
    assert client.download("x/in/app.bin") == b"app"
    assert cli(*at, "verify", "--full").code == 0


def test_what_another_role_is_for_first_is_refused_on_both_sides(shop: Shop, vera: Path, cli: Cli) -> None:
    """A delegation that comes before is for it: no client would look for it in vendor."""
    first = ("--path", "vendor/special*", "--before", "vendor", "--yes")
    assert cli("--repo", shop.workspace, "delegation", "add", "first", *first).code == 0
    shop.settle()
    (vera / "dist" / "special.bin").write_bytes(b"special")
    words = ("--prefix", "vendor", "--key", "vera.key", "--yes")
    refused = cli(*PREPARE, "dist", *words)
    assert "clients look for vendor/special.bin in first, which comes before vendor" in flat(refused.err)
    (vera / "dist" / "special.bin").unlink()
    assert cli(*PREPARE, "dist", *words).code == 0
    metadata = Metadata[Targets].from_file(str(vera / "2.vendor.json"))
    metadata.signed.targets["vendor/special.bin"] = metadata.signed.targets.pop("vendor/app.bin")
    metadata.sign(CryptoSigner(load_pem_private_key((vera / "vera.key").read_bytes(), None)))
    metadata.to_file(str(vera / "2.vendor.json"))
    refused = cli("--repo", shop.workspace, "delegation", "accept", vera / "2.vendor.json", "--no-contents")
    assert refused.code == 3
    assert "clients look for vendor/special.bin in first" in flat(refused.err)


def test_a_mirror_leads_nobody_back(shop: Shop, vera: Path, cli: Cli) -> None:
    """What was seen once is remembered: an older list, though rightly signed, is nothing to begin with."""
    old = dict(shop.site.files)
    assert cli(*PREPARE, "dist", "--prefix", "vendor", "--key", "vera.key", "--yes").code == 0
    accept(shop, cli, vera / "2.vendor.json", "--contents", "dist", "--prefix", "vendor")
    assert cli(*PREPARE, "--key", "vera.key", "-o", "again.json", "--yes").code == 0
    shop.site.files.clear()
    shop.site.files.update(old)
    refused = cli(*PREPARE, "--key", "vera.key", "--yes")
    assert refused.code == 3
    assert not (vera / "3.vendor.json").exists()


def test_a_version_of_ones_own_that_is_not_served_is_told(
    shop: Shop, vera: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror that is behind, and a number that is free: what came out since then would be undone by that."""
    first = cli(*PREPARE, "dist", "--prefix", "vendor", "--key", "vera.key", "--yes", "--json")
    assert first.document["signed_ahead"] is None
    at = ("--repo", shop.workspace)
    words = ("--contents", "dist", "--prefix", "vendor")
    assert cli(*at, "delegation", "accept", vera / "2.vendor.json", *words).code == 0
    asked = as_person(monkeypatch, says=False)
    refused = cli(*PREPARE, "--version", "3", "--key", "vera.key")
    assert refused.code == 1
    assert "! you signed vendor v2 already, and what that changed is not in this" in flat(refused.err)
    assert asked == ["Sign vendor v3?"]
    lagging = cli(*PREPARE, "--version", "3", "--key", "vera.key", "-o", "late.json", "--yes", "--json")
    assert lagging.document["signed_ahead"] == 2
    shop.settle()
    done = cli(*PREPARE, "--version", "4", "--key", "vera.key", "--yes")
    assert "! you signed vendor v3 already" in flat(done.err)


def test_what_the_terminal_should_not_see_is_escaped(shop: Shop, vera: Path, cli: Cli) -> None:
    """Names of files, roles and paths come from outside, too."""
    (vera / "dist" / "a\x1b[31mred").write_bytes(b"x")
    for words in (
        (*PREPARE, "dist", "--prefix", "vendor"),
        ("delegation", "prepare", "\x1b[31m"),
        (*PREPARE, "--remove", "vendor/\x1b[31m"),
    ):
        refused = cli(*words, "--key", "vera.key", "--yes")
        assert refused.code == 1
        assert "\x1b" not in refused.err
