"""How large everything is: minutes, or the sizes of the documentation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of one run.

    Attributes:
        bits: log2 of the number of bins.
        artifacts: how many there are for P1 to P3.
        memory: how many P1 imports to compare peaks with.
        few, many: how many there are for P4.
        rounds: of a job that takes seconds.
        plain_rounds: of the plain way of such a job.
        single_rounds: of a job that takes milliseconds.
        command_rounds: of a whole process.
        answer_rounds: of a process that answers and does nothing.
    """

    name: str
    bits: int
    artifacts: int
    memory: tuple[int, ...]
    few: int
    many: int
    rounds: int
    plain_rounds: int
    single_rounds: int
    command_rounds: int
    answer_rounds: int


# The fill of a bin is about that of the full sizes: 49 artifacts to 61.
SMALL = Sizes(
    name="small",
    bits=11,
    artifacts=100_000,
    memory=(300_000,),
    few=10_000,
    many=100_000,
    rounds=5,
    plain_rounds=1,
    single_rounds=21,
    command_rounds=7,
    answer_rounds=15,
)
FULL = Sizes(
    name="full",
    bits=14,
    artifacts=1_000_000,
    memory=(100_000, 10_000_000),
    few=100_000,
    many=10_000_000,
    rounds=3,
    plain_rounds=1,
    single_rounds=31,
    command_rounds=11,
    answer_rounds=31,
)
