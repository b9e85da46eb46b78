"""Another process on the same state: `python -m tests.support.state_worker KIND LOCATION ACTION [ARGUMENT]`.

It says "ready" where its test may look, waits for a line on stdin before it goes on, and says "done" or what failed.
"""

from __future__ import annotations

import resource
import sys
from datetime import timedelta

from tests.support.state_backends import BACKENDS, LIMIT, TARGETS, put, row, sorted_rows

from rstuf.errors import RstufError
from rstuf.repository.interfaces import StateStore


def _wait() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def hold_write(store: StateStore, argument: str) -> None:
    """Holds a transaction open in which an artifact is accepted."""
    with store.transaction(actor="worker") as transaction:
        number = transaction.next_number()
        rows = sorted_rows(row(f"{argument}/{index}") for index in range(2000))
        transaction.put_artifacts(TARGETS, rows, number=number, replace=False, role_limit=LIMIT)
        _wait()


def hold_publication(store: StateStore, argument: str) -> None:
    """Holds the publication lock."""
    with store.publication_lock(purpose=argument):
        _wait()


def take_numbers(store: StateStore, argument: str) -> None:
    """Takes numbers, one transaction each, as fast as it can."""
    _wait()
    for _ in range(int(argument)):
        with store.transaction(actor="worker") as transaction:
            number = transaction.next_number()
            transaction.record("number", {"number": number}, at=transaction.settings().created)
        print(number, flush=True)


def fill_disk(store: StateStore, argument: str) -> None:
    """Meets the end of the disk in a large transaction, then goes on when there is room again."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(argument), hard))
    try:
        put(store, *(row(f"large/{index}") for index in range(20_000)))
    except RstufError as error:
        print(type(error).__name__, error, flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    put(store, row("after/room"))


def list_paths(store: StateStore, argument: str) -> None:
    """Reads everything."""
    with store.read() as reader:
        for listed in reader.artifacts(prefix=argument):
            print(listed.artifact.path, flush=True)


ACTIONS = {action.__name__: action for action in (hold_write, hold_publication, take_numbers, fill_disk, list_paths)}


def main() -> None:
    kind, location, action, argument = sys.argv[1:5]
    store = BACKENDS[kind](location).open(wait=timedelta(seconds=20), purpose=f"worker {action}")
    ACTIONS[action](store, argument)
    store.close()
    print("done", flush=True)


if __name__ == "__main__":
    main()
