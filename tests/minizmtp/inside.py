"""The inside of sockets and contexts, for tests that have to look there.

All knowledge of private fields is in this one place, so a change inside the library changes this file and no test.
"""

from __future__ import annotations

from typing import Any

import trio

import minizmtp as zmq
from minizmtp.net.engine import Engine
from minizmtp.net.runtime import Runtime
from minizmtp.options import Options
from minizmtp.patterns import Pattern


def runtime_of(ctx: zmq.Context) -> Runtime:
    return ctx._runtime


def sibling(sock: zmq.Socket, kind: zmq.SocketType, **options: Any) -> zmq.Socket:
    """A new socket of the same Context."""
    runtime = sock._links.runtime
    made = zmq.Socket(runtime, kind, options)
    runtime.sockets[made._links] = made
    return made


def open_sockets(ctx: zmq.Context) -> list[zmq.Socket]:
    """The sockets that are open or still linger."""
    return list(ctx._runtime.sockets.values())


def is_idle(ctx: zmq.Context) -> bool:
    """No socket is left, no task, no inproc name."""
    runtime = ctx._runtime
    return not (runtime.sockets or runtime.working or bound_names(ctx) or names_waited_for(ctx))


def bound_names(ctx: zmq.Context) -> list[str]:
    return list(ctx._runtime.inproc._bound)


def names_waited_for(ctx: zmq.Context) -> list[str]:
    return [link.endpoint for link in ctx._runtime.inproc._waiting]


def links_of(sock: zmq.Socket) -> list[Any]:
    return list(sock._links._links)


def sessions_of(sock: zmq.Socket) -> Any:
    """The sessions of a socket's only endpoint: a live collection for a bind, a list of one for a connect."""
    (link,) = links_of(sock)
    return getattr(link, "_accepted", [link])


def inproc_peers(sock: zmq.Socket) -> list[Any]:
    """What has connected to the only endpoint, which is bound over inproc."""
    (binding,) = links_of(sock)
    return list(binding._accepted)


def options_of(link: Any) -> Options:
    """The copy that a link has made of its socket's options."""
    kept: Options | None = getattr(link, "_options", None)
    return link.options if kept is None else kept  # type: ignore[no-any-return]


def engine_of(sock: zmq.Socket) -> Engine:
    """The engine of a socket's only connection."""
    (engine,) = [session._engine for session in sessions_of(sock)]
    assert engine is not None
    return engine  # type: ignore[no-any-return]


def pattern_of(sock: zmq.Socket) -> Any:
    pattern: Pattern = sock._pattern
    return pattern


def is_readable(sock: zmq.Socket) -> bool:
    return bool(sock.events & zmq.POLLIN)


def monitors_of(sock: zmq.Socket) -> Any:
    return sock._links.monitors


def watchers_of(sock: zmq.Socket) -> set[trio.Event]:
    """The tasks that poll."""
    return sock._waiters.watchers


def let_others_run_at_next_send(sock: zmq.Socket) -> None:
    sock._turns.left = 0


def send_without_letting_others_run(sock: zmq.Socket) -> None:
    """… for the next million calls."""
    sock._turns.left = 1_000_000
