"""Security: the mechanism that a socket's options ask for, and the protocol of one connection that speaks it.

    curve_server, curve_secretkey                               CurveServer
    curve_serverkey, curve_publickey, curve_secretkey           CurveClient        26/CURVEZMQ
    plain_server                                                PlainServer
    plain_username, plain_password                              PlainClient        24/PLAIN
    none of them                                                Null               23/NULL

Options are looked up, and keys decoded, only once for a link, and not for each of its connections.

Read next: `reports`.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

from ..constants import SocketType
from ..errors import EINVAL, EPROTONOSUPPORT, Secret, ZMQError
from ..options import Options
from ..wire import Connection, z85
from ..wire.curve import CurveClient, CurveServer, keypair
from ..wire.mechanisms import Mechanism, Null
from ..wire.plain import PlainClient, PlainServer
from .endpoints import Endpoint, Ws


def choose_mechanism(options: Options) -> Callable[[], Mechanism]:
    """A function that makes the mechanism of one connection. Raises ZMQError if that is CURVE and a key, or PyNaCl, is
    missing."""
    if options.curve_server:
        if not options.curve_secretkey:
            raise ZMQError(EINVAL, "curve_server needs curve_secretkey: see minizmtp.curve_keypair()")
        public, secret = keypair(Secret(z85.decode(options.curve_secretkey)))
        return partial(CurveServer, secret, public=public)
    if options.curve_serverkey:
        if not (options.curve_publickey and options.curve_secretkey):
            raise ZMQError(EINVAL, "curve_serverkey needs our own curve_publickey and curve_secretkey, too")
        public, secret = z85.decode(options.curve_publickey), Secret(z85.decode(options.curve_secretkey))
        return partial(CurveClient, public, secret, z85.decode(options.curve_serverkey))
    if options.plain_server:
        return PlainServer
    if options.plain_username or options.plain_password:
        return partial(PlainClient, options.plain_username, options.plain_password)
    return partial(Null, ask=bool(options.zap_domain))


def choose_connection(
    socket_type: SocketType, options: Options, endpoint: Endpoint, *, dials: bool = False
) -> Callable[[], Connection]:
    """A function that makes one `Connection` after another. dials: we are the connecting side.

    Raises ZMQError if an option, or a package, is missing. The first one is made here, because only then that is known.
    """
    new_mechanism = choose_mechanism(options)
    new: Callable[..., Connection] = Connection
    if isinstance(endpoint, Ws):
        target, origins = endpoint.url if dials else None, options.ws_origins.lower().split()
        new = partial(_switched(), target=target, path=endpoint.path, offers=deque(), origins=origins)
    new = partial(
        new,
        socket_type,
        identity=options.routing_id,
        max_message_size=options.maxmsgsize,
        max_unfinished=options.maxunfinished,
    )
    first = [new(mechanism=new_mechanism())]
    return lambda: first.pop() if first else new(mechanism=new_mechanism())


def _switched() -> Callable[..., Connection]:
    """Imported only for a WebSocket, because h11 is not needed for anything else."""
    try:
        from ..wire.switched import SwitchedConnection
    except ImportError as error:
        raise ZMQError(EPROTONOSUPPORT, f"ws:// needs {error.name}: pip install 'minizmtp[ws]'") from None
    return SwitchedConnection
