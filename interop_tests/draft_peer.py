"""A peer of a draft type in another process: pyzmq built with libzmq's drafts, or pyomq. Driven like `node_peer.js`.

    python draft_peer.py zmq | pyomq

It imports nothing of this project, because it runs in the environment of that library.
"""

import importlib
import json
import sys
from typing import Any

SECONDS = 10_000  # milliseconds that a call may wait


def serve(zmq: Any) -> None:
    """Answer each line of standard input with a line."""
    context = zmq.Context()
    sock: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"number": request["number"]}
        try:
            if request["do"] == "make":
                if sock is not None:
                    sock.close()
                sock = context.socket(getattr(zmq, request["type"]))
                sock.rcvtimeo = sock.sndtimeo = SECONDS
                sock.linger = 0
                for name, value in request["options"].items():
                    setattr(sock, name, value.encode() if isinstance(value, str) else value)
            else:
                answer.update(do(sock, zmq, request))
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)


def do(sock: Any, zmq: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request."""
    # pyomq's PEER has the name of the peer in front of a message, as a ROUTER has.
    in_front = zmq.__name__ == "pyomq" and sock.socket_type == zmq.PEER
    match request["do"]:
        case "bind":
            sock.bind(request["endpoint"].replace(":*", ":0" if zmq.__name__ == "pyomq" else ":*"))
            return {"endpoint": sock.last_endpoint.decode()}
        case "connect":
            sock.connect(request["endpoint"])
        case "join":
            sock.join(bytes.fromhex(request["group"]))
        case "leave":
            sock.leave(bytes.fromhex(request["group"]))
        case "send":
            address = {name: request[name] for name in ("routing_id", "group") if name in request}
            if "group" in address:
                address["group"] = bytes.fromhex(address["group"]).decode()
            body = bytes.fromhex(request["frames"][0])
            if in_front:
                sock.send_multipart([address["routing_id"].to_bytes(9, "big"), body])
            else:
                sock.send(body, **address)
        case "receive" if in_front:
            name, body = sock.recv_multipart()
            return {"frames": [body.hex()], "routing_id": int.from_bytes(name, "big")}
        case "receive":
            frame = sock.recv(copy=False)
            found: dict[str, Any] = {"frames": [bytes(frame).hex()]}
            if sock.socket_type in (zmq.SERVER, zmq.PEER):
                found["routing_id"] = frame.routing_id
            if sock.socket_type == zmq.DISH:
                found["group"] = frame.group.encode().hex()
            return found
    return {}


if __name__ == "__main__":
    serve(importlib.import_module(sys.argv[1]))
