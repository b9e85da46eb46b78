"""Bundles that somebody made to get a signature which its holder would not give, each by what is wrong with it."""

from __future__ import annotations

import base64
import copy
import json
import zipfile
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from tests.support.bundles import DAY, Document, World, encode, file_of, sha256, sig
from tests.support.hostile_changes import MALLORY, Change, changed, drop, many, put, root_with
from tests.support.hostile_parts import misplaced, targets_that_lie
from tests.unit.metadata import roots
from tests.unit.signing import keyring

from rstuf.clock import iso
from rstuf.model.keys import PublicKey


def hostile(world: World) -> Mapping[str, bytes]:
    """All of them, by name."""
    found: dict[str, bytes] = {}
    for group in (_spellings, _fields, _names, _chains, _roots, _keys, _signatures, misplaced, targets_that_lie):
        for name, data in group(world).items():
            assert name not in found, name
            found[name] = data
    return found


def _spellings(world: World) -> Mapping[str, bytes]:
    """The same, or nearly, written otherwise: two readers could understand it differently."""
    document, data = world.document(), encode(world.document())
    text = data.decode().rstrip("\n")
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("../../root-v4.rstuf", text)
    number = '"version":4'
    assert number in text
    return {
        "spelling: pretty": json.dumps(document, indent=2, sort_keys=True).encode(),
        "spelling: spaces": json.dumps(document, sort_keys=True).encode(),
        "spelling: unsorted": json.dumps(document, separators=(",", ":")).encode(),
        "spelling: space before": b" " + data,
        "spelling: space behind": data.rstrip(b"\n") + b" ",
        "spelling: two line ends": data + b"\n",
        "spelling: windows line end": data.rstrip(b"\n") + b"\r\n",
        "spelling: line end before": b"\n" + data,
        "spelling: byte order mark": b"\xef\xbb\xbf" + data,
        "spelling: utf-16": text.encode("utf-16"),
        "spelling: latin-1": text.replace("acme", "acm\u00e9").encode("latin-1"),
        "spelling: overlong utf-8": data.replace(b"acme", b"acm\xc1\xa5"),
        "spelling: escaped letter": text.replace('"acme"', '"\\u0061cme"').encode(),
        "spelling: escaped slash": text.replace('"acme"', '"ac\\/me"').encode(),
        "spelling: lone surrogate": text.replace('"acme"', '"\\ud800"').encode(),
        "spelling: nul behind": data + b"\0",
        "spelling: another behind": data + data,
        "spelling: comment": b"/* fine */" + data,
        "spelling: comma at the end": text.replace("}", ",}", 1).encode(),
        "spelling: fraction": text.replace(number, '"version":4.0').encode(),
        "spelling: exponent": text.replace(number, '"version":4e0').encode(),
        "spelling: leading zero": text.replace(number, '"version":04').encode(),
        "spelling: plus": text.replace(number, '"version":+4').encode(),
        "spelling: NaN": text.replace(number, '"version":NaN').encode(),
        "spelling: Infinity": text.replace(number, '"version":Infinity').encode(),
        "spelling: huge number": text.replace(number, f'"version":{2**64}').encode(),
        "spelling: minus zero": text.replace('"threshold":1', '"threshold":-0').encode(),
        "spelling: key twice at the top": text.replace('"event":', '"event":"root-v4","event":', 1).encode(),
        "spelling: key twice inside": text.replace('"threshold":2', '"threshold":1,"threshold":2').encode(),
        "spelling: version twice": text.replace(number, f'"version":5,{number}').encode(),
        "spelling: version twice the other way": text.replace(number, f'{number},"version":5').encode(),
        "spelling: single quotes": text.replace('"', "'").encode(),
        "spelling: raw control character": text.replace("acme", "ac\x1bme").encode(),
        "spelling: deep": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "spelling: empty": b"",
        "spelling: null": b"null",
        "spelling: list": b"[" + data.rstrip(b"\n") + b"]",
        "spelling: text": json.dumps(text).encode(),
        "spelling: archive": archive.getvalue(),
        "spelling: base64": base64.b64encode(data),
        "spelling: 10 MB behind": data + b" " * 10_000_000,
        "spelling: 10 MB of a field": encode({**document, "comment": "x" * 10_000_000}),
    }


def _fields(world: World) -> Mapping[str, bytes]:
    """Fields more, fields less, and fields that are something else."""
    changes: dict[str, Change] = {
        "field: more at the top": put("comment", to="it is fine"),
        "field: more in repository": put("repository", "url", to="https://example.org"),
        "field: more in a part": put("parts", 0, "summary", to="nothing changes"),
        "field: more in a signature": put("parts", 0, "signatures", to=[{**sig(world.next_root, 0), "method": "x"}]),
        "field: policy": put("policy", to={"max_expiry": "100y"}),
        "field: another format": put("format", to="rstuf-bundle2"),
        "field: format of a signature": put("format", to="rstuf-signature"),
        "field: a later version": put("version", to=2),
        "field: version true": put("version", to=True),
        "field: version as text": put("version", to="1"),
        "field: event of another version": put("event", to="root-v3"),
        "field: event of another role": put("event", to="targets-v4"),
        "field: event a path": put("event", to="../../root-v4"),
        "field: event a number": put("event", to=4),
        "field: repository a text": put("repository", to="acme"),
        "field: parts an object": put("parts", to={}),
        "field: names a list": put("names", to=[]),
        "field: chain a text": put("chain", to="x"),
        "field: first root null": put("repository", "first_root", to=None),
        "field: first root of nobody": put("repository", "first_root", to="ab" * 32),
        "field: first root in capitals": put("repository", "first_root", to=world.first_root.upper()),
        "field: first root cut": put("repository", "first_root", to=world.first_root[:16]),
        "field: first root a number": put("repository", "first_root", to=1),
    }
    for name in ("format", "version", "event", "repository", "chain", "parts", "names"):
        changes[f"field: no {name}"] = drop(name)
    for name in ("name", "first_root"):
        changes[f"field: no {name} of the repository"] = drop("repository", name)
    for name in ("signed", "signatures"):
        changes[f"field: no {name} of a part"] = drop("parts", 0, name)
    return {name: changed(world, change) for name, change in changes.items()}


def _names(world: World) -> Mapping[str, bytes]:
    """Names that deceive, of keys and of the repository."""
    first, second = roots.keyid(0), roots.keyid(1)
    labels: dict[str, Any] = {
        "right to left": "\u202epotpal",
        "homoglyph": "l\u0430ptop",
        "zero width": "lap\u200btop",
        "escape": "laptop\x1b[8m",
        "line end": "laptop\nroot",
        "markup": "[red]laptop[/red]",
        "quote": 'laptop" (safe)',
        "empty": "",
        "long": "l" * 65,
        "number": 1,
        "full width": "\uff4captop",
        "combining": "laptop\u0301",
        "another": "maria",
    }
    found = {f"label: {name}": changed(world, put("names", first, to=label)) for name, label in labels.items()}
    swapped: Change = lambda document: document["names"].update({first: "yubikey", second: "laptop"})  # noqa: E731
    found["label: swapped"] = changed(world, swapped)
    for name, label in {
        "as the old": "yubikey",
        "in capitals": "YubiKey",
        "alike": "yub1key",
        "dashed": "yubi-key",
    }.items():
        signed = world.next_root
        signed["roles"]["root"]["keyids"].remove(second)
        del signed["keys"][second]
        added = roots.add_key(signed, roots.key(MALLORY), "root")
        found[f"label: new key {name}"] = changed(world, put("names", added, to=label), signed)
    found["label: bad key id"] = changed(world, put("names", "a key", to="maria"))
    many = {f"{number:064x}": "maria" for number in range(1100)}
    found["label: too many"] = changed(world, put("names", to=many))
    repositories: dict[str, Any] = {
        "right to left": "\u202eemca",
        "escape": "acme\x1b]8;;http://x\x07",
        "empty": "",
        "long": "a" * 201,
        "number": 1,
        "homoglyph": "\u0430cme",
        "another": "acme production",
    }
    for name, text in repositories.items():
        found[f"repository: {name}"] = changed(world, put("repository", "name", to=text))
    return found


def _chains(world: World) -> Mapping[str, bytes]:
    """Chains that lead somewhere else."""
    one, two, three = world.files
    text = base64.b64encode(three).decode()
    texts = {
        "no base64": "!!!",
        "empty": "",
        "a number": 7,
        "line ends in it": text[:40] + "\n" + text[40:],
        "without padding": base64.b64encode(three + b" " * (2 - len(three) % 3)).decode().rstrip("="),
        "other alphabet": base64.urlsafe_b64encode(b"\xff\xfe\xfd" * 10).decode(),
        "not zero bits": "AB==",
        "not json": base64.b64encode(b"root").decode(),
        "targets": base64.b64encode(file_of(world.targets, 3)).decode(),
        "huge": base64.b64encode(b" " * 600_000).decode(),
    }
    found = {f"chain: {name}": changed(world, put("chain", 2, to=value)) for name, value in texts.items()}
    evil = _others(world)
    forked = {**copy.deepcopy(world.roots[2]), "expires": iso(world.now + 70 * DAY)}
    taken = roots.root(version=4, root=(4, 5, 6), expires=world.now + 80 * DAY)
    fifth = {**copy.deepcopy(taken), "version": 5, "expires": iso(world.now + 365 * DAY)}
    honest = roots.root(version=4, expires=world.now + 80 * DAY)
    honest_next = {**copy.deepcopy(honest), "version": 5, "expires": iso(world.now + 365 * DAY)}
    chains: dict[str, tuple[list[bytes], Document | None]] = {
        "none": ([], None),
        "backwards": ([three, two, one], None),
        "a gap": ([one, three], None),
        "one twice": ([one, two, two, three], None),
        "without the newest": ([one, two], None),
        "ends before what is trusted": ([one, two], {**world.next_root, "version": 3}),
        "only the first": ([one], {**world.next_root, "version": 2}),
        "its own roots": (evil, None),
        "its own first root": ([evil[0], two, three], None),
        "another root 3": ([one, two, file_of(forked, 0, 1)], None),
        "another root 3 of mallory": ([one, two, file_of(forked, 4, 5)], None),
        "root 4 signed by the new only": ([*world.files, file_of(taken, 4, 5)], fifth),
        "root 4 signed by the old only": ([*world.files, file_of(taken, 0, 1)], fifth),
        "root 4 signed by one of the old": ([*world.files, file_of(taken, 0, 4, 5)], fifth),
        "root 4 signed by nobody": ([*world.files, file_of(honest)], honest_next),
        "root 4 signed by one": ([*world.files, file_of(honest, 0)], honest_next),
        "root 4 signed by one twice": ([*world.files, file_of(honest, 0, 0)], honest_next),
        "root 5 without root 4": ([*world.files, file_of(honest_next, 0, 1)], {**honest_next, "version": 6}),
        "root 4 with threshold 0": ([*world.files, _with_threshold(honest, 0)], honest_next),
        "too long": ([one] * 300, None),
        "begins behind what is trusted": ([file_of(honest_next, 0, 1)], {**honest_next, "version": 6}),
    }
    for name, (chain, signed) in chains.items():
        found[f"chain: {name}"] = encode(world.document(*([] if signed is None else [signed]), chain=chain))
    other = world.document(chain=evil)
    other["repository"]["first_root"] = sha256(evil[0])
    found["chain: another repository"] = encode(other)
    return found


def _others(world: World) -> list[bytes]:
    """The roots of a repository of somebody else."""
    signed = [roots.root(version=version, root=(4, 5, 6), expires=world.now + 90 * DAY) for version in (1, 2, 3)]
    return [file_of(each, 4, 5) for each in signed]


def _with_threshold(signed: Document, threshold: int) -> bytes:
    changed = copy.deepcopy(signed)
    changed["roles"]["root"]["threshold"] = threshold
    return file_of(changed, 0, 1)


def _roots(world: World) -> Mapping[str, bytes]:
    """Roots with another version, expiry, form or threshold than they should have."""
    changes: dict[str, Change] = {}
    for version in (1, 2, 3, 5, 6, 0, -4, True, "4", None, 2**53, [4]):
        changes[f"version: {version!r}"] = put("version", to=version)
    dates = {
        "past": iso(world.now - DAY),
        "long past": "1970-01-01T00:00:00Z",
        "now": iso(world.now),
        "far": iso(world.now + 3650 * DAY),
        "for ever": "9999-12-31T23:59:59Z",
        "just too far": iso(world.now + 731 * DAY),
        "soon": iso(world.now + DAY),
        "sooner than before": iso(world.now + 30 * DAY),
        "with a fraction": "2027-11-20T09:00:00.5Z",
        "in another zone": "2027-11-20T09:00:00+14:00",
        "short": "2027-11-20",
        "with one digit": "2027-1-20T09:00:00Z",
        "in other digits": "\u0662\u0660\u0662\u0667-11-20T09:00:00Z",
        "number": 1_900_000_000,
        "none": None,
    }
    changes |= {f"expiry: {name}": put("expires", to=date) for name, date in dates.items()}
    for role in ("root", "targets", "snapshot", "timestamp"):
        for threshold in (1, 0, -1, 4, 2, True, "2", None) if role == "root" else (0, 2, None):
            if (role, threshold) != ("root", 2):
                changes[f"threshold: {role} {threshold!r}"] = put("roles", role, "threshold", to=threshold)
        changes[f"roles: no {role}"] = drop("roles", role)
    changes |= {
        "roles: one more": put("roles", "mirrors", to={"keyids": [], "threshold": 1}),
        "roles: a list": put("roles", to=[]),
        "form: type": put("_type", to="Root"),
        "form: type of targets": put("_type", to="targets"),
        "form: no type": drop("_type"),
        "form: snapshots off": put("consistent_snapshot", to=False),
        "form: no snapshots": drop("consistent_snapshot"),
        "form: snapshots a text": put("consistent_snapshot", to="true"),
        "form: another specification": put("spec_version", to="2.0.0"),
        "form: a later specification": put("spec_version", to="1.99.0"),
        "form: specification a number": put("spec_version", to=1),
        "form: hidden field": put("x-hidden", to="rsync://evil"),
        "form: field with a look-alike name": put("expir\u0435s", to="2099-01-01T00:00:00Z"),
        "form: huge field": put("x-comment", to="x" * 100_000),
        "form: too large": put("x-comment", to="x" * 600_000),
        "form: field in a role": put("roles", "root", "threshold_", to=1),
        "form: field in a key": put("keys", roots.keyid(0), "x-name", to="maria"),
        "form: field in a value": put("keys", roots.keyid(0), "keyval", "private", to="x"),
    }
    return {name: root_with(world, change) for name, change in changes.items()}


def _keys(world: World) -> Mapping[str, bytes]:
    """Roots with keys that are not, or do not, what they seem."""
    mallory, first, online = roots.key(MALLORY), roots.keyid(0), roots.keyid(3)
    found = {}
    for role in ("root", "targets", "snapshot", "timestamp"):
        found[f"key: added to {role}"] = root_with(
            world, lambda signed, role=role: roots.add_key(signed, mallory, role)
        )
    upper = PublicKey("ed25519", "ed25519", roots.key(0).public.upper())

    def replace_all(signed: Document) -> None:
        for number in (0, 1, 2):
            del signed["keys"][roots.keyid(number)]
        signed["roles"]["root"]["keyids"] = [roots.add_key(signed, roots.key(number)) for number in (4, 5, 6)]

    def replace(role: str) -> Change:
        def change(signed: Document) -> None:
            added = roots.add_key(signed, mallory)
            signed["roles"][role]["keyids"][0] = added

        return change

    changes: dict[str, Change] = {
        "key: another under a known id": put("keys", first, to=mallory.to_dict()),
        "key: under an id that is not its hash": lambda signed: roots.add_key(signed, mallory, "root", keyid="ab" * 32),
        "key: under a short id": lambda signed: roots.add_key(signed, mallory, "root", keyid=first[:16]),
        "key: with the id of a file": lambda signed: roots.add_key(signed, mallory, "root", keyid="../root"),
        "key: one in another spelling": lambda signed: roots.add_key(signed, upper, "root"),
        "key: one under two ids": lambda signed: roots.add_key(signed, roots.key(0), "root", keyid="cd" * 32),
        "key: in no role": lambda signed: roots.add_key(signed, mallory),
        "key: listed twice": lambda signed: signed["roles"]["root"]["keyids"].append(first),
        "key: not there": lambda signed: signed["roles"]["root"]["keyids"].append(mallory.keyid),
        "key: gone": drop("keys", first),
        "key: root's is online": lambda signed: signed["roles"]["timestamp"]["keyids"].append(first),
        "key: online's is root's": lambda signed: signed["roles"]["root"]["keyids"].append(online),
        "key: only one left": put("roles", "root", to={"keyids": [first], "threshold": 1}),
        "key: none left": put("roles", "root", "keyids", to=[]),
        "key: all replaced": replace_all,
        "key: of root replaced": replace("root"),
        "key: of targets replaced": replace("targets"),
        "key: of timestamp replaced": replace("timestamp"),
        "key: ids a text": put("roles", "root", "keyids", to=first),
        "key: an object without a value": put("keys", first, to={"keytype": "ed25519", "scheme": "ed25519"}),
        "key: keys a list": put("keys", to=[]),
        "key: 100 in no role": lambda signed: _flood(signed, 100),
        "key: 8 in no role": lambda signed: _flood(signed, 8),
        "key: 100 in root": lambda signed: signed["roles"]["root"]["keyids"].extend(_flood(signed, 100)),
        "key: 60 in root": lambda signed: signed["roles"]["root"]["keyids"].extend(_flood(signed, 60)),
        "key: of low order": lambda signed: roots.add_key(
            signed, PublicKey("ed25519", "ed25519", "01" + "00" * 31), "root"
        ),
        "key: of another scheme": lambda signed: roots.add_key(
            signed, PublicKey("ed25519", "ed25519ph", mallory.public), "root"
        ),
        "key: of a kind nobody knows": lambda signed: roots.add_key(signed, PublicKey("magic", "magic", "00"), "root"),
        "key: P-384": lambda signed: roots.add_key(signed, keyring.public("p384", 0), "root"),
        "key: P-521": lambda signed: roots.add_key(signed, keyring.public("p521", 0), "root"),
    }
    return found | {name: root_with(world, change) for name, change in changes.items()}


def _flood(signed: Document, number: int) -> list[str]:
    """A root in which one signature is enough, and so many keys that this might stand too far above the question."""
    signed["roles"]["root"]["threshold"] = 1
    keys = many(number)
    signed["keys"].update(keys)
    return list(keys)


def _signatures(world: World) -> Mapping[str, bytes]:
    """Signatures that should make it look as if others had agreed."""
    root, other = world.next_root, {**world.next_root, "version": 5}
    good = sig(root, 0)
    lists: dict[str, list[Any]] = {
        "of a stranger": [sig(root, MALLORY)],
        "of the online key": [sig(root, 3)],
        "of another root": [sig(other, 0)],
        "of another key": [{**sig(root, 1), "keyid": roots.keyid(0)}],
        "twice": [good, good],
        "bad after good": [good, sig(other, 1)],
        "in capitals": [{**good, "sig": good["sig"].upper()}],
        "no hex": [{**good, "sig": "zz"}],
        "of odd length": [{**good, "sig": good["sig"][:-1]}],
        "empty": [{**good, "sig": ""}],
        "cut": [{**good, "sig": good["sig"][:64]}],
        "huge": [{**good, "sig": "ab" * 10_000}],
        "a number": [{**good, "sig": 1}],
        "with an escape for a key id": [{**good, "keyid": "\x1b[2J"}],
        "with a key id alike": [{**good, "keyid": good["keyid"].upper()}],
        "a text": ["x"],
        "too many": [sig(root, MALLORY)] * 65,
    }
    return {
        f"signatures: {name}": changed(world, put("parts", 0, "signatures", to=each)) for name, each in lists.items()
    }


def baseline(world: World) -> bytes:
    """An honest bundle beside them."""
    return encode(world.document(signed_by=(0,)))
