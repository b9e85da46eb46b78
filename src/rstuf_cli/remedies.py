"""What to do about what an audit found: from its stable words to the commands that mend it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import rstuf
from rstuf_cli.console import escape
from rstuf_cli.reports import is_bin
from rstuf_cli.steps import Step

# Beside the metadata, so that signing anything again would not change it.
_ELSEWHERE: Final = frozenset(
    {"state-damaged", "log-broken", "content-missing", "content-mismatch", "served-private", "served-shared"}
    | {"served-workspace", "client-refuses", "client-disagrees", "bad-path", "bad-target", "wrong-bin"}
    | {"not-delegated", "unreachable", "shadowed"}
)
_FEW: Final = 3
_TOP_LEVEL: Final = frozenset({"root", "targets", "snapshot", "timestamp"})
LOOSE_OUT: Final = "loose-root-out"
_STATE_ANEW: Final = "mkdir aside && mv state.db* aside/ && rstuf recover state"


def remedies(report: rstuf.VerifyReport) -> list[Step]:
    """What to do in a workspace about what is wrong there, the most urgent first."""
    codes = {problem.code for problem in report.problems}
    if "loose-root-out" in codes:
        return ways_of_loose_root("clients follow a root that was proposed here, and that this state did not publish")
    if "state-behind" in codes:
        # Whatever else differs comes of it.
        of_root = any(problem.code == "state-behind" and problem.role == "root" for problem in report.problems)
        return ways_of_older_state("root" if of_root else "", "clients see what this one does not know of")
    concerned = {problem.role for problem in report.problems}
    in_the_way = [each for each in report.in_the_way if each.role in concerned or "client-refuses" in codes]
    # What comes of a root that is none goes with it.
    gone = {each.role for each in in_the_way if not each.directory}
    others = [each for each in report.problems if each.code not in _ELSEWHERE and each.role not in gone]
    steps = [*move_away(in_the_way), *_signed_again(others, report.known_roles)]
    if codes & {"state-damaged", "log-broken"}:
        why = "in a backup: publish nothing more from this state; put the newest copy that is sound in its place"
        steps.append(Step("rstuf verify", why))
    if codes & {"content-missing", "content-mismatch"}:
        steps.append(Step("rstuf artifact add FILE", "the good file once more puts its content back"))
    if "served-shared" in codes:
        steps.append(Step("chmod -R go-w DIR", "let nobody else change what is served; then look at what was changed"))
    if "served-private" in codes:
        why = "take what is private out of there, and replace the keys that were: somebody may have them by now"
        steps.append(Step("mv FILE ELSEWHERE", why))
    return steps


def move_away(in_the_way: Sequence[rstuf.Blocker]) -> list[Step]:
    """What no command takes away, because somebody put it there."""
    return [
        Step(
            f"move {escape(each.name)} away",
            "a directory stands there, and nothing can be written in its place"
            if each.directory
            else "it is no root of this repository, and every client stops at it",
            about="in-the-way",
        )
        for each in in_the_way
    ]


def ways_of_older_state(role: str, seen: str) -> list[Step]:
    """The ways on where clients see what a state does not know of, the one that does least harm first.

    It is an old copy, or somebody else has the key: nothing here tells which, and what helps in one case may harm in
    the other. Another online key is right in both; a copy that goes on beside a thief leaves the key with them.

    Args:
        role: of which it is.
        seen: that clients see it, in words.
    """
    if role == "root":
        ways = [
            ("put back the newest copy", f"{seen}: this is an old one, or somebody else has root's keys"),
            (_STATE_ANEW, "if no newer copy is left and that root is yours: a new state, from what is published"),
            ("rstuf recover root-keys", "if none of you signed that root: what can be done, and what cannot"),
        ]
    else:
        ways = [
            ("put back the newest copy", f"{seen}: this is an old one, or somebody else has the online key"),
            (
                "rstuf recover online-key NAME --leaked",
                "if this is the newest: clients forget what somebody else has signed with the old key",
            ),
            ("rstuf recover copy", "if no newer copy is left; it says what that costs, and asks"),
        ]
    return [Step(command, why, about="old-copy") for command, why in ways]


def ways_of_loose_root(seen: str) -> list[Step]:
    """The ways on where somebody published a root that was proposed here.

    Args:
        seen: that clients see it, in words.
    """
    return [
        Step("rstuf recover loose-root", f"{seen}; takes it over, and keeps this state", about=LOOSE_OUT),
        Step("put back the newest copy", "if another copy of this workspace published it", about=LOOSE_OUT),
    ]


def remedies_from_outside(report: rstuf.VerifyReport) -> list[Step]:
    """What to do about what a server serves."""
    codes = {problem.code for problem in report.problems}
    steps = []
    if "served-workspace" in codes:
        why = "and replace the keys that were served: somebody may have them by now"
        steps.append(Step("serve metadata/ and targets/ alone", why))
    if "content-missing" in codes:
        why = "where contents are served at another place than the one that was looked at"
        steps.append(Step("rstuf verify --url URL --artifacts-url URL", why))
    if codes <= {"served-workspace"}:
        return steps
    if "state-ahead" in codes:
        why = "in the workspace: if nothing is wrong there, a mirror or a cache is behind and must fetch anew"
    else:
        why = "in the workspace that it comes from: tells whether it is wrong there, or on the way here only"
    return [*steps, Step("rstuf verify", why)]


def renewal_of(bins: Sequence[str]) -> str:
    """The command that signs these bins again, lost or not."""
    return "rstuf renew" + (
        "".join(f" --force {escape(each)}" for each in bins) if len(bins) <= _FEW else " --force bins"
    )


def _signed_again(problems: Sequence[rstuf.Problem], known: Collection[str]) -> list[Step]:
    """The one command that mends metadata. Metadata can name roles that are not here: no command takes these."""
    roles = {problem.role for problem in problems if problem.role is not None}
    if any(problem.role == "timestamp" and problem.code != "expired" for problem in problems):
        why = "looks at every file that clients fetch, puts back or signs again what is lost, and publishes over it"
        return [Step("rstuf renew --force timestamp", why)]
    bins = sorted(role for role in roles if is_bin(role) and role in known)
    if bins:
        return [Step(renewal_of(bins), "signs again what clients cannot read, and puts back what is lost")]
    if roles:
        below = any(role in known and role not in _TOP_LEVEL for role in roles)
        whom = "root, targets and delegated roles" if below else "root and targets"
        return [Step("rstuf renew", f"puts back {whom} as they were signed, and signs again what is due")]
    return []


def unseen_in_words(unseen: int, seen: int) -> str | None:
    """What an audit could not look at, as the end of a sentence about roles; None where it saw all."""
    if seen == 0:
        return "no role could be read"
    if unseen == 0:
        return None
    return f"{'a role' if unseen == 1 else f'{unseen} roles'} could not be read"
