"""The audit against chance: no false alarm on clean repositories, no damage that passes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from tests.support.tuf_repo import NOW, Delegation, Keys, Repo, classic, flat, succinct

from rstuf.metadata.audit.findings import Finding
from rstuf.metadata.audit.walk import Audit
from rstuf.metadata.bins import Bins
from rstuf.model.artifacts import slot_of
from rstuf.repository.verify import Depth, verify

_KEYS = st.sampled_from(
    [
        Keys("online"),
        Keys("p256-online"),
        Keys("one", "two"),
        Keys("one", "two", threshold=2),
        Keys("one", "p256-two", "three", threshold=2),
    ]
)
_DIGITS = list("0123456789abcdef")
_SEGMENT = st.text(alphabet="abcxyz019._- ~é日", min_size=1, max_size=6).filter(lambda text: text not in {".", ".."})
_PATHS = st.lists(_SEGMENT, min_size=1, max_size=3).map("/".join)
_ARTIFACTS = st.dictionaries(_PATHS, st.binary(max_size=6), max_size=12)
_OPTIONS = st.fixed_dictionaries(
    {"style": st.sampled_from(["compact", "python-tuf", "indented"]), "root": _KEYS, "online": _KEYS}
)


@st.composite
def _succinct(draw: st.DrawFn) -> Repo:
    return succinct(
        bits=draw(st.integers(1, 5)),
        artifacts=draw(_ARTIFACTS),
        prefix=draw(st.sampled_from(["bins", "b", "x.y_z"])),
        bin_keys=draw(_KEYS),
        algorithms=draw(st.sampled_from([["sha256"], ["sha512"], ["sha256", "sha512"], ["blake2b-256"]])),
        custom=draw(
            st.none() | st.dictionaries(st.text(max_size=3), st.integers(0, 9) | st.text(max_size=4), max_size=3)
        ),
        list_facts=draw(st.booleans()),
        **draw(_OPTIONS),
    )


@st.composite
def _classic(draw: st.DrawFn) -> Repo:
    """Named delegations that do not overlap: each has a first segment of its own, some have bins, some go deeper."""
    delegations = []
    for number in range(draw(st.integers(1, 3))):
        name = f"team-{number}"
        bits = draw(st.none() | st.integers(1, 3))
        held = {f"{name}/{path.replace('/', '-')}": content for path, content in draw(_ARTIFACTS).items()}
        child = Delegation(f"{name}-sub", paths=[f"{name}/sub-*"], artifacts={f"{name}/sub-{number}": b"s"})
        delegations.append(
            Delegation(
                name,
                paths=[f"{name}/*"],
                artifacts=held,
                keys=draw(_KEYS),
                terminating=draw(st.booleans()),
                bits=bits,
                children=[child] if bits is None and f"{name}/sub-{number}" not in held else [],
            )
        )
    return classic(delegations, artifacts=draw(_ARTIFACTS), list_facts=draw(st.booleans()), **draw(_OPTIONS))


@st.composite
def _prefixed(draw: st.DrawFn) -> Repo:
    low = Delegation("low", prefixes=[f"{digit:x}" for digit in range(8)])
    high = Delegation("high", prefixes=[f"{digit:x}" for digit in range(8, 16)], keys=draw(_KEYS))
    return classic([low, high], artifacts=draw(_ARTIFACTS), **draw(_OPTIONS))


@st.composite
def _classic_bins(draw: st.DrawFn) -> Repo:
    """Bins that are named in targets, each with its hash prefixes (PEP 458)."""
    bins = Bins(draw(st.integers(1, 5)), classic=True)
    held: dict[str, dict[str, bytes]] = {bins.name(index): {} for index in range(bins.count)}
    for path, content in draw(_ARTIFACTS).items():
        held[bins.name(bins.index_of_slot(slot_of(path)))][path] = content
    keys = draw(_KEYS)
    roles = [
        Delegation(name, prefixes=bins.hash_prefixes(index), artifacts=held[name], keys=keys)
        for index, name in enumerate(held)
    ]
    return classic(roles, **draw(_OPTIONS))


@st.composite
def _before_bins(draw: st.DrawFn) -> Repo:
    """Named delegations, nested or with bins of their own, and bins for all else: as rstuf delegates."""
    inner = Delegation("inner", paths=["t/in/*"], artifacts={"t/in/x": b"i"}, terminating=draw(st.booleans()))
    team = Delegation(
        "team",
        paths=["t/*", "t/in/*"],
        artifacts={f"t/{path.replace('/', '-')}": content for path, content in draw(_ARTIFACTS).items()},
        keys=draw(_KEYS),
        children=[inner],
    )
    split = Delegation("split", paths=["s/*"], bits=2, artifacts={f"s/{number}": b"s" for number in range(9)})
    named = draw(st.lists(st.sampled_from([team, split]), unique_by=lambda each: each.name, max_size=2))
    rest = Delegation("rest", prefixes=_DIGITS, bits=draw(st.integers(1, 4)), artifacts=draw(_ARTIFACTS))
    return classic([*named, rest], **draw(_OPTIONS))


def _flat(artifacts: dict[str, bytes], options: dict[str, Any]) -> Repo:
    return flat(artifacts, **options)


_REPOS = (
    _succinct() | _classic() | _prefixed() | _classic_bins() | _before_bins() | st.builds(_flat, _ARTIFACTS, _OPTIONS)
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(repo=_REPOS, rotations=st.lists(st.tuples(_KEYS, _KEYS), max_size=2), releases=st.integers(0, 2))
def test_clean_repositories_raise_no_alarm(repo: Repo, rotations: list[tuple[Keys, Keys]], releases: int) -> None:
    """Whatever their shape, keys, history and style: no problem, and a stock client agrees on every role."""
    for root, online in rotations:
        repo.rotate_root(root, online=online)
        repo.put("targets", _signed_targets(repo), repo.online.signers)
        repo.release()
    for _ in range(releases):
        repo.release()
    report = verify(repo, trusted_root=repo.trusted, now=NOW, contents=repo, depth=Depth.FULL)
    assert report.problems == ()
    assert report.checked["contents"] == report.checked["artifacts"]
    assert report.checked["roots"] == 1 + len(rotations)
    assert report.facts["clients"]["python-tuf"]["ok"]


def _signed_targets(repo: Repo) -> Any:
    from tuf.api.metadata import Metadata

    return Metadata.from_bytes(repo.files[repo.name_of("targets")]).signed


# --- damage to bytes -------------------------------------------------------------------------------------


def _victim(style: str, kind: str) -> Repo:
    """Every kind of file: a chain of roots with thresholds, bins with artifacts, named roles, spare signatures."""
    keys = Keys("root-a", "p256-root-b", "root-c", threshold=2)
    artifacts = {f"f/{number}.bin": b"%d" % number for number in range(8)} | {"f/é": b"e"}
    if kind == "before bins":
        inner = Delegation("inner", paths=["f/in-*"], artifacts={"f/in-1": b"1"}, keys=Keys("i1", "i2"))
        team = Delegation("team", paths=["f/*"], artifacts=artifacts, keys=Keys("t1"), children=[inner])
        rest = Delegation("rest", prefixes=_DIGITS, bits=2, artifacts={f"r/{number}": b"r" for number in range(8)})
        repo = classic([team, rest], style=style, root=keys)
    elif kind == "named":
        repo = classic(
            [Delegation("team", paths=["f/*"], artifacts=artifacts, keys=Keys("t1", "t2", "t3", threshold=2))],
            artifacts={"top": b"t"},
            list_facts=True,
            style=style,
            root=keys,
        )
    else:
        repo = succinct(bits=2, artifacts=artifacts, custom={"a": '"\\'}, style=style, root=keys)
    repo.rotate_root(Keys("p256-root-b", "root-c", "root-d", threshold=2))
    repo.rotate_root()
    return repo


_KINDS = ("bins", "named", "before bins")
_VICTIMS = [_victim(style, kind) for style in ("compact", "python-tuf") for kind in _KINDS]


@pytest.mark.parametrize("victim", _VICTIMS)
def test_the_victims_are_sound(victim: Repo) -> None:
    """What the damage is done to has no problem before."""
    assert _problems(victim, victim.trusted) == []


Mutation = Callable[[bytes, int, int], bytes]
_MUTATIONS: dict[str, Mutation] = {
    "flip a bit": lambda data, at, n: data[:at] + bytes([data[at] ^ (1 << n % 8)]) + data[at + 1 :],
    "set a byte": lambda data, at, n: data[:at] + bytes([n % 256]) + data[at + 1 :],
    "insert a byte": lambda data, at, n: data[:at] + bytes([n % 256]) + data[at:],
    "delete bytes": lambda data, at, n: data[:at] + data[at + 1 + n % 9 :],
    "swap neighbours": lambda data, at, _: data[:at] + data[at : at + 2][::-1] + data[at + 2 :],
    "repeat a slice": lambda data, at, n: data[: at + n] + data[at:],
    "cut": lambda data, at, _: data[:at],
    "zero the rest": lambda data, at, _: data[:at] + bytes(len(data) - at),
    "another digit": lambda data, at, n: data[:at] + b"0123456789"[n % 10 : n % 10 + 1] + data[at + 1 :],
}


def _problems(repo: Repo, trusted: bytes) -> list[Finding]:
    audit = Audit(repo, trusted_root=trusted, now=NOW)
    audit.begin()
    list(audit.roles())
    return audit.findings.problems


def _meaning(data: bytes) -> object:
    """What a client reads, exactly (numbers by their text, pairs in their order); None if it reads nothing."""
    try:
        return json.loads(
            data, object_pairs_hook=lambda pairs: sorted(map(repr, pairs)), parse_int=str, parse_float=str
        )
    except ValueError:
        return None


@pytest.mark.parametrize("victim", _VICTIMS, ids=[*_KINDS, *(f"{kind}, escaped" for kind in _KINDS)])
@settings(max_examples=250, deadline=None)
@given(
    where=st.integers(0, 10**6),
    file=st.integers(0, 100),
    number=st.integers(0, 255),
    kind=st.sampled_from(sorted(_MUTATIONS)),
)
def test_no_damage_to_bytes_passes(victim: Repo, where: int, file: int, number: int, kind: str) -> None:
    """A change of any byte of any file, other than to spaces or spellings that mean the same, is a problem."""
    repo = victim.copy()
    name = sorted(repo.files)[file % len(repo.files)]
    data = repo.files[name]
    damaged = _MUTATIONS[kind](data, where % len(data), number)
    assume(damaged != data)
    if _meaning(damaged) == _meaning(data) and name != "1.root.json":
        # The same to every client, unless its parent names a hash.
        assume(victim.list_facts and name[0] != "t" and "root" not in name)
    repo.files[name] = damaged
    assert _problems(repo, victim.trusted), (name, kind, where % len(data))


def test_each_byte_of_the_smallest_files_matters() -> None:
    """Exhaustively: no byte of timestamp or of a bin can be changed to any of a few others unnoticed."""
    victim = _VICTIMS[0]
    tried = 0
    for name in ("timestamp.json", "1.bins-3.json"):
        data = victim.files[name]
        for at in range(len(data)):
            for mask in (0x01, 0x20, 0x80):
                repo = victim.copy()
                repo.files[name] = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
                assert _problems(repo, victim.trusted), (name, at, mask)
                tried += 1
    assert tried > 2000


# --- damage to meaning -----------------------------------------------------------------------------------


_VALUES: list[Any] = [
    None, True, False, 0, 1, 2, -1, 10**9, "", "x", "../x", "1", [], [1], ["x"], {}, {"x": 1}, {"version": 1},
    "2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z", {"keyids": [], "threshold": 1},
]  # fmt: skip


def _places(value: Any) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        names: list[Any] = list(value)
    else:
        names = list(range(len(value))) if isinstance(value, list) else []
    return [place for name in names for place in ((name,), *((name, *rest) for rest in _places(value[name])))]


def _change(signed: Any, place: tuple[Any, ...], value: Any, *, how: str) -> None:
    for name in place[:-1]:
        signed = signed[name]
    if how == "remove":
        del signed[place[-1]]
    elif how == "add" and isinstance(signed, dict):
        signed[f"{place[-1]}x"] = value
    else:
        signed[place[-1]] = value


@settings(max_examples=300, deadline=None)
@given(
    victim=st.sampled_from(_VICTIMS),
    role=st.integers(0, 20),
    where=st.integers(0, 10**6),
    value=st.sampled_from(_VALUES),
    how=st.sampled_from(["set", "remove", "add"]),
)
@example(victim=_VICTIMS[0], role=0, where=0, value=None, how="remove")
def test_what_a_stock_client_refuses_is_a_problem(victim: Repo, role: int, where: int, value: Any, how: str) -> None:
    """Files that say anything at all, properly signed: where python-tuf stumbles, the audit has found why by itself."""
    repo = victim.copy()
    name = sorted(repo.versions)[role % len(repo.versions)]
    places = _places(repo.load(name)["signed"])
    repo.edit(name, lambda signed: _change(signed, places[where % len(places)], value, how=how))
    if name not in {"timestamp", "root"}:
        repo.list_facts &= name != "snapshot"
        repo.resettle()
    report = verify(repo, trusted_root=victim.trusted, now=NOW, contents=repo, depth=Depth.FULL)
    own = [problem for problem in report.problems if not problem.code.startswith("client-")]
    assert own or report.ok, report.problems
