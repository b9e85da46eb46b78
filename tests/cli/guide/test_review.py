"""The review of a plan: whoever signs, it fits the terminal, and nothing of it is cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.guide.test_interview import FILES
from tests.cli.guide.test_screens import same_as_file
from tests.support.person import COLUMNS, ENTER, Person

import rstuf
from rstuf_cli.review import plan_lines

THREE = ["maria-laptop", "office-vault", "yubikey-joe"]
FIVE = [f"root-{each}" for each in range(1, 6)]
EIGHT = [f"root-{each}" for each in range(1, 9)]
LONG = [f"{each:060}" for each in range(20)]


def plan_text(names: list[str], *, targets: list[str] = [], online: str = "online") -> str:  # noqa: B006
    """A plan with these root signers."""
    keys = "".join(
        f'[keys.{name}]\ngenerate = "ed25519"\nsigner = "file:keys/{name}.key"\n' for name in [*names, *targets, online]
    )
    return (
        f'[repository]\nname = "acme"\n[root]\nthreshold = {len(names) // 2 + 1}\nsigners = {names}\n'
        f'[online]\nkey = "{online}"\n[bins]\ncount = 256\n{keys}'
        + (f"[targets]\nthreshold = 1\nsigners = {targets}\n" if targets else "")
    )


@pytest.mark.parametrize("names", [THREE, FIVE, EIGHT], ids=len)
def test_a_review_by_the_plan_fits(names: list[str], cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80 columns no line is wider, every name is there, and periods stand in their column."""
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    plan = tmp_path / "plan.toml"
    plan.write_text(plan_text(names))
    lines = cli("ceremony", "--plan", plan, "--dry-run").out.splitlines()[1:]
    assert max(map(len, lines)) < COLUMNS
    assert all(any(f"keys/{name}.key" in line for line in lines) for name in names)
    heads = next(line for line in lines if "who trusts whom" in line)
    (root,) = (line for line in lines if line.startswith("  root "))
    assert root[heads.index("lives") :] == "365 days  122 days left"


@pytest.mark.parametrize("names", [["ana"], THREE, FIVE, EIGHT, LONG], ids=len)
@pytest.mark.parametrize("most", [None, *range(12, 40)])
def test_a_review_keeps_to_its_room(names: list[str], most: int | None, tmp_path: Path) -> None:
    """In whatever room it has, no line is too wide; it shows all of it, or how many names and keys it leaves out."""
    (tmp_path / "plan.toml").write_text(plan_text(names, targets=["tess", "tom"]))
    lines = plan_lines(rstuf.read_plan_file(tmp_path / "plan.toml"), width=76, most=most)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= 76
    assert "365 days  122 days left" in text
    whole = all(f"keys/{name}.key" in text for name in (*names, "tess", "tom"))
    assert whole == ("more" not in text)
    assert whole if most is None else len(lines) <= max(most, 14)
    assert "keys/online.key" in text


def test_names_are_broken_between_names(tmp_path: Path) -> None:
    """Signers without room beside their role stand below it, on its branch of the tree; one long name does too."""
    targets, online = ["t" * 30, "u" * 30], "o" * 64
    (tmp_path / "plan.toml").write_text(plan_text(EIGHT, targets=targets, online=online))
    lines = plan_lines(rstuf.read_plan_file(tmp_path / "plan.toml"), width=60)
    assert lines[2:15] == [
        "who trusts whom  signed by  lives     again with",
        "root             5 of 8     365 days  122 days left",
        "│   root-1, root-2, root-3, root-4, root-5, root-6, root-7,",
        "│   root-8",
        "├ timestamp      1 of 1     14 days   5 days left",
        f"│   {online}",
        "├ snapshot       1 of 1     30 days   10 days left",
        f"│   {online}",
        "└ targets        1 of 2     365 days  122 days left",
        f"  │   {targets[0]},",
        f"  │   {targets[1]}",
        "  └ 256 bins     1 of 1     90 days   30 days left",
        f"      {online}",
    ]


def eight_answered(threshold: int, **others: str) -> dict[str, str]:
    """The answers of a ceremony with eight root signers."""
    answers = {"name": "acme", "purpose": "software", "contents": "here", "upkeep": "person", "expected": "1000"}
    answers |= {
        "bins": "256",
        "delegations.count": "0",
        "root.count": "8",
        "root.threshold": str(threshold),
        "online.how": "make",
    }
    for each, name in enumerate(EIGHT, 1):
        answers |= {f"root.{each}.name": name, f"root.{each}.how": "make"}
    return {**answers, "expiry": "proposed", **others}


def test_a_review_of_many_signers_stays_on_the_screen(tmp_path: Path) -> None:
    """With eight signers its title and question are both seen; ? shows all of it, one screen after the other."""
    place = tmp_path / "acme"
    rstuf.keep_draft(place, eight_answered(5))
    with Person.running("ceremony", cwd=place) as person:
        screen = person.sees("is this what you want?")
        same_as_file("review-of-many", screen)
        person.presses("?")
        same_as_file("review-of-many-explained", person.sees("any key goes on"))
        person.presses(ENTER)
        person.sees("keys/root-8.key")
        same_as_file("review-of-many-explained-on", person.sees("any key goes on"))
        person.presses(ENTER)
        assert person.sees("is this what you want?") == screen


def test_a_review_with_all_there_is_to_say_stays_on_the_screen(tmp_path: Path) -> None:
    """However many notes there are above it, its title, its tree and its question are seen together."""
    place = tmp_path / "acme"
    away = {"root.1.how": "public", "root.1.file": str(FILES / "ssl-ed25519.pub")}
    rstuf.keep_draft(place, eight_answered(8, **away))
    with Person.running("ceremony", cwd=place) as person:
        screen = person.sees("is this what you want?")
    assert "step 8 of 8" in screen.splitlines()[0]
    for text in ("goes on from", "will wait for root-1", "losing one of them", "8 of 8", "? shows all", "? why"):
        assert text in screen


def test_a_review_of_many_delegations_stays_on_the_screen(tmp_path: Path) -> None:
    """Where there is no room for all of them, some are shown, the others counted, and the bins still come last."""
    place, many = tmp_path / "acme", {"delegations.count": "12", "root.count": "2"}
    for each in range(1, 13):
        many |= {f"delegation.{each}.name": f"team-{each}", f"delegation.{each}.paths": f"team-{each}/*"}
        many[f"delegation.{each}.how"] = "online"
    rstuf.keep_draft(place, eight_answered(2, **many))
    with Person.running("ceremony", cwd=place) as person:
        screen = person.sees("is this what you want?")
        same_as_file("review-of-many-delegations", screen)
    assert "step 8 of 8" in screen.splitlines()[0]
    for text in ("team-1 ", "more (? shows all)", "└ 256 bins", "? why"):
        assert text in screen
