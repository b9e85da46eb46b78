"""Roles that somebody signed elsewhere, with whatever tool: they come out byte for byte, or are refused and why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.delegated import delegate, where
from tests.support.elsewhere import entry, made, said, signatures, signed_json
from tests.support.engine import Engine, MemorySource, check_client, client_of

from rstuf.errors import ClientsExcluded, DelegationNotFound, DeliveryRefused, EventOpen, InvalidInput
from rstuf.metadata.brought_role import take_brought_apart
from rstuf.model.events import SigningEvent
from rstuf.model.keys import Loss
from rstuf.model.names import RoleName, target_path
from rstuf.model.patterns import path_pattern
from rstuf.model.policy import Periods
from rstuf.repository.brought_roles import Delivery, look_at_delivery
from rstuf.repository.delegating import (
    DelegationChange,
    DelegationPlan,
    bring_proposal,
    propose_addition,
    propose_change,
    propose_removal,
)
from rstuf.repository.deliveries import DeliveryReport, take_delivery
from rstuf.repository.publish import publish
from rstuf.repository.renewal import renew
from rstuf.repository.verify import Depth
from rstuf.repository.verify_own import verify_own


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """team, signed by tara, whose key went away after its first version, which lists team/old."""
    engine = Engine.live(tmp_path / "repository")
    engine.add("a.txt", b"first")
    publish(engine.ports)
    engine.make_key("tara")
    delegate(engine, "team", "team/*", signers=("tara",))
    engine.add("team/old", b"old")
    publish(engine.ports)
    engine.keys.away.add("tara")
    return engine


def look(engine: Engine, data: bytes, *, role: str = "team") -> Delivery:
    """What a file would change."""
    return look_at_delivery(engine.ports, take_brought_apart(data, name=RoleName(role), file=f"{role}.json"))


def accept(
    engine: Engine, data: bytes, contents: Mapping[str, bytes] | None = None, *, role: str = "team", **more: Any
) -> DeliveryReport:
    """Accept a file, with contents."""
    sources = None if contents is None else [MemorySource(target_path(path), data) for path, data in contents.items()]
    shown = look(engine, data, role=role)
    drop = [view.event for view in shown.drops]
    report = take_delivery(engine.ports, shown, contents=sources, drop=drop, **more)
    if contents is not None and not report.delivery.lacking:
        for path in report.delivery.removed:
            del engine.contents[path]
        engine.contents.update(contents)
    return report


def whole(engine: Engine) -> None:
    """Everything agrees: the audit of what is published, and the state."""
    report = verify_own(engine.ports, depth=Depth.FULL)
    assert report.ok, report.problems


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


def waits(engine: Engine) -> list[SigningEvent]:
    """The events that are open."""
    return [view.event for view in engine.events.views()]


def refused(engine: Engine, data: bytes, rule: str, *, role: str = "team", **more: Any) -> DeliveryRefused:
    """A file that is refused for a rule, with nothing changed by that."""
    before = (dict(engine.metadata.files), dict(engine.artifacts.files), where(engine), waits(engine))
    with pytest.raises(DeliveryRefused) as caught:
        accept(engine, data, role=role, **more)
    assert caught.value.rule == rule
    assert before == (dict(engine.metadata.files), dict(engine.artifacts.files), where(engine), waits(engine))
    return caught.value


NEW = {"team/new": b"new"}


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


def test_below_the_threshold_it_waits_for_the_others(engine: Engine, tmp_path: Path) -> None:
    """Nobody sees it; tom's signature may come from the bundle, in a file of his, or in one with both."""
    engine.make_key("tom")
    engine.keys.away.clear()
    change = DelegationChange(signers=("tara", "tom"), threshold=2)
    bring_proposal(engine.ports, propose_change(engine.ports, RoleName("team"), change))
    engine.keys.away.update(["tara", "tom"])
    version = json.loads(engine.metadata.files["timestamp.json"])["signed"]["version"]
    for number, bring in enumerate(("bundle", "file", "both"), start=4):
        contents = {f"team/{bring}": bring.encode()}
        signed = said(engine, number, contents)
        first = accept(engine, signed_json(engine, signed, by=["tara"]), contents)
        assert first.completion is None
        assert first.waits is not None
        assert (first.waits.event.name, first.waits.lacking) == (f"team-v{number}", 1)
        assert f"team/{bring}" not in where(engine)
        again = accept(engine, signed_json(engine, signed, by=["tara"], indent=1))
        assert again.waits is not None
        assert again.waits.event.id == first.waits.event.id
        # What publishes meanwhile neither signs it nor proposes another in its place.
        publish(engine.ports)
        assert [view.lacking for view in engine.events.views()] == [1]
        if bring == "bundle":
            done = engine.events.receive([engine.signature(f"team-v{number}", "tom")]).completions[0]
        else:
            data = signed_json(engine, signed, by=["tom"] if bring == "file" else ["tom", "tara"], indent=2)
            found = accept(engine, data).completion
            assert found is not None
            done = found
        assert done.obstacle is None
        assert where(engine)[f"team/{bring}"] == "team published"
        if bring == "both":
            assert engine.metadata.files[f"{number}.team.json"] == data
        engine.contents = {"a.txt": b"first"} | contents
        check_client(engine, tmp_path / "warm")
        check_client(engine, tmp_path / f"cold-{number}")
    assert json.loads(engine.metadata.files["timestamp.json"])["signed"]["version"] == version + 3
    whole(engine)


def test_what_was_accepted_here_goes_only_on_purpose(engine: Engine, tmp_path: Path) -> None:
    """Changes that a delegate's file does not have are named; let go, they are gone, and their event with them."""
    engine.add("team/here", b"here")
    publish(engine.ports)
    (view,) = engine.events.views()
    assert view.event.name == "team-v3"
    refused(engine, made(engine, "team", 3, NEW, by=["tara"]), "version-taken")
    data = made(engine, "team", 4, NEW, by=["tara"])
    shown = look(engine, data)
    assert shown.lost == ("team/here",)
    assert [each.event.name for each in shown.drops] == ["team-v3"]
    error = refused(engine, data, "pending", contents=NEW)
    assert "team/here" in error.message
    with pytest.raises(EventOpen):
        take_delivery(engine.ports, shown, elsewhere=True, lose=True)
    accept(engine, data, NEW, lose=True)
    assert "team/here" not in where(engine)
    del engine.contents["team/here"]
    check_client(engine, tmp_path / "client")
    assert engine.events.views() == []
    assert not publish(engine.ports).waiting
    whole(engine)


def test_what_was_accepted_here_and_is_in_it_is_not_lost(engine: Engine, tmp_path: Path) -> None:
    """A delegate who lists what waits here takes nothing away."""
    engine.add("team/here", b"here")
    contents = {"team/here": b"here", "team/old": b"old"}
    shown = look(engine, made(engine, "team", 3, contents, by=["tara"]))
    assert (shown.lost, shown.added, shown.unchanged) == ((), ("team/here",), 1)
    accept(engine, made(engine, "team", 3, contents, by=["tara"]))
    check_client(engine, tmp_path / "client")
    assert not publish(engine.ports).waiting


def test_what_is_accepted_later_waits_behind_it(engine: Engine, tmp_path: Path) -> None:
    """It comes out as it was brought, and what came after is proposed over that."""
    accept(engine, made(engine, "team", 3, NEW, by=["tara"]), NEW)
    engine.add("team/later", b"later")
    (waiting,) = publish(engine.ports).waiting
    assert waiting.event == "team-v4"
    done = engine.events.receive([engine.signature("team-v4", "tara")])
    assert [each.obstacle for each in done.completions] == [None]
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


def test_a_role_that_nobody_has_seen_waits_for_its_first_version(engine: Engine, tmp_path: Path) -> None:
    """The delegation comes out with that; then whatever is above it is accepted."""
    delegate(engine, "ops", "ops/*", signers=("tara",))
    error = refused(engine, made(engine, "ops", 2, {"ops/x": b"x"}, by=["tara"]), "delegation", role="ops")
    assert "rstuf bundle export ops-v1" in str(error.hint)
    part = next(part for part in engine.events.bundle("ops-v1").parts if part.role == "ops")
    engine.make_key("eve")
    with pytest.raises(DeliveryRefused, match="eve, which may not sign ops"):
        accept(engine, signed_json(engine, part.signed, by=["eve"]), role="ops")
    first = accept(engine, signed_json(engine, part.signed, by=["tara"], indent=1), role="ops")
    assert first.completion is not None
    assert first.completion.obstacle is None
    assert first.delivery.before == 0
    accept(engine, made(engine, "ops", 2, {"ops/x": b"x"}, by=["tara"]), {"ops/x": b"x"}, role="ops")
    engine.contents["team/old"] = b"old"
    check_client(engine, tmp_path / "client")


def test_what_rests_on_a_key_that_leaked_takes_a_yes(engine: Engine, tmp_path: Path) -> None:
    """Somebody else may have made it. Where enough others have signed, or nothing changes, it is only told."""
    data = made(engine, "team", 3, NEW, by=["tara"])
    before = look(engine, data)
    engine.events.report_loss("tara", Loss.LEAKED)
    shown = look(engine, data)
    assert shown.leaked == shown.signed
    error = refused(engine, data, "leaked", contents=NEW)
    assert "without tara, whose key leaked" in error.message
    with pytest.raises(DeliveryRefused, match="leaked"):
        # That it leaked was said after the file was shown.
        take_delivery(engine.ports, before, elsewhere=True, leaked=True)
    accept(engine, data, NEW, leaked=True)
    assert accept(engine, data).delivery.published
    check_client(engine, tmp_path / "client")


def test_enough_others_are_enough(engine: Engine) -> None:
    """A signature by a key that leaked is told, and keeps nothing back that does not need it."""
    engine.make_key("tom")
    engine.keys.away.clear()
    bring_proposal(
        engine.ports, propose_change(engine.ports, RoleName("team"), DelegationChange(signers=("tara", "tom")))
    )
    engine.events.report_loss("tara", Loss.LEAKED)
    shown = look(engine, made(engine, "team", 4, NEW, by=["tara", "tom"]))
    assert (len(shown.leaked), shown.rests_on_leaked) == (1, False)
    accept(engine, made(engine, "team", 4, NEW, by=["tara", "tom"]), NEW)


def test_what_waits_is_judged_by_how_long_the_role_lives_now(engine: Engine) -> None:
    """A first version by what its event says, and nothing else; what was brought, by a period that came since."""
    lives = Periods.of(timedelta(days=30))
    engine.make_key("tom")
    engine.keys.away.clear()
    change = DelegationChange(signers=("tara", "tom"), threshold=2)
    bring_proposal(engine.ports, propose_change(engine.ports, RoleName("team"), change))
    signed = said(engine, 4, NEW)
    accept(engine, signed_json(engine, signed, by=["tara"]), NEW)
    with engine.ports.state.transaction(actor="test") as state:
        state.set_periods(RoleName("team"), lives)
    refused(engine, signed_json(engine, signed, by=["tom"]), "expires")
    engine.keys.away.update(["tara", "tom"])
    delegate(engine, "ops", "ops/*", signers=("tara",), periods=lives)
    part = next(part for part in engine.events.bundle("ops-v1").parts if part.role == "ops")
    shown = look(engine, signed_json(engine, part.signed, by=["tara"]), role="ops")
    assert (shown.periods, shown.late) == (lives, False)


def test_a_removal_since_then_comes_after_what_waited(engine: Engine, tmp_path: Path) -> None:
    """What was removed while a file waited that lists it comes out with that, and goes with the next version."""
    engine.make_key("tom")
    engine.keys.away.clear()
    change = DelegationChange(signers=("tara", "tom"), threshold=2)
    bring_proposal(engine.ports, propose_change(engine.ports, RoleName("team"), change))
    engine.keys.away.update(["tara", "tom"])
    contents = {"team/old": b"old", **NEW}
    signed = said(engine, 4, contents)
    accept(engine, signed_json(engine, signed, by=["tara"]), contents)
    engine.remove("team/old")
    report = accept(engine, signed_json(engine, signed, by=["tom"]))
    assert report.completion is not None
    assert report.completion.obstacle is None
    engine.contents.update(contents)
    check_client(engine, tmp_path / "warm")
    (waiting,) = publish(engine.ports).waiting
    (part,) = engine.events.bundle(waiting.event).parts
    assert set(part.signed["targets"]) == set(NEW)
    whole(engine)


def test_nothing_that_was_not_shown_goes_with_it(engine: Engine) -> None:
    """Changes that are accepted between the look and the yes are named anew, and nothing is changed."""
    engine.add("team/here", b"here")
    data = made(engine, "team", 3, NEW, by=["tara"])
    shown = look(engine, data)
    assert shown.lost == ("team/here",)
    engine.add("team/later", b"later")
    with pytest.raises(InvalidInput, match="team/later"):
        take_delivery(engine.ports, shown, elsewhere=True, lose=True)
    assert where(engine)["team/here"] == "team pending"
    accept(engine, data, NEW, lose=True)
    assert set(where(engine)) == {"a.txt", "team/new"}


def test_an_obstacle_keeps_it_waiting(engine: Engine, tmp_path: Path) -> None:
    """The online key is away: it is recorded, with all its signatures, and comes out with the next publication."""
    engine.keys.away.add("online")
    data = made(engine, "team", 3, NEW, by=["tara"])
    report = accept(engine, data, NEW)
    assert report.completion is not None
    assert report.completion.obstacle is not None
    assert where(engine)["team/new"] == "team awaiting"
    engine.keys.away.discard("online")
    assert publish(engine.ports).published
    assert engine.metadata.files["3.team.json"] == data
    check_client(engine, tmp_path / "client")
    whole(engine)


def test_what_was_cancelled_can_be_brought_again(engine: Engine, tmp_path: Path) -> None:
    """The same file is the one content of its version, whatever became of it; another one of that version is not."""
    engine.make_key("tom")
    engine.keys.away.clear()
    change = DelegationChange(signers=("tara", "tom"), threshold=2)
    bring_proposal(engine.ports, propose_change(engine.ports, RoleName("team"), change))
    engine.keys.away.update(["tara", "tom"])
    signed = said(engine, 4, NEW)
    accept(engine, signed_json(engine, signed, by=["tara"]), NEW)
    engine.events.cancel("team-v4")
    refused(engine, signed_json(engine, said(engine, 4, {}), by=["tara", "tom"]), "version-taken", lose=True)
    data = signed_json(engine, signed, by=["tara", "tom"], indent=1)
    report = accept(engine, data, NEW)
    assert report.completion is not None
    assert engine.metadata.files["4.team.json"] == data
    check_client(engine, tmp_path / "client")
    whole(engine)


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


def two_of_two(engine: Engine) -> None:
    """Let tara and tom sign team together, both of them away."""
    engine.make_key("tom")
    engine.keys.away.clear()
    bring_proposal(
        engine.ports,
        propose_change(engine.ports, RoleName("team"), DelegationChange(signers=("tara", "tom"), threshold=2)),
    )
    engine.keys.away.update(["tara", "tom"])


@pytest.mark.parametrize("cancelled", [True, False])
@pytest.mark.parametrize("way", ["removed", "signed by others", "other paths"])
def test_what_too_few_signed_comes_out_by_no_other_way(
    engine: Engine, tmp_path: Path, way: str, cancelled: bool
) -> None:
    """The role goes, the online key signs it, or another has its paths: nothing that one of two said is published."""
    two_of_two(engine)
    known = {"team/known": b"known"}
    accept(engine, signed_json(engine, said(engine, 4, known), by=["tara", "tom"]), known)
    evil = known | {"team/evil": b"evil"}
    waits = accept(engine, signed_json(engine, said(engine, 5, evil), by=["tara"]), evil).waits
    assert waits is not None
    if cancelled:
        engine.events.cancel(waits.event.name)
    team = RoleName("team")
    if way == "removed":
        proposal = propose_removal(engine.ports, team)
    elif way == "signed by others":
        proposal = propose_change(engine.ports, team, DelegationChange(signers=("online",), threshold=1))
    else:
        plan = DelegationPlan(name=RoleName("other"), paths=(path_pattern("team/*"),), before=team)
        proposal = propose_addition(engine.ports, plan)
    bring_proposal(engine.ports, proposal, drop=True)
    publish(engine.ports)
    assert "team/evil" not in where(engine)
    client = client_of(engine, tmp_path / "client")
    client.refresh()
    assert client.find("team/evil") is None
    assert client.find("team/known") is not None or way != "removed"


def test_what_was_accepted_here_comes_after_what_others_signed(engine: Engine, tmp_path: Path) -> None:
    """While the second signature is missing, a path is changed here: it is kept, and waits for the next version."""
    two_of_two(engine)
    first = {"team/a": b"theirs", "team/b": b"theirs"}
    waits = accept(engine, signed_json(engine, said(engine, 4, first), by=["tara"]), first).waits
    assert waits is not None
    engine.add("team/a", b"ours")
    done = engine.events.receive([engine.signature(waits.event.name, "tom")]).completions[0]
    assert done.obstacle is None
    assert {path: state for path, state in where(engine).items() if path.startswith("team/")} == {
        "team/a": "team replacing",
        "team/b": "team published",
    }
    engine.contents["team/a"] = b"theirs"
    client = client_of(engine, tmp_path / "client")
    client.refresh()
    target = client.find("team/a")
    assert target is not None
    assert target.length == len(b"theirs")
    assert verify_own(engine.ports, depth=Depth.FULL).problems == ()
