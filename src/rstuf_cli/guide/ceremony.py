"""What the guided ceremony asks, and the plan that the answers make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import rstuf
from rstuf.errors import RstufError
from rstuf_cli.guide.delegations import delegation_questions, delegation_tables
from rstuf_cli.guide.holders import holder_questions, key_tables, names_of, online_questions
from rstuf_cli.guide.interview import Answers
from rstuf_cli.guide.questions import Choice, Question, Refused
from rstuf_cli.wording import count, number, period, size

REPOSITORY, UPKEEP, BINS, DELEGATIONS, ROOT, ONLINE, EXPIRY = (
    "The repository",
    "Who keeps it fresh",
    "Bins",
    "Delegations",
    "Who signs root",
    "The online key",
    "How long signatures last",
)
STEPS: Final = (REPOSITORY, UPKEEP, BINS, DELEGATIONS, ROOT, ONLINE, EXPIRY, "Review")

_ROLES: Final = ("root", "targets", "bins", "snapshot", "timestamp")
_MOST_EXPECTED: Final = 10**9
_AMOUNT: Final = re.compile(r"([0-9]+(?:[.,][0-9]+)?)(k|m|thousand|million)?", re.ASCII)
_TIMES: Final = {None: 1, "k": 10**3, "thousand": 10**3, "m": 10**6, "million": 10**6}

_COST_HEADS: Final = ("bins", "first", "after publishing", "one more")

_PURPOSES: Final = {
    # purpose: (title, where contents are, how many files to expect)
    "software": ("software that people install or update", "here", "1000"),
    "index": ("a package index, with many projects in it", "elsewhere", "200000"),
    "documents": ("documents or data sets", "here", "1000"),
    "images": ("container images, by the digests of their manifests", "elsewhere", "5000"),
    "firmware": ("firmware for devices in the field", "here", "200"),
}


def script(directory: Path) -> Callable[[Answers], Sequence[Question]]:
    """The interview for a workspace that will be in `directory`."""

    def questions(answers: Answers) -> Sequence[Question]:
        return [
            *_about_repository(answers, directory),
            _about_upkeep(),
            *_about_bins(answers),
            *delegation_questions(answers, step=DELEGATIONS),
            *holder_questions(answers, step=ROOT),
            *online_questions(answers, step=ONLINE),
            *_about_expiry(answers),
        ]

    return questions


def document_of(answers: Answers) -> dict[str, Any]:
    """The plan that complete answers make, as `rstuf.read_plan` takes it."""
    periods = {role: _lives(answers, role) for role in _ROLES}
    delegations = delegation_tables(answers)
    return {
        "repository": {
            "name": answers["name"],
            "metadata": "metadata",
            "artifacts": "targets" if answers["contents"] == "here" else "",
        },
        "root": {
            "threshold": int(answers["root.threshold"]),
            "signers": names_of(answers),
            "expires": periods["root"],
        },
        "keys": key_tables(answers),
        "online": {"key": "online"},
        "timestamp": {"expires": periods["timestamp"]},
        "snapshot": {"expires": periods["snapshot"]},
        "targets": {"expires": periods["targets"]},
        "bins": {"count": int(answers["bins"]), "expires": periods["bins"]},
        **({"delegations": delegations} if delegations else {}),
    }


def _about_repository(answers: Answers, directory: Path) -> Iterator[Question]:
    yield Question(
        "name",
        REPOSITORY,
        "What is it called?",
        default=directory.name or "repository",
        teaches="This makes a TUF repository: signed metadata beside your files, by which a client tells them from "
        "anybody else's, whatever server it got them from.\n\n"
        "You are asked a dozen things. Nothing is made before you have seen all of it at the end.",
        why="The name is for people: status and signers are shown it. Clients never see it, and nothing depends on it.",
        check=_name,
    )
    yield Question(
        "purpose",
        REPOSITORY,
        "What is it for?",
        default="software",
        choices=tuple(Choice(value, title) for value, (title, _, _) in _PURPOSES.items()),
        why="It chooses what is proposed in the next questions, nothing else. Every answer can be another one.",
    )
    _, contents, _ = _PURPOSES[answers.get("purpose", "software")]
    yield Question(
        "contents",
        REPOSITORY,
        "Where do clients download the files themselves from?",
        default=contents,
        teaches="Metadata says what a file is: its path, length and SHA-256. The files themselves can be anywhere: no "
        "server that holds them needs to be trusted.",
        choices=(
            Choice("here", "from beside the metadata", "added files are copied into targets/"),
            Choice("elsewhere", "from where they are already", "a registry, a bucket, a CDN"),
        ),
        why="Clients ask for a file under a name that begins with its hash. rstuf keeps copies under such names; where "
        "files are served from elsewhere, whoever serves them must do so.",
    )


def _about_upkeep() -> Question:
    titles = {
        rstuf.Upkeep.PERSON: "a person, who runs rstuf now and then",
        rstuf.Upkeep.TIMER: "a timer: cron or CI, every day or more often",
        rstuf.Upkeep.DAEMON: "a program that runs all the time",
    }

    def life(upkeep: rstuf.Upkeep) -> str:
        return f"timestamp lives {period(rstuf.proposed_periods(upkeep)['timestamp'].expires)}"

    return Question(
        "upkeep",
        UPKEEP,
        "Who runs rstuf renew?",
        default=rstuf.Upkeep.PERSON.value,
        teaches="Metadata expires, so that nobody can keep your users at an old state by showing them old files for "
        "ever. Before it does, somebody must sign it again: rstuf renew does, and signs only what is due.\n\n"
        "The more reliably that happens, the sooner things may expire, and the shorter an attack can last.",
        choices=tuple(Choice(upkeep.value, title, life(upkeep)) for upkeep, title in titles.items()),
        why="A client that finds an expired timestamp refuses every update until it is renewed. So too short a life "
        "stops your users when nobody is there, and too long a one lets a bad server hold them back.",
    )


def _about_bins(answers: Answers) -> Iterator[Question]:
    _, _, expected = _PURPOSES[answers.get("purpose", "software")]
    yield Question(
        "expected",
        BINS,
        "How many files will it hold in a few years?",
        default=expected,
        teaches="Files are spread over bins by the hash of their path, so that a client downloads the metadata of a "
        "few, not of all. A rough number will do.",
        why="It decides how many bins there should be: too few, and each is large; too many, and the list of all of "
        "them is, which every client fetches after each publication.",
        check=_amount,
    )
    artifacts = int(answers.get("expected", expected))
    costs, advised = rstuf.compare_bins(artifacts), rstuf.recommended_bins(artifacts)
    rows = _in_columns([_COST_HEADS, *map(_cost_row, costs)])
    yield Question(
        "bins",
        BINS,
        f"How many bins for {count(artifacts, 'file')}?",
        default=str(advised),
        teaches="What a client downloads to find its first file, to find one after a publication, and to find one more "
        "while nothing is published:",
        heading=rows[0],
        choices=tuple(
            Choice(str(cost.bins), row, _leaves_out(cost, advised=advised))
            for cost, row in zip(costs, rows[1:], strict=True)
        ),
        why="Clients in JavaScript (tuf-js) compare all bins with each other, and all files of one bin: with 16 384 "
        "bins that took 169 seconds. Clients without TAP 15 (tough, php-tuf) read no bins of this kind at all.",
    )


def _in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]


def _cost_row(cost: rstuf.ClientCost) -> tuple[str, str, str, str]:
    return number(cost.bins), size(cost.first), size(cost.after), size(cost.more)


def _leaves_out(cost: rstuf.ClientCost, *, advised: int) -> str:
    if cost.slow is not None:
        return "slow in JavaScript"
    return "advised" if cost.bins == advised else ""


def _about_expiry(answers: Answers) -> Iterator[Question]:
    proposed = rstuf.proposed_periods(rstuf.Upkeep(answers.get("upkeep", rstuf.Upkeep.PERSON)))
    rows = [
        f"{role:<10} {period(periods.expires):>9}, signed again when {period(periods.renew_before)} are left"
        for role, periods in ((role, proposed[role]) for role in _ROLES)
    ]
    yield Question(
        "expiry",
        EXPIRY,
        "Take these?",
        default="proposed",
        teaches="This follows from your answers:",
        table=lambda _width, _lines: rows,
        choices=(Choice("proposed", "yes"), Choice("own", "no, let me say how long each lives")),
        why="Root lives long, because people must come together to sign it. What the online key signs lives as short "
        "as it can be renewed reliably.",
    )
    if answers.get("expiry") != "own":
        return
    for role in _ROLES:
        yield Question(
            f"expiry.{role}",
            EXPIRY,
            f"How long do signatures of {role} last?",
            default=rstuf.format_duration(proposed[role].expires),
            teaches="Write a number and a unit: 365d, 36h, 90m.",
            why="It is signed again when a third of that is left, if rstuf renew is run then.",
            check=_duration,
        )


def _lives(answers: Answers, role: str) -> str:
    if answers["expiry"] == "own":
        return answers[f"expiry.{role}"]
    return rstuf.format_duration(rstuf.proposed_periods(rstuf.Upkeep(answers["upkeep"]))[role].expires)


def _name(text: str) -> str:
    text = text.strip()
    if not text or len(text) > 200 or not text.isprintable():
        raise Refused("a name has 1 to 200 printable characters")
    return text


def _amount(text: str) -> str:
    found = _AMOUNT.fullmatch(re.sub(r"[\s_']", "", text.lower()).removeprefix("about"))
    value = round(float(found[1].replace(",", ".")) * _TIMES[found[2]]) if found else -1
    if not 0 < value <= _MOST_EXPECTED:
        raise Refused("write a number above 0, like 1000, 200k or 1.5 million")
    return str(value)


def _duration(text: str) -> str:
    try:
        return rstuf.format_duration(rstuf.parse_duration(text))
    except RstufError as error:
        raise Refused(error.message) from None
