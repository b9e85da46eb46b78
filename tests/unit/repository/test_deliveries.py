"""Roles that somebody signed elsewhere, with whatever tool: they come out byte for byte, or are refused and why."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.delegated import delegate, where
from tests.support.deliveries import NEW, accept, look, refused, whole, with_a_delegate
from tests.support.elsewhere import entry, made, said, signatures, signed_json
from tests.support.engine import Engine, check_client, client_of

from rstuf.errors import ClientsExcluded, DelegationNotFound
from rstuf.model.names import RoleName
from rstuf.repository.delegating import (
    DelegationChange,
    bring_proposal,
    propose_change,
)
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """team, signed by tara, whose key went away after its first version, which lists team/old."""
    return with_a_delegate(tmp_path / "repository")


@pytest.mark.parametrize("compact", [False, True])
def test_what_another_tool_signed_comes_out_byte_for_byte(engine: Engine, tmp_path: Path, compact: bool) -> None:
    """python-tuf's file, pretty or compact, is what clients get: added, replaced and removed at once."""
    before = client_of(engine, tmp_path / "warm")
    assert before.download("team/old") == b"old"
    contents = {"team/new": b"new", "team/more": b"more"}
    data = made(engine, "team", 3, contents, by=["tara"], compact=compact, custom={"b": 1, "a": [None, "é"]})
    report = accept(engine, data, contents)
    assert report.waits is None
    assert report.completion is not None
    assert report.completion.obstacle is None
    assert engine.metadata.files["3.team.json"] == data
    assert check_client(engine, tmp_path / "warm").roles["team"] == 3
    check_client(engine, tmp_path / "cold")
    found = where(engine)
    assert {path for path in found if path != "a.txt"} == set(contents)
    assert all(found[path] == "team published" for path in contents)
    assert not publish(engine.ports).published
    assert renew(engine.ports).waiting == ()
    whole(engine)


def test_the_same_again_is_no_harm(engine: Engine, tmp_path: Path) -> None:
    """A file that is out already changes nothing; another one of that version is refused, with whose it is."""
    data = made(engine, "team", 3, NEW, by=["tara"])
    accept(engine, data, NEW)
    files = dict(engine.metadata.files)
    again = accept(engine, data)
    assert again.delivery.published
    assert (again.completion, again.waits) == (None, None)
    assert accept(engine, made(engine, "team", 3, NEW, by=["tara"], compact=True)).delivery.published
    assert engine.metadata.files == files
    error = refused(engine, made(engine, "team", 3, {"team/other": b"other"}, by=["tara"]), "version-taken")
    assert "team-v3, opened by test" in error.message
    assert "signed by tara, is published" in error.message
    assert "Once the delegate's mirror has version 3, make it anew" in str(error.hint)
    assert "--version" not in str(error.hint)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"version": 1}, "version"),
        ({"version": 2}, "version-taken"),
        ({"version": 2**53 - 1}, "version"),
        ({"version": 2**63}, "form"),
        ({"version": True}, "form"),
        ({"version": 3.0}, "form"),
        ({"version": "3"}, "form"),
        ({"version": -1}, "form"),
        ({"expires": "2026-11-19T00:00:00Z"}, "expires"),
        ({"expires": "2999-01-01T00:00:00Z"}, "expires"),
        ({"expires": "2027-01-01"}, "form"),
        ({"expires": "2027-01-01T00:00:00+00:00"}, "form"),
        ({"_type": "snapshot"}, "form"),
        ({"_type": "root"}, "form"),
        ({"spec_version": "2.0.0"}, "spec-version"),
        ({"spec_version": None}, "spec-version"),
        ({"targets": []}, "form"),
        ({"targets": {"team/a": {}}}, "artifact"),
        ({"targets": {"team/a": []}}, "artifact"),
        ({"targets": {"team/a": {"length": -1, "hashes": {"sha256": "0" * 64}}}}, "artifact"),
        ({"targets": {"team/a": {"length": 2**53, "hashes": {"sha256": "0" * 64}}}}, "form"),
        ({"targets": {"team/a": {"length": 1, "hashes": {"md5": "0" * 32}}}}, "artifact"),
        ({"targets": {"team/a": {"length": 1, "hashes": {"sha256": "0" * 63}}}}, "artifact"),
        ({"targets": {"team/a": {"length": 1, "hashes": {}}}}, "artifact"),
        ({"targets": {"team/a": {"length": 1, "hashes": {"sha256": "0" * 64}, "x": 1}}}, "artifact"),
        ({"targets": {"team/a": {"length": 1, "hashes": {"sha256": "0" * 64}, "custom": None}}}, "artifact"),
        ({"targets": {"../team/a": entry(b"a")}}, "artifact"),
        ({"targets": {"team/\x1b[31ma": entry(b"a")}}, "artifact"),
        ({"targets": {"team/a\u202eb": entry(b"a")}}, "artifact"),
        ({"targets": {"": entry(b"a")}}, "artifact"),
        ({"targets": {"a.txt": entry(b"a")}}, "path"),
        ({"targets": {"team/b/c": entry(b"a")}}, "path"),
        ({"delegations": {"keys": {}, "roles": []}}, "delegations"),
        ({"x": {"y": [[[]]]}, "version": 4, "targets": {"other/a": entry(b"a")}}, "path"),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_what_clients_should_not_see_is_refused(engine: Engine, change: dict[str, Any], rule: str) -> None:
    """Whatever tara signs, properly: nothing is changed, and the reason is told."""
    signed = {**said(engine, 3, {}), **change}
    if change.get("version") == 3.0:
        data = signed_json(engine, {**signed, "version": 3}, by=["tara"]).replace(b'"version": 3', b'"version": 3.0')
    else:
        data = signed_json(engine, signed, by=["tara"])
    refused(engine, data, rule)


def test_a_clock_that_went_back_refuses_nothing(engine: Engine, tmp_path: Path) -> None:
    """How long it lives is judged by when the newest metadata here was signed: a clock before that is wrong."""
    data = made(engine, "team", 3, NEW, by=["tara"])
    engine.clock.advance(timedelta(days=-400))
    accept(engine, data, NEW)
    engine.clock.advance(timedelta(days=400))
    assert check_client(engine, tmp_path / "cold").roles["team"] == 3
    whole(engine)


def test_who_may_not_sign_it_is_refused(engine: Engine) -> None:
    """Strangers, nobody, the same twice, a signature that does not verify, and one over something else."""
    engine.make_key("eve")
    refused(engine, made(engine, "team", 3, NEW, by=["eve"]), "signer")
    refused(engine, made(engine, "team", 3, NEW, by=[]), "unsigned")
    refused(engine, made(engine, "team", 3, NEW, by=["tara", "eve"]), "signer")
    signed = said(engine, 3, NEW)
    (sig,) = signatures(engine, signed, by=["tara"])
    refused(engine, json.dumps({"signed": signed, "signatures": [sig, sig]}).encode(), "signed-twice")
    refused(engine, json.dumps({"signed": {**signed, "version": 4}, "signatures": [sig]}).encode(), "signature")
    refused(engine, json.dumps({"signed": signed, "signatures": [{**sig, "sig": "00"}]}).encode(), "signature")
    many = [{**sig, "keyid": f"{number:064x}"} for number in range(5000)]
    refused(engine, json.dumps({"signed": signed, "signatures": many}).encode(), "signatures")


def test_one_key_under_two_ids_counts_once(engine: Engine) -> None:
    """A threshold of two is not met by one key value, whatever ids it stands under."""
    signed = said(engine, 3, NEW)
    (sig,) = signatures(engine, signed, by=["tara"])
    data = json.dumps({"signed": signed, "signatures": [sig, {**sig, "keyid": sig["keyid"].upper()}]}).encode()
    refused(engine, data, "signer")


def test_bytes_that_readers_could_understand_differently_are_refused(engine: Engine) -> None:
    """Duplicate keys, what nobody has signed, endless nesting, no JSON at all, and too much of it."""
    data = signed_json(engine, said(engine, 3, NEW), by=["tara"])
    refused(engine, data.replace(b'"version": 3', b'"version": 9, "version": 3'), "form")
    refused(engine, data.replace(b'{"signed"', b'{"signed": {}, "signed"', 1), "form")
    refused(engine, data.replace(b'{"signed"', b'{"note": "trust me", "signed"', 1), "unsigned-field")
    refused(engine, data.replace(b'"sig":', b'"by": "tara", "sig":', 1), "unsigned-field")
    refused(engine, b"[" * 100_000, "form")
    refused(engine, b'{"a":' * 500 + b"1" + b"}" * 500, "form")
    refused(engine, b"", "form")
    refused(engine, b"\xff\xfe", "form")
    refused(engine, b"\xef\xbb\xbf" + data, "form")
    refused(engine, data + b" " * 5_000_000, "size")


def test_the_file_of_another_role_is_refused(engine: Engine) -> None:
    """Who signs two roles cannot have the one come out as the other: its paths are not there."""
    engine.keys.away.clear()
    delegate(engine, "ops", "ops/*", signers=("tara",))
    engine.keys.away.add("tara")
    error = refused(engine, made(engine, "ops", 3, {"ops/x": b"x"}, by=["tara"]), "path")
    assert "team is not for ops/x" in error.message or "clients look for ops/x in ops" in error.message


def test_any_form_of_json_comes_out_as_it_is(engine: Engine, tmp_path: Path) -> None:
    """Spaces, another order, escapes: not canonical, and valid. Its own fields stay when the role is made here, too."""
    before = client_of(engine, tmp_path / "warm")
    before.refresh()
    contents = {"team/é": b"new"}
    signed = said(engine, 7, contents, **{"x-made-by": {"tool": "zed", "\x01": ["\x1f"]}})
    data = signed_json(engine, dict(reversed(signed.items())), by=["tara"], indent=3, ensure_ascii=True)
    accept(engine, data, contents)
    assert engine.metadata.files["7.team.json"] == data
    check_client(engine, tmp_path / "warm")
    check_client(engine, tmp_path / "cold")
    whole(engine)
    engine.keys.away.clear()
    engine.add("team/here", b"here")
    publish(engine.ports)
    ours = json.loads(engine.metadata.files["8.team.json"])["signed"]
    assert ours["x-made-by"] == signed["x-made-by"]
    assert set(ours["targets"]) == {"team/é", "team/here"}
    check_client(engine, tmp_path / "warm")


def test_contents_are_here_before_clients_are_told(engine: Engine, tmp_path: Path) -> None:
    """Missing or other contents are refused and named; said to be elsewhere, they are not looked for."""
    data = made(engine, "team", 3, NEW, by=["tara"])
    assert "team/new" in refused(engine, data, "contents").message
    assert "team/new" in refused(engine, data, "contents", contents={"team/unasked": b"x"}).message
    error = refused(engine, data, "contents", contents={"team/new": b"other"})
    assert "is not what was signed: its length is 5, and 3 is signed" in error.message
    assert "its sha256 is" in refused(engine, data, "contents", contents={"team/new": b"NEW"}).message
    report = accept(engine, data, elsewhere=True)
    assert report.contents == 0
    assert where(engine)["team/new"] == "team published"


def test_contents_are_kept_under_each_hash_that_is_signed(engine: Engine, tmp_path: Path) -> None:
    """A client asks under the first hash in the metadata's order, which may be sha512."""
    content = b"long"
    hashes = {"sha512": hashlib.sha512(content).hexdigest(), "sha256": hashlib.sha256(content).hexdigest()}
    signed = said(engine, 3, {}, targets={"team/long": {"hashes": hashes, "length": 4}})
    accept(engine, signed_json(engine, signed, by=["tara"]), {"team/long": content})
    check_client(engine, tmp_path / "client")
    only = {"sha512": hashlib.sha512(b"only").hexdigest()}
    signed = said(engine, 4, {}, targets={"team/only": {"hashes": only, "length": 4}})
    accept(engine, signed_json(engine, signed, by=["tara"]), {"team/only": b"only"})
    check_client(engine, tmp_path / "client")


def test_what_is_here_already_must_be_what_is_signed(engine: Engine, tmp_path: Path) -> None:
    """A length that lies of a content that is here, be it of a path that comes back; and hashes of two contents."""
    accept(engine, made(engine, "team", 3, NEW, by=["tara"]), NEW)

    def lies(version: int, path: str, **entry_of: Any) -> bytes:
        return signed_json(engine, said(engine, version, {}, targets={path: entry_of}), by=["tara"])

    sha256 = {"sha256": hashlib.sha256(b"new").hexdigest()}
    error = refused(engine, lies(4, "team/new", length=99, hashes=sha256), "contents", elsewhere=True)
    assert "its length is 3, and 99 is signed" in error.message
    refused(engine, lies(4, "team/new", length=99, hashes=sha256), "contents", contents=NEW)
    both = {"team/new": {"length": 3, "hashes": {"sha512": hashlib.sha512(b"NEW").hexdigest()}}}
    data = signed_json(engine, said(engine, 4, {}, targets=both), by=["tara"])
    accept(engine, data, {"team/new": b"NEW"})
    two = both["team/new"]["hashes"] | sha256
    assert "its sha" in refused(engine, lies(5, "team/new", length=3, hashes=two), "contents").message
    accept(engine, made(engine, "team", 5, {}, by=["tara"]), {})
    refused(engine, lies(6, "team/new", length=99, hashes=sha256), "contents")
    accept(engine, made(engine, "team", 6, NEW, by=["tara"]))
    engine.contents.update(NEW)
    check_client(engine, tmp_path / "client")
    whole(engine)


def test_contents_that_were_elsewhere_are_brought_later(engine: Engine, tmp_path: Path) -> None:
    """The same file with its contents, or the next one that keeps what it lists: they are taken in then."""
    data = made(engine, "team", 3, NEW, by=["tara"])
    accept(engine, data, elsewhere=True)
    assert accept(engine, data).contents == 0
    refused(engine, data, "contents", contents={"team/new": b"other"})
    again = accept(engine, data, NEW)
    assert (again.delivery.published, again.contents) == (True, 1)
    del engine.contents["team/old"]
    check_client(engine, tmp_path / "client")
    more = NEW | {"team/more": b"more"}
    accept(engine, made(engine, "team", 4, more, by=["tara"]), elsewhere=True)
    most = more | {"team/most": b"most"}
    assert accept(engine, made(engine, "team", 5, most, by=["tara"]), most).contents == 2
    check_client(engine, tmp_path / "client")
    whole(engine)


def test_other_roles_cannot_be_brought(engine: Engine) -> None:
    """Nobody delegates to it; or the online key signs it, or bins of it: those are signed here."""
    engine.keys.away.clear()
    delegate(engine, "online", "online/*")
    data = made(engine, "any", 3, {}, by=["tara"])
    refused(engine, data, "online", role="online")
    for name in ("nobody", "targets", "bins-0"):
        with pytest.raises(DelegationNotFound):
            look(engine, data, role=name)
    error = refused(engine, data, "bins", role="bins")
    assert "rstuf artifact add" in str(error.hint)


def test_what_a_client_would_misread_is_refused(engine: Engine) -> None:
    """Told before it is recorded: an event that could never come out would keep all that follows from clients."""
    strict = engine.with_ports(clients=("tuf-js",))
    many = {f"team/{number}": b"" for number in range(1001)}
    with pytest.raises(ClientsExcluded, match="more than 1000 artifacts"):
        look(strict, made(strict, "team", 3, many, by=["tara"]))
    spaced = said(strict, 3, {"team/a ": b"a"})
    escaped = signed_json(strict, spaced, by=["tara"], indent=1).replace(b'"team/a "', b'"team/\\u0061\\u0020"')
    with pytest.raises(ClientsExcluded, match="it ends with a space"):
        look(strict, escaped)
    accept(strict, made(strict, "team", 3, NEW, by=["tara"]), NEW)


def test_what_cannot_come_out_keeps_nothing_else_back(engine: Engine, tmp_path: Path) -> None:
    """A client that has to read it is named only afterwards: it waits, is told, and all else is published."""
    engine.make_key("tom")
    engine.keys.away.clear()
    change = DelegationChange(signers=("tara", "tom"), threshold=2)
    bring_proposal(engine.ports, propose_change(engine.ports, RoleName("team"), change))
    engine.keys.away.update(["tara", "tom"])
    many = {f"team/{number}": b"" for number in range(1001)}
    accept(engine, made(engine, "team", 4, many, by=["tara"]), elsewhere=True)
    strict = engine.with_ports(clients=("tuf-js",))
    (done,) = strict.events.receive([engine.signature("team-v4", "tom")]).completions
    assert isinstance(done.obstacle, ClientsExcluded)
    strict.add("b.txt", b"beside")
    assert publish(strict.ports).published
    check_client(engine, tmp_path / "client")
