"""`rstuf recover state`: a state that is lost is made anew from what is published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import rstuf
from rstuf.clock import SystemClock
from rstuf_cli import prompts, proposing
from rstuf_cli.console import Console, escape
from rstuf_cli.failures import UsageFault
from rstuf_cli.files import read_small
from rstuf_cli.reports import sign
from rstuf_cli.run import Run, run_of
from rstuf_cli.steps import Step, merged, show_steps, steps_document
from rstuf_cli.trusting import show_fingerprint
from rstuf_cli.wording import count, listed, number, seconds

EXAMPLES = {
    "recover state": """
rstuf recover state
rstuf recover state --plan plan.toml           with names, periods and signers
rstuf recover state --trusted-root 1.root.json --yes
rstuf recover state --take-older               though a newer snapshot lies there
"""
}
_MAX_ROOT_BYTES = 512_000
# Of a key's id: as much as is shown, and as much as has to be said of it.
_SHOWN, _TYPED = 16, 8


def state(
    ctx: typer.Context,
    *,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="What the repository is called; by default as its directory is."),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan", metavar="FILE", help="The plan of its ceremony: name, periods, names of keys, and signers."
        ),
    ] = None,
    trusted_root: Annotated[
        Path | None,
        typer.Option("--trusted-root", metavar="FILE", help="A root that you trust: nobody is asked about the first."),
    ] = None,
    former_key: Annotated[
        list[str] | None,
        typer.Option(
            "--former-key",
            metavar="KEYID",
            help="Take for yours what this key signed, though root names it no more. Repeatable.",
        ),
    ] = None,
    take_older: Annotated[
        bool,
        typer.Option("--take-older", help="Take what timestamp names, though a newer snapshot lies there."),
    ] = False,
) -> None:
    """Make a state that is lost anew, from what is published.

    Every root, every role and every artifact is read from metadata/ and verified as a client would: delegated roles and
    their bins by the keys that their delegations list. What rstuf itself would not publish is refused. You are shown
    the fingerprint of the first root, and asked whether it is yours; --yes answers beforehand. A state that is there is
    never written over: move one away that cannot be used. What was accepted and never published is gone, the log begins
    anew, and which keys were lost or leaked is forgotten: those that were dropped are named, and no command lets one in
    again unless you say that it is well.

    Where an online key was being replaced, what is published, or bins and delegated roles, may be signed by the old one
    yet, which root names no more. Somebody else may have it, so you are asked whether what lies there is what you
    released; --yes does not answer that, --former-key does.

    Where a snapshot lies there that is newer than the one that timestamp names, and rightly signed, you are asked, too:
    either an older timestamp was put back, and clients have seen more, or a publication was given up. What is newer is
    left out; --yes does not answer that, --take-older does. The next renewal or publication signs everything that the
    online key signs, far above what lies there, so that clients follow which saw more.
    """
    run = run_of(ctx)
    lasted = run.lasted()
    run.interrupted = "no state was made; run it again"
    rebuild = rstuf.prepare_rebuild(
        run.directory,
        run.session(),
        search=rstuf.Search.HERE if run.names_workspace else rstuf.Search.UPWARDS,
        name=name,
        plan_file=plan,
        trusted_root=None if trusted_root is None else read_small(trusted_root, limit=_MAX_ROOT_BYTES),
    )
    facts = rstuf.read_root(rebuild.root)
    if not rebuild.trusted and not run.options.yes:
        _ask(run, facts)
    _ask_former(run, rebuild.former, said=former_key or ())
    _ask_older(run, rebuild, said=take_older)
    run.interrupted = "the state is there whole, or not at all: run it again then"
    report = rebuild.carry_out()
    run.progress.close()
    steps = _steps(report)
    run.console.document(_document(report, facts, steps))
    if not run.console.is_json:
        _tell(run.console, report, facts, took=seconds(lasted()))
        show_steps(run.console, steps, now=SystemClock().now())


def _ask(run: Run, facts: rstuf.RootFacts) -> None:
    if not prompts.person_is_there():
        raise UsageFault(
            "there is nobody to ask whether the first root is yours",
            hint="--yes says that it is, or name one that you trust, --trusted-root FILE",
        )
    with run.pondering():
        show_fingerprint(run.console, facts.pin.sha256)
        if not prompts.agrees("all trust begins with root v1; is this fingerprint the one of yours?"):
            raise UsageFault(
                "that is not your root; nothing was made", hint="put back the metadata that is yours, from a copy"
            )


def _ask_former(run: Run, former: Sequence[rstuf.FormerKey], *, said: Sequence[str]) -> None:
    """Let a person answer for what keys signed that were replaced, perhaps since others have them.

    Raises:
        UsageFault: they do not, or nobody can be asked.
    """
    for each in said if former else ():
        if len(each) < _TYPED or not any(key.keyid.startswith(each.lower()) for key in former):
            raise UsageFault(
                f"what is published is not signed by the key {each}; nothing was made",
                hint=f"it is signed by {listed([_called(key) for key in former])}",
            )
    asked = [key for key in former if not any(key.keyid.startswith(each.lower()) for each in said)]
    if asked and (run.options.yes or run.console.is_json or not prompts.person_is_there()):
        options = " ".join(f"--former-key {key.keyid[:_SHOWN]}" for key in former)
        raise UsageFault(
            f"{'; '.join(_signed_by_former(key) for key in asked)}; nothing was made",
            hint="whoever else has that key may have signed what lies there; compare it with what you released, then: "
            f"rstuf recover state {options}",
        )
    for key in asked:
        run.console.warning(f"{escape(_signed_by_former(key))}: it was replaced, and not all is signed anew yet")
        run.console.warning(
            "whoever else has that key may have signed what lies there; compare it with what you released"
        )
        proposing.ask_typed(run, key.keyid[:_TYPED], to="take it for yours")


def _ask_older(run: Run, rebuild: rstuf.StateRebuild, *, said: bool) -> None:
    """Let a person decide to go on from something older than what lies there.

    Raises:
        UsageFault: they do not, or nobody can be asked.
    """
    if not rebuild.newer_snapshot or said:
        return
    told = (
        f"timestamp names snapshot v{rebuild.snapshot}, and v{rebuild.newer_snapshot} lies there, rightly signed: "
        "clients may have seen it, and what it brought would be left out"
    )
    if run.options.yes or run.console.is_json or not prompts.person_is_there():
        raise UsageFault(
            f"{told}; nothing was made",
            hint="put back the newest timestamp.json, from a mirror or a copy, and run it again; where there is none: "
            "rstuf recover state --take-older, and then add again what is missing",
        )
    run.console.warning(told)
    run.console.warning("put back the newest timestamp.json, from a mirror or a copy, if there is one")
    proposing.ask_typed(run, "older", to="go on without what is newer")


def _signed_by_former(key: rstuf.FormerKey) -> str:
    if key.bins_only:
        what = "bins, or delegated roles, are signed" if key.delegated else "bins are signed"
        return f"{what} by {_called(key)} alone, which root v{key.root_version} does not name"
    return f"what is published is signed by {_called(key)}, which root v{key.root_version} names no more"


def _called(key: rstuf.FormerKey) -> str:
    shown = key.keyid[:_SHOWN]
    return shown if key.name is None else f"{key.name} ({shown})"


def _steps(report: rstuf.RebuildReport) -> list[Step]:
    steps = [
        Step(f"rstuf key add {key.name} --signer URI", "nothing here says where this key signs")
        for key in report.keys
        if key.signer is None and key.name not in report.dropped.values()
    ]
    why = "signs everything anew, far above what clients can have seen"
    steps.append(Step("rstuf renew", why, about="rebuilt"))
    if report.older:
        why = f"lets people sign {listed([escape(role) for role in report.older])} above what clients may have seen"
        steps.append(Step("rstuf renew", why, about="overtaken"))
    if report.passed_over:
        why = "whatever came with the newer snapshot is not here: add it again"
        steps.append(Step("rstuf artifact list", why))
    if report.former is not None:
        why = f"signs anew what {escape(report.former)} signed: no client takes that from the newest root"
        steps.append(Step("rstuf renew", why, about="rotation"))
    for name in report.strays:
        why = f"takes {escape(name)} out: root does not name it, and whoever has it could change contents"
        steps.append(Step("rstuf renew", why, about="stray-key"))
    why = "if it leaked, so that nothing ever lets it in: nothing here knows that any more"
    steps += [Step(f"rstuf key revoke {name} --leaked", why) for name in report.dropped.values() if name is not None]
    steps += _steps_of_guesses(report)
    return merged([*steps, Step("rstuf verify", "what is published and the new state, side by side")])


def _steps_of_guesses(report: rstuf.RebuildReport) -> list[Step]:
    delegated = [role for role in report.guessed if role in report.delegated]
    below = {*report.delegated, *(f"{name}-bins" for name in report.delegated)}
    others = [role for role in report.guessed if role not in below]
    commands = {"rstuf root update --role ROLE": others, "rstuf delegation update ROLE": delegated}
    return [
        Step(f"{command} --expires PERIOD", f"how long these live is a guess: {listed(roles)}")
        for command, roles in commands.items()
        if roles
    ]


def _document(report: rstuf.RebuildReport, facts: rstuf.RootFacts, steps: list[Step]) -> dict[str, Any]:
    return {
        "repository": report.repository,
        "root_version": report.root,
        "timestamp_version": report.timestamp,
        "artifacts": report.artifacts,
        "bins": report.bins,
        "delegated_roles": list(report.delegated),
        "former_key": report.former,
        "passed_over": report.passed_over or None,
        "superseded": report.superseded,
        "first_root": {"sha256": facts.pin.sha256, "words": rstuf.fingerprint_words(facts.pin.sha256)},
        "keys": [{"name": key.name, "keyid": key.keyid, "signer": key.signer} for key in report.keys],
        "dropped_keys": [{"keyid": keyid, "name": name} for keyid, name in report.dropped.items()],
        "periods": {
            role: {
                "expires": rstuf.format_duration(periods.expires),
                "renew_before": rstuf.format_duration(periods.renew_before),
                "guessed": role in report.guessed,
            }
            for role, periods in report.periods.items()
        },
        "next_steps": steps_document(steps),
    }


def _tell(console: Console, report: rstuf.RebuildReport, facts: rstuf.RootFacts, *, took: str) -> None:
    console.result(
        f"{sign(console, ok=True)} the state of {escape(report.repository)} is made anew: "
        f"{count(report.artifacts, 'artifact')}{_places(report)}, root v{number(report.root)}, "
        f"timestamp v{number(report.timestamp)}; {took}"
    )
    console.result(f"  the first root is {facts.pin.sha256[:16]}…")
    for key in report.keys:
        console.result(f"  key {escape(key.name)}: {escape(key.signer or 'elsewhere')}")
    if report.superseded:
        others = count(report.superseded, "other metadata file lies", "other metadata files lie")
        console.folded_result(f"  {others} there, which rstuf prune removes in time", indent=2)
    console.folded_result(f"  {_forgotten(report)}", indent=2)
    for role, periods in report.periods.items():
        guess = ", a guess" if role in report.guessed else ""
        console.result(f"  {escape(role)} lives {rstuf.format_duration(periods.expires)}{guess}")


def _places(report: rstuf.RebuildReport) -> str:
    """Where they are."""
    bins = [count(report.bins, "bin")] if report.bins else []
    roles = [count(len(report.delegated), "delegated role")] if report.delegated else []
    return f" in {listed([*bins, *roles])}" if bins or roles else ""


def _forgotten(report: rstuf.RebuildReport) -> str:
    told = "which keys were lost or leaked is not known any more"
    dropped = [
        f"{escape(name)} ({keyid[:12]}…)" if name is not None else f"{keyid[:12]}…"
        for keyid, name in report.dropped.items()
    ]
    return (
        f"{told}; root names these no more, and nobody should let one in who does not know why: {listed(dropped)}"
        if dropped
        else told
    )
