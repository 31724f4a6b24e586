"""`minizmtp.error`: the errors, under the name that pyzmq gives to their module.

    except zmq.error.Again: …          a program that was written for pyzmq says it like this
    from zmq.error import ZMQError     or like this

The classes are those of `errors`, and of the package itself. pyzmq's other errors are left out, because nothing here
raises them. A new program takes them from the package: `zmq.Again`.

It can be read alone.
"""

from .errors import Again, ContextTerminated, ZMQError

__all__ = ["Again", "ContextTerminated", "ZMQError"]
