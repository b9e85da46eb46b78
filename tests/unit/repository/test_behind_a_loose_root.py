"""Signatures that arrive while somebody has published another root of the number that they are for."""

from __future__ import annotations

import pytest
from tests.support.engine import Engine
from tests.support.thieves import publish_loose

from rstuf.errors import LooseRootOut
from rstuf.repository.root_update import RootUpdate
from rstuf.repository.signing_events import Outcome


def test_a_signature_is_kept_though_nothing_comes_out(engine: Engine) -> None:
    """Whoever brings it is told that it was taken, and not that nothing was changed."""
    events = engine.events
    for name in ("three", "four"):
        engine.make_key(name)
        events.open(events.propose(RootUpdate(add=(name,), threshold=2)), drop=True)
        if name == "three":
            first = (events.bundle("root-v2"), [engine.signature("root-v2", each) for each in ("one", "two", "three")])
    publish_loose(engine, first[0], *first[1])
    signatures = [engine.signature("root-v2", each) for each in ("one", "two", "four")]
    done = events.receive(signatures)
    assert {each.outcome for each in done.receptions} == {Outcome.ADDED}
    (kept,) = done.completions
    assert isinstance(kept.obstacle, LooseRootOut)
    assert kept.obstacle.hint is not None
    assert kept.obstacle.hint.startswith("what was signed is kept. Clients follow it: rstuf recover loose-root")
    (view,) = events.views()
    assert {each.keyid for each in view.event.parts[0].signatures} >= {each.keyid for each in signatures[:2]}
    # Brought again, nothing is changed, and that is what is said.
    with pytest.raises(LooseRootOut, match="which somebody published") as caught:
        events.receive(signatures)
    assert (caught.value.hint or "").startswith("nothing was changed. ")
