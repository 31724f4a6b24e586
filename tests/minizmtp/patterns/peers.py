"""Peers without a wire: the tests put messages into the other end of a pipe, and take them from it."""

from minizmtp.errors import ProtocolError
from minizmtp.patterns import Pattern, Pipe
from minizmtp.patterns.ahead import as_list
from minizmtp.patterns.pipe import Source
from minizmtp.patterns.queue import Queue
from minizmtp.wire.events import Item, Message


class Calls:
    """Counts how often it was called."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


class Peer:
    """The other end of a pipe, as the engine sees it."""

    def __init__(self, pattern: Pattern, *, sndhwm: int = 1000, rcvhwm: int = 1000, connected: bool = True) -> None:
        self.pattern = pattern
        self.pipe = Pipe(outbound=pattern.outbound_queue(sndhwm), inbound=Queue(rcvhwm))
        self.refused: list[ProtocolError] = []
        pattern.attach(self.pipe)
        if connected:
            pattern.connected(self.pipe)

    def says(self, *items: Item) -> None:
        """Items that arrive from it. One that no peer may send ends its connection, as the engine would."""
        for item in items:
            try:
                if (message := as_list(item)) is not None:
                    self.pattern.inspect(message)
            except ProtocolError as error:
                self.refused.append(error)
                return
            self.pipe.inbound.put(item)

    def hears(self) -> list[Item]:
        """All that waits to go out to it; messages as lists."""
        return [as_list(item) or item for item in iter(self.pipe.outbound.take, None)]

    def leaves(self) -> None:
        """An accepted connection ends, and its pipe with it."""
        self.pattern.disconnected(self.pipe)
        self.pattern.detach(self.pipe)

    def drops(self) -> None:
        """A dialled connection breaks; its pipe waits for the next one."""
        self.pattern.disconnected(self.pipe)

    def returns(self) -> None:
        """… which has come."""
        self.pattern.connected(self.pipe)


def received(pattern: Pattern) -> Message | None:
    """The next message for the program, without whose it is."""
    found = pattern.take()
    return None if found is None else found[1]


def all_received(pattern: Pattern) -> list[Message]:
    """Every message that is there for the program."""
    return list(iter(lambda: received(pattern), None))


class Wire(Source):
    """A connection that notes why the socket has ended it."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def end(self, why: str) -> None:
        self.ended.append(why)
