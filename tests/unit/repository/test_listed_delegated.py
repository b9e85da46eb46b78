"""Artifacts of delegated roles as they are listed, shown and exported, while they move and after a role has left."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.audited import said, verified
from tests.support.delegated import delegate, delegated, undelegate, where
from tests.support.engine import Engine, check_client

from rstuf.errors import ArtifactNotFound
from rstuf.model.artifacts import View
from rstuf.model.layout import Layout
from rstuf.model.names import RoleName, TargetPath
from rstuf.repository.artifacts import remove_artifacts
from rstuf.repository.publish import publish
from rstuf.repository.rebin import resize_bins
from rstuf.repository.repository import Repository


def exported(engine: Engine) -> dict[str, int]:
    """Each path with the length of its content, as clients see it."""
    return {each.path: each.length for each in Repository(engine.ports).exported()}


@pytest.mark.parametrize("layout", list(Layout))
def test_each_artifact_is_listed_once_with_its_role(tmp_path: Path, layout: Layout) -> None:
    """Whichever role or bin has it; what is exported is what clients see."""
    engine = delegated(tmp_path / "repository", layout)
    listed = where(engine)
    assert set(listed) == set(engine.contents) == set(exported(engine))
    assert (listed["team/one"], listed["team/inner/a"], listed["ops/x"]) == (
        "team published",
        "inner published",
        "ops published",
    )
    assert listed["vendor/3"].startswith("vendor-bins-")
    rest = {"targets published"} if layout is Layout.FLAT else {f"bins-{index} published" for index in range(4)}
    assert {said for path, said in listed.items() if path.startswith("files/")} <= rest
    repository = Repository(engine.ports)
    for path, role in listed.items():
        shown = repository.artifact(path)
        assert f"{shown.role} {shown.state}" == role
    check_client(engine, tmp_path / "client")


@pytest.mark.parametrize("split", [False, True])
def test_what_was_to_go_is_gone_with_its_role(tmp_path: Path, *, split: bool) -> None:
    """A removal that waits when its role leaves is carried out by that; what comes back later is listed as it is."""
    engine = Engine.live(tmp_path / "repository")
    for path in ("a", "team/x", "team/y", "team/z"):
        engine.add(path, path.encode())
    publish(engine.ports)
    delegate(engine, "team", "team/*")
    if split:
        resize_bins(engine.ports, 2, role=RoleName("team"))
    engine.remove("team/x")
    engine.add("team/y", b"new")
    engine.add("team/new", b"n")
    undelegate(engine, "team")
    assert set(where(engine)) == {"a", "team/new", "team/y", "team/z"}
    assert {state.split()[1] for state in where(engine).values()} == {"published"}
    assert exported(engine) == {path: len(data) for path, data in engine.contents.items()}
    with engine.ports.state.read() as reader:
        assert reader.totals().artifacts == 4
        assert reader.artifact(TargetPath("team/x")) is None
        assert [each.artifact.path for each in reader.artifacts(view=View.VISIBLE)] == sorted(engine.contents)
    with pytest.raises(ArtifactNotFound):
        remove_artifacts(engine.ports, [TargetPath("team/x")])
    engine.add("team/x", b"again")
    assert where(engine)["team/x"].endswith(" pending")
    publish(engine.ports)
    assert where(engine)["team/x"].endswith(" published")
    check_client(engine, tmp_path / "client")
    delegate(engine, "team", "team/*")
    assert where(engine)["team/x"] == "team published"
    assert said(verified(engine)) == ""
    check_client(engine, tmp_path / "client")
