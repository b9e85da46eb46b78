"""What a state guarantees between threads and processes: one writer, steady views, and nothing half done."""

from __future__ import annotations

import itertools
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest
from tests.support.state_backends import LIMIT, NOW, TARGETS, StateBackend, bin_name, publish, put, role, row

from rstuf.errors import Locked
from rstuf.model.names import TargetPath
from rstuf.repository.interfaces import StateStore

Workers = Callable[..., "subprocess.Popen[str]"]
SHORT = timedelta(milliseconds=150)


def line(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


def go_on(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    worker.stdin.write("\n")
    worker.stdin.flush()


def paths(store: StateStore) -> list[str]:
    with store.read() as reader:
        return [listed.artifact.path for listed in reader.artifacts()]


def test_what_is_written_is_read_by_all(state_repository: StateStore, state_second: StateStore) -> None:
    """A committed change is seen through every store on the state, and by the writer itself before that."""
    with state_repository.transaction(actor="a") as transaction:
        number = transaction.next_number()
        assert transaction.newest_number() == number
        with state_second.read() as reader:
            assert reader.newest_number() == 0
    for store in (state_repository, state_second):
        with store.read() as reader:
            assert reader.newest_number() == number
    put(state_second, row("a"))
    assert paths(state_repository) == ["a"]


def test_an_error_leaves_nothing(state_repository: StateStore) -> None:
    """Whatever a transaction wrote before it failed is as if it had never been, Ctrl-C included."""
    put(state_repository, row("before"))

    def fail(problem: type[BaseException]) -> None:
        with state_repository.transaction(actor="a") as transaction:
            number = transaction.next_number()
            transaction.put_artifacts(TARGETS, [row("after")], number=number, replace=False, role_limit=LIMIT)
            transaction.record("x", {}, at=NOW)
            transaction.stage_publication([(each, 0) for each in transaction.roles() if each.id > 1], begun=NOW)
            raise problem

    for problem in (ZeroDivisionError, KeyboardInterrupt, SystemExit):
        with state_repository.read() as reader:
            seen = (list(reader.roles()), reader.totals(), list(reader.audit()), reader.unfinished_publication())
        with pytest.raises(problem):
            fail(problem)
        with state_repository.read() as reader:
            assert seen == (
                list(reader.roles()),
                reader.totals(),
                list(reader.audit()),
                reader.unfinished_publication(),
            )
        assert paths(state_repository) == ["before"]


def test_a_view_stands_still(state_repository: StateStore, state_second: StateStore) -> None:
    """A reader sees the state of the instant it began, however much is written and published meanwhile."""
    put(state_repository, row("a"))
    with state_second.read() as reader:
        put(state_repository, row("b"))
        publish(state_repository)
        for index in range(50):
            put(state_repository, row(f"c/{index}"))
        assert [listed.artifact.path for listed in reader.artifacts()] == ["a"]
        assert reader.newest_number() == 1
        assert reader.last_publication() is None
    assert len(paths(state_second)) == 52


def test_a_stream_is_read_while_others_write(state_repository: StateStore, state_second: StateStore) -> None:
    """Rows of one view keep coming between writes, and none of the new ones is among them."""
    put(state_repository, *(row(f"p/{index}") for index in range(500)))
    with state_second.read() as reader:
        seen = []
        for listed in reader.artifacts():
            seen.append(listed.artifact.path)
            if len(seen) % 100 == 0:
                put(state_repository, row(f"p/{len(seen)}-later"))
    assert len(seen) == 500


def test_a_reader_never_waits_for_a_writer(
    state_repository: StateStore, state_second: StateStore, state_workers: Workers
) -> None:
    """While another process holds a large transaction open, reading is immediate and shows what was before."""
    worker = state_workers("hold_write", "w")
    assert line(worker) == "ready"
    started = time.monotonic()
    assert paths(state_second) == []
    assert time.monotonic() - started < 5
    go_on(worker)
    assert line(worker) == "done"
    assert len(paths(state_second)) == 2000


def test_a_writer_waits_and_names_who_holds_the_lock(
    state_backend: StateBackend, state_repository: StateStore, state_workers: Workers
) -> None:
    """The second writer is refused after its wait, told pid, command and time of the first, and gets in afterwards."""
    worker = state_workers("hold_write", "w")
    assert line(worker) == "ready"
    with closing(state_backend.open(wait=SHORT)) as impatient:
        with pytest.raises(Locked) as refused, impatient.transaction(actor="a"):
            pytest.fail("two writers at once")
        assert refused.value.holder is not None
        assert f"pid {worker.pid} (worker hold_write), since 20" in refused.value.holder
        assert refused.value.waited >= SHORT.total_seconds()
        assert str(worker.pid) in str(refused.value)
        go_on(worker)
        assert line(worker) == "done"
        put(impatient, row("mine"))
    assert len(paths(state_repository)) == 2001


def test_a_waiting_writer_gets_its_turn(state_repository: StateStore, state_workers: Workers) -> None:
    """Who waits long enough writes after the other, on top of what it wrote."""
    worker = state_workers("hold_write", "w")
    assert line(worker) == "ready"
    timer = threading.Timer(0.3, go_on, [worker])
    timer.start()
    number = put(state_repository, row("mine"))
    timer.join()
    assert number == 2
    assert len(paths(state_repository)) == 2001


def test_a_killed_writer_blocks_nobody_and_leaves_nothing(state_repository: StateStore, state_workers: Workers) -> None:
    """After SIGKILL inside a transaction the next writer goes on at once, and the numbers have no gap."""
    put(state_repository, row("before"))
    worker = state_workers("hold_write", "w")
    assert line(worker) == "ready"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    started = time.monotonic()
    assert put(state_repository, row("after")) == 2
    assert time.monotonic() - started < 5
    assert paths(state_repository) == ["after", "before"]


def test_publishing_and_accepting_do_not_wait_for_each_other(
    state_backend: StateBackend, state_repository: StateStore, state_workers: Workers
) -> None:
    """While another process publishes, requests are accepted; a second publisher is told who publishes."""
    worker = state_workers("hold_publication", "rstuf publish")
    assert line(worker) == "ready"
    put(state_repository, row("a"))
    with (
        closing(state_backend.open(wait=SHORT)) as impatient,
        pytest.raises(Locked) as refused,
        impatient.publication_lock(purpose="second"),
    ):
        pytest.fail("two publishers at once")
    assert refused.value.lock == "publication"
    assert f"pid {worker.pid} (rstuf publish), since 20" in str(refused.value)
    assert (state_repository.publisher() or "").startswith(f"pid {worker.pid} (rstuf publish), since 20")
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert state_repository.publisher() is None
    with state_repository.publication_lock(purpose="third"):
        publish(state_repository)
    assert role(state_repository, bin_name("a")).visible == 1


def test_the_publication_lock_is_let_go_on_errors(state_repository: StateStore, state_second: StateStore) -> None:
    """Leaving the block, however, lets the next one in, and transactions work inside it."""
    with pytest.raises(ZeroDivisionError), state_repository.publication_lock(purpose="first"):
        put(state_repository, row("a")) / 0
    with state_second.publication_lock(purpose="second"):
        put(state_second, row("b"))
    assert paths(state_repository) == ["a", "b"]


def test_a_lock_is_not_taken_twice_by_one_thread(state_repository: StateStore) -> None:
    """A transaction in a transaction, and a publication lock in either, are errors of the program, found at once."""
    with state_repository.transaction(actor="a") as transaction:
        with pytest.raises(RuntimeError), state_repository.transaction(actor="b"):
            pytest.fail("nested")
        with pytest.raises(RuntimeError), state_repository.publication_lock(purpose="b"):
            pytest.fail("nested")
        with pytest.raises(RuntimeError):
            state_repository.close()
        transaction.next_number()
    with (
        state_repository.publication_lock(purpose="a"),
        pytest.raises(RuntimeError),
        state_repository.publication_lock(purpose="b"),
    ):
        pytest.fail("nested")
    assert put(state_repository, row("a")) == 2


def test_views_end_with_their_blocks(state_repository: StateStore) -> None:
    """A view or a transaction that is used after its block is an error of the program, not a read outside of it."""
    with state_repository.read() as reader:
        pass
    with state_repository.transaction(actor="a") as transaction:
        pass
    for ended in (reader, transaction):
        with pytest.raises(RuntimeError):
            ended.totals()
    with pytest.raises(RuntimeError):
        transaction.next_number()


def test_a_stream_that_outlives_its_transaction_stands_in_nobodys_way(
    state_repository: StateStore, state_second: StateStore
) -> None:
    """An iterator that was begun in a transaction and never finished does not keep later transactions from writing."""
    for store in (state_repository, state_second):
        with store.transaction(actor="a") as transaction:
            transaction.next_number()
            unfinished = transaction.roles()
            next(unfinished)
        put(state_second, row("a"), replace=True)
        put(state_repository, row(f"b{store is state_second}"))
    assert paths(state_second) == ["a", "bFalse", "bTrue"]


def test_a_stream_that_outlives_its_view_makes_no_later_view_old(
    state_repository: StateStore, state_second: StateStore
) -> None:
    """Whatever iterators of earlier views are still around, each new view sees all that was committed before it."""
    put(state_repository, *(row(f"p/{index}") for index in range(300)))
    unfinished = []
    for step in range(4):
        with state_second.read() as reader:
            assert reader.totals().artifacts == 300 + step
            streams = [reader.artifacts(), reader.roles(), reader.contents(2, 0, 2**32 - 1, number=9)]
            for stream in streams:
                next(stream)
            unfinished += [streams[step]] if step < 3 else []
        put(state_repository, row(f"later/{step}"))
    with state_second.read() as reader:
        assert reader.totals().artifacts == 304
    assert len(unfinished) == 3


def test_threads_take_turns(state_repository: StateStore) -> None:
    """Threads that share a store write one after the other; no number is given twice and none is left out."""
    numbers: list[int] = []

    def work() -> None:
        for _ in range(10):
            with state_repository.transaction(actor="thread") as transaction:
                number = transaction.next_number()
                numbers.append(number)
            with state_repository.read() as reader:
                assert reader.newest_number() >= number

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers == list(range(1, 51))


def test_processes_take_turns(state_repository: StateStore, state_workers: Workers) -> None:
    """Processes that take numbers at once get each number once, in the order of the audit log, which stays chained."""
    workers = [state_workers("take_numbers", "15") for _ in range(3)]
    for worker in workers:
        assert line(worker) == "ready"
    for worker in workers:
        go_on(worker)
    taken: list[int] = []
    for worker in workers:
        output, _ = worker.communicate()
        *numbers, last = output.split()
        assert last == "done"
        assert numbers == sorted(numbers, key=int)
        taken += map(int, numbers)
    assert sorted(taken) == list(range(1, 46))
    with state_repository.read() as reader:
        entries = list(reader.audit())
    assert [entry.details["number"] for entry in entries] == list(range(1, 46))
    assert all(entry.previous == before.digest for before, entry in itertools.pairwise(entries))


def test_a_closed_store_keeps_what_it_wrote(state_backend: StateBackend, state_repository: StateStore) -> None:
    """Closing twice is fine, nothing is lost, and a store that is used again opens itself again."""
    put(state_repository, row("a"))
    state_repository.close()
    state_repository.close()
    with closing(state_backend.open()) as again:
        assert paths(again) == ["a"]
    put(state_repository, row("b"))
    assert paths(state_repository) == ["a", "b"]


def test_a_full_disk_keeps_what_was_accepted(
    state_backend: StateBackend, state_repository: StateStore, state_workers: Workers
) -> None:
    """When writing meets the end of the disk the change is refused whole, and work goes on when there is room."""
    put(state_repository, row("before"))
    state_repository.close()
    worker = state_workers("fill_disk", "400000")
    output, _ = worker.communicate(timeout=60)
    first, *rest = output.splitlines()
    assert first.startswith("StorageError cannot write")
    assert rest == ["done"]
    assert paths(state_repository) == ["after/room", "before"]
    with state_repository.read() as reader:
        assert reader.newest_number() == 2
        assert reader.artifact(TargetPath("large/1")) is None
