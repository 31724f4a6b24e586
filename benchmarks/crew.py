"""The child processes: two for each rival, started only once, so that their start isn't measured.

    parent ──(rival, roles, work)──► child              start one run
    parent ◄──── ("word", w) ─────── child              a word from one role, which the parent passes to the other
    parent ◄──── ("done", figures) ─ child              from each role, when it ends
    parent ◄──── ("free", None) ──── child              the sockets of the run are closed

Each run has new sockets, a new event loop and a new context, in the same process. The garbage collector keeps Python's
settings.
"""

import contextlib
import multiprocessing
import resource
import traceback
from multiprocessing.connection import Connection, wait
from typing import Any

from . import rivals
from .ends import Work

PATIENCE = 20.0  # seconds without a message from a run, after which it is aborted


class Stalled(Exception):
    """A run did not finish."""


def serve(pipes: list[Connection]) -> None:
    """The child: do the runs that arrive through the first pipe, until it gets None."""
    with contextlib.suppress(ValueError, OSError):  # allow as many connections as the system does
        resource.setrlimit(resource.RLIMIT_NOFILE, (most_files(), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    while (command := pipes[0].recv()) is not None:
        name, cast, work = command
        try:
            rivals.run(name, cast, work, pipes)
        except BaseException:
            pipes[0].send(("error", traceback.format_exc()))
        pipes[0].send(("free", None))


def most_files() -> int:
    """The number of open files up to which a process may raise its limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return hard if hard != resource.RLIM_INFINITY else 10240


class Child:
    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = zip(*(spawn.Pipe() for _ in range(2)), strict=True)
        self.pipes: list[Connection] = list(ours)
        self.process = spawn.Process(target=serve, args=(list(theirs),), daemon=True)
        self.process.start()
        for pipe in theirs:
            pipe.close()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.pipes[0].send(None)

    def kill(self) -> None:
        self.process.kill()


class Crew:
    """The two child processes for the two ends of every run."""

    def __init__(self) -> None:
        self.children = [Child(), Child()]

    def run(self, names: tuple[str, str], cast: tuple[str, str], work: Work) -> tuple[float, ...]:
        """Do one run with rival names[0] in the role cast[0], and names[1] in cast[1]; return the measured figures."""
        one, two = self.children
        if work.transport == "inproc":
            players = [one]
            ends = one.pipes
            one.pipes[0].send((names[0], list(cast), work))
        else:
            players = [one, two]
            ends = [one.pipes[0], two.pipes[0]]
            for end, name, role in zip(ends, names, cast, strict=True):
                end.send((name, [role], work))
        figures: list[Any] = []
        free = 0
        while free < len(players):
            ready = wait(ends, PATIENCE)
            if not ready:
                raise Stalled(f"nothing has been heard of {cast} by {names} for {PATIENCE:.0f} s")
            for end in ends:
                if end not in ready:
                    continue
                try:
                    kind, word = end.recv()
                except EOFError:
                    raise Stalled(f"a process of {names} has ended") from None
                if kind == "word":
                    ends[1 - ends.index(end)].send(word)
                elif kind == "done":
                    figures.append(word)
                elif kind == "free":
                    free += 1
                else:
                    raise Stalled(word)
        (result,) = (figure for figure in figures if figure is not None)
        return tuple(result)

    def stop(self) -> None:
        for child in self.children:
            child.stop()
        for child in self.children:
            child.process.join(5)
            child.kill()

    def kill(self) -> None:
        for child in self.children:
            child.kill()
