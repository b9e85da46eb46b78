"""A plan that is saved is the plan that is read again."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.plans import plan_text

from rstuf.repository.plan import Plan, read_plan
from rstuf.repository.plan_text import render_plan

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,20}", fullmatch=True)
PLACES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
PERIODS = st.sampled_from(["365d", "36h", "90m", "7d"])


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """The document of a plan that holds together."""
    names = draw(st.lists(NAMES, min_size=2, max_size=5, unique_by=str.casefold))
    online, *people = names
    keys: dict[str, Any] = {}
    for number, name in enumerate(names):
        made = {"generate": draw(st.sampled_from(["ed25519", "ecdsa", "rsa"])), "signer": f"file:keys/{number}.key"}
        made |= draw(st.sampled_from([{}, {"encrypt": True}, {"encrypt": False}]))
        known = {"public": draw(PLACES.filter(bool))} | draw(st.sampled_from([{}, {"signer": "file:x.key"}]))
        keys[name] = draw(st.sampled_from([made, known]))
    document: dict[str, Any] = {
        "repository": {
            "name": draw(st.text(min_size=1, max_size=30).filter(lambda text: text.strip() and text.isprintable())),
            "metadata": draw(PLACES.filter(bool)),
            "artifacts": draw(PLACES),
        },
        "root": {"threshold": draw(st.integers(1, len(people))), "signers": people, "expires": draw(PERIODS)},
        "keys": keys,
        "online": {"key": online},
        "bins": {"count": 1 << draw(st.integers(1, 14))},
        "timestamp": {"expires": draw(PERIODS), "renew_before": "5m"},
    }
    if draw(st.booleans()):
        document["targets"] = {"signers": people[:1], "threshold": 1}
    return document


@given(document=plans())
def test_saving_and_reading_is_the_identity(document: dict[str, Any]) -> None:
    """Whatever a plan says, its saved form says the same."""
    plan = read_plan(document)
    again = read_plan(tomllib.loads(render_plan(plan)))
    assert replace(again, digest=plan.digest) == plan
    assert render_plan(again) == render_plan(plan)


def test_a_saved_plan_reads_well() -> None:
    """One table after the other, every life spelt out, and nothing that means what is said already."""
    plan: Plan = read_plan(tomllib.loads(plan_text(name="acme", signers=("alice", "bob"))))
    text = render_plan(plan)
    assert text.startswith('[repository]\nname = "acme"\n')
    assert '[keys.alice]\ngenerate = "ed25519"\nsigner = "file:keys/alice.key"\nencrypt = false\n' in text
    assert text.endswith('[bins]\ncount = 4\nexpires = "90d"\n')
    assert "renew_before" not in text
