"""Verify beside a state that another tree of delegations, or other bins, are coming to: whatever the layout is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.support.audited import notes, said, tamper, verified
from tests.support.delegated import delegate, delegated, undelegate
from tests.support.engine import Engine, check_client

from rstuf.model.layout import Layout
from rstuf.model.names import RoleName
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins


@pytest.fixture(scope="module", params=list(Layout))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A repository that delegates, laid out in each way. Made once; tests take copies."""
    layout: Layout = request.param
    return delegated(tmp_path_factory.mktemp(layout.value), layout)


def test_each_layout_is_sound(engine: Engine, tmp_path: Path) -> None:
    """Named roles beside succinct bins, bins by hash prefixes or none: nothing is wrong, with changes and without."""
    report = verified(engine)
    assert (said(report), notes(report)) == ("", {"retired-role"})
    assert report.facts["bins"] == (4 if _layout(engine) is Layout.FLAT else 8)
    assert report.checked["artifacts"] == report.checked["state_artifacts"] == report.checked["contents"] == 18
    engine.add("team/later", b"l")
    engine.add("elsewhere", b"e")
    engine.remove("files/1.bin")
    assert said(verified(engine)) == ""
    publish(engine.ports)
    assert said(verified(engine)) == ""
    check_client(engine, tmp_path / "client")


def _layout(engine: Engine) -> Layout:
    with engine.ports.state.read() as reader:
        return reader.settings().layout


class _Power(Exception):
    """The process ends here."""


@contextmanager
def _cut_off(engine: Engine, when: str) -> Iterator[None]:
    """What is done here is cut off before or after timestamp is replaced."""
    show = engine.metadata.show

    def fail(name: str, data: bytes) -> None:
        if name != "timestamp.json":
            show(name, data)
            return
        if when == "after":
            show(name, data)
        raise _Power

    engine.metadata.show = fail  # type: ignore[method-assign]
    with suppress(_Power):
        yield
    engine.metadata.show = show  # type: ignore[method-assign]


def _resize_all(engine: Engine) -> None:
    resize_bins(engine.ports, 8)


def _resize_one(engine: Engine) -> None:
    resize_bins(engine.ports, 2, role=RoleName("vendor"))


def _split(engine: Engine) -> None:
    resize_bins(engine.ports, 2, role=RoleName("inner"))


def _add(engine: Engine) -> None:
    delegate(engine, "files", "files/*")


def _add_again(engine: Engine) -> None:
    delegate(engine, "gone", "gone/*")


def _nest(engine: Engine) -> None:
    delegate(engine, "deep", "ops/*", parent="ops")


def _remove(engine: Engine) -> None:
    undelegate(engine, "ops")


def _remove_split(engine: Engine) -> None:
    undelegate(engine, "vendor")


CHANGES = [_resize_all, _resize_one, _split, _add, _add_again, _nest, _remove, _remove_split]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_change_that_was_cut_off_is_a_note(
    engine: Engine, tmp_path: Path, change: Callable[[Engine], None], when: str
) -> None:
    """Clients see other bins or delegations, and the state has not settled who lists what: they agree all the same."""
    if change is _resize_all and _layout(engine) is Layout.FLAT:
        pytest.skip("a flat repository has no bins beside those of its roles")
    with _cut_off(engine, when):
        change(engine)
    engine.add("files/meanwhile", b"m")
    report = verified(engine)
    assert said(report) == ""
    assert notes(report) - {"retired-role"} == {"unfinished-publication"}
    publish(engine.ports)
    report = verified(engine)
    assert said(report) == ""
    assert notes(report) <= {"retired-role"}
    check_client(engine, tmp_path / "client")


def test_damage_is_found_in_what_was_cut_off(engine: Engine, tmp_path: Path) -> None:
    """What clients see of a role that joined is compared before the state has settled it, too."""
    with _cut_off(engine, "after"):
        _add(engine)
    assert said(verified(engine)) == ""
    assert tamper(tmp_path, "DELETE FROM artifact WHERE path = 'files/1.bin'") == 1
    assert "files files/1.bin: it is in the metadata, and not in what the state" in said(verified(engine))
