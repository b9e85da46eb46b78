"""A state that is lost after any history is made anew from what is published, and everything goes on from it.

The new state is held against the lost one, and the judges are the stock clients of `test_delegations`, which read on.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from tests.property.test_delegations import Delegations
from tests.support.rebuilding import delegations_of, exported, rebuilt, roles_of, under_replacement
from tests.support.wishes import NAMES, Wish, act

from rstuf.model.artifacts import MAX_INTEGER
from rstuf.repository.renewal import renew
from rstuf.repository.verify import Depth
from rstuf.repository.verify_own import verify_own

# Each by its own name, so that most of them can be had; some of them split into bins then.
ADDITIONS = st.builds(
    Wish,
    kind=st.sampled_from(["add", "add", "add", "resize"]),
    name=st.sampled_from(NAMES),
    place=st.integers(0, 5),
    patterns=st.sampled_from([("team/*",), ("docs/*", "docs/*/*"), ("team/*/*",), ("*.txt",)]),
    signers=st.sampled_from([(), (), ("dev-1",)]),
    terminating=st.booleans(),
    what=st.just(1),
)


class Rebuilt(Delegations):
    """Loses its state now and then."""

    losses = 0

    @rule(wishes=st.lists(ADDITIONS, min_size=2, max_size=4))
    def delegate_more(self, wishes: list[Wish]) -> None:
        """So that there is something to lose."""
        for wish in wishes:
            with self.refusable():
                act(wish, self.engine.ports)(self.engine.ports)
        self.look()

    @precondition(lambda self: self.losses < 3)
    @rule(at_once=st.booleans(), remembered=st.booleans())
    def lose_state(self, at_once: bool, remembered: bool) -> None:
        """`at_once`: a renewal signs all anew before anything else is done; `remembered`: periods are known."""
        # Nothing but its clock tells a new state how late it is.
        self.engine.clock.advance(max(self.now - self.engine.clock.now(), timedelta(0)))
        self.publish_all()
        lost = self.engine
        with lost.ports.state.read() as reader:
            periods = dict(reader.periods())
        self.losses += 1
        place = self.directory / f"again-{self.losses}"
        # Nothing but its people can tell that a rotation was under way, in which both keys sign bins.
        replaced = under_replacement(lost)
        known = {"periods": periods if remembered else {}, "passed_over": MAX_INTEGER, "answered": frozenset(replaced)}
        self.engine, report = rebuilt(lost, place, **known)
        assert exported(self.engine) == exported(lost)
        now, before = roles_of(self.engine), roles_of(lost)
        if report.passed_over:
            # What was given up may have listed more names, and names that have left higher up.
            assert now.keys() >= before.keys()
            now, before = ({name: role for name, role in each.items() if not role.retired} for each in (now, before))
            event("newer snapshot")
        assert now == before
        assert delegations_of(self.engine) == delegations_of(lost)
        with self.engine.ports.state.read() as reader:
            assert reader.periods().keys() <= periods.keys()
        assert set(report.strays) == set(replaced.values())
        event("lost in a rotation" if replaced else "lost between rotations")
        assert verify_own(self.engine.ports, depth=Depth.ROLES).problems == ()
        lost.ports.state.close()
        event(f"lost with {len(report.delegated)} delegations")
        if at_once:
            renew(self.engine.ports)
        self.look()


def test_a_state_is_made_anew_after_any_history() -> None:
    """Roles, delegations and artifacts are what they were, and whatever comes next is read by every client."""
    run_state_machine_as_test(
        Rebuilt,
        settings=settings(
            max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
