r"""RADIO and DISH: news for groups.                                                          RFC 48/RADIO-DISH

                          ┌── JOIN "eu" ──  DISH
    "rain" to "eu" RADIO ─┤                          gets "rain", of the group "eu"
                          └── JOIN "us" ──  DISH

A PUB compares the beginning of a message with the subscriptions, so "eu" also brings "europe", and a topic has to be
the first frame or the first octets of a message. A RADIO sends each message to a **group**, which is beside the message
and not in it, and a DISH gets those of the groups that it has joined. A group is compared as a whole (D-7). It has 0
to 255 octets, none of which is zero (D-9).

    04 07 04 4a 4f 49 4e 65 75        COMMAND, 7 octets, "JOIN" "eu"; LEAVE ends it
    01 02 65 75 00 04 72 61 69 6e     the group "eu" (MORE), "rain"

All else is as with PUB and SUB. The RADIO filters, and never waits: it drops a message to a group that no DISH has
joined, and sends nothing to a DISH whose queue is full (D-8). A DISH sends its groups to each RADIO, again on each
connection, and drops messages of a group that it has left. In this module, a message is a list of two frames, the group
and the body, as on the wire (37-63).

    >>> from .queue import Queue
    >>> radio, peer = Radio(on_arrival=print, on_space=lambda: None), Pipe(Queue(), Queue())
    >>> radio.attach(peer)
    >>> peer.inbound.put(Join(b"eu"))
    >>> [radio.try_send([group, b"rain"]) for group in (b"eu", b"europe", b"")], peer.outbound.take_batch(9)
    ([True, True, True], [[b'eu', b'rain']])

Read next: `net`, the engine on one page.
"""

from collections.abc import Callable, Collection

from ..constants import SocketType
from ..errors import EINVAL, ProtocolError, ZMQError, printable
from ..wire.events import Cancel, Join, Leave, Subscribe
from .drafts import Draft
from .pattern import Pattern
from .pipe import Pipe
from .pubsub import Pub, Sub
from .subscribers import Subscribers
from .subscriptions import Subscriptions

LONGEST_GROUP = 255
EXPECTED = "a group of at most 255 octets, none of them zero"


def is_group(name: bytes) -> bool:
    """Is this the name of a group? (48/RADIO-DISH, "Group")"""
    return len(name) <= LONGEST_GROUP and 0 not in name


def check_group(name: bytes) -> None:
    """Raise ZMQError (EINVAL) if this is not the name of a group."""
    if not is_group(name):
        raise ZMQError(EINVAL, f"group {printable(name[:16])} has {len(name)} octets: expected {EXPECTED}")


class Groups(Subscriptions[Pipe]):
    """As Subscriptions, but a message goes only to those that asked for exactly its group."""

    def _find(self, topic: bytes) -> tuple[Pipe, ...]:
        numbers = self._root.wanted.get(topic, ())  # which has all of them, because a group is shorter than a piece
        members = [self._named[number] for number in ((numbers,) if isinstance(numbers, int) else numbers)]
        return tuple(member for member in members if member in self._holdings)


class Members(Subscribers):
    """The peers of a RADIO, and the groups that they have joined."""

    kinds = (Join, Leave)
    index = Groups

    def _on_request(self, pipe: Pipe, request: Subscribe | Cancel) -> None:
        if type(request) in self.kinds and not is_group(request.prefix):
            raise ProtocolError(
                f"{printable(request.prefix[:16])} of {len(request.prefix)} octets, expected {EXPECTED}"
                ' (48/RADIO-DISH, "Group")'
            )
        super()._on_request(pipe, request)


class Radio(Draft, Pub):
    """Sends each message to all peers that have joined its group."""

    socket_type = SocketType.RADIO
    frames = 2
    subscribers_type = Members

    def _audience(self, topic: bytes) -> Collection[Pipe]:
        return self.subscriptions.matching(topic)  # whatever invert_matching says


class Dish(Draft, Sub):
    """Receives the messages of the groups that it has joined."""

    socket_type = SocketType.DISH
    frames = 2
    asks = Join
    ask = Pattern.ask  # which is an error here, because its program calls join()

    def join(self, group: bytes) -> None:
        """Ask for the messages of group. ZMQError (EINVAL) if it is joined already, as in libzmq (D-10)."""
        if group in self._requests.counts:
            raise ZMQError(EINVAL, f"group {printable(group)}: this DISH has joined it already")
        check_group(group)
        Sub.ask(self, Join(group))

    def leave(self, group: bytes) -> None:
        """Take join(group) back. ZMQError (EINVAL) if it is not joined."""
        if group not in self._requests.counts:
            raise ZMQError(EINVAL, f"group {printable(group)}: this DISH has not joined it")
        Sub.ask(self, Leave(group))

    def _note(self, request: Subscribe | Cancel) -> None:
        """Without an index, because the filter looks a group up as a whole."""

    def _filter(self) -> Callable[[bytes], object]:
        return self._requests.counts.__contains__
