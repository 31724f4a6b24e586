r"""Reasons: why each field exists, in two or three sentences.                   RFC 37, 24, 26, 28, 29; RFC 9110, 9112

`fields` says what the octets of a field mean in this conversation. This module says why the field is there at all. A
page shows both beside the octets, and the source of the function that makes them below.

    >>> from .spans import Side
    >>> size = Span(Side.CLIENT, 1, b"\x05", "size", "5 octets follow", '37/ZMTP 3.1, "Framing"', "framing", 0.0, 0)
    >>> reason_for(size).partition(". ")[0]
    'The number of octets in the body'
    >>> reason_for(size._replace(name="x", kind="partial"))
    ''

The texts are one table, because they are to be read from top to bottom: the greeting, a frame, a command, the three
mechanisms, the messages, WebSocket, and then HTTP. A key is the name of a field, with its kind or its command in front
where the name alone is ambiguous.

Below this module: `spans`. Read next: `records`.
"""

from .spans import Span

REASONS = {
    # ---------------------------------------------------------------------------------------------------- the greeting
    "greeting signature ff": """Every ZMTP connection begins with this octet. ZMTP 1.0 has no greeting and begins with
        a frame, and there ff means that a long length follows. So an old peer reads the whole signature as the header
        of one frame, and neither side mistakes the other's octets for a message.""",
    "greeting padding": """ZMTP 3 ignores these eight octets. They stand where a ZMTP 1.0 peer expects the length of a
        frame. libzmq writes a valid length there for such peers; minizmtp, which refuses them, writes zeros.""",
    "greeting signature 7f": """To a ZMTP 1.0 peer this octet is the flags of its first frame, and in that version the
        lowest bit is 0 there. A 1 in this bit therefore shows that the sender knows a later version.""",
    "greeting version": """The highest version that the sender knows, major and minor. Both sides then speak the lower
        one of the two, so new peers can talk to old ones. It matters for subscriptions, for example: they are commands
        in 3.1, and messages in 3.0.""",
    "greeting mechanism": """The name of the security mechanism (NULL, PLAIN or CURVE), filled up with zeros to 20
        octets. Both sides must name the same one, or the connection is closed. Nothing is negotiated, because an
        attacker in the middle could then make both sides use the weaker mechanism.""",
    "greeting as-server": """With PLAIN and CURVE, the server checks the credentials of the client, and this octet is 1
        in the server's greeting. The role is stated because it does not follow from the connection: in ZeroMQ the
        server may also be the side that connects. libzmq writes 0 on both sides, so receivers ignore it.""",
    "greeting filler": """Zeros, up to 64 octets in all. The greeting has a fixed size, because the receiver must be
        able to read it before it knows the peer's version. Later versions can give a meaning to these octets.""",
    # -------------------------------------------------------------------------------------------------- every frame
    "flags": """Three bits are in use. COMMAND marks a frame that is for the library and not for the program, LONG says
        that the size takes eight octets, and MORE says that the message goes on in the next frame. The other bits must
        be 0; a receiver that finds one set closes the connection, because what it reads is not a frame.""",
    "size": """The number of octets in the body. It comes first, because then the receiver knows where the frame ends
        without searching for a mark, and the body may contain any octet. One octet is enough for sizes up to 255.""",
    "size long": """The number of octets in the body. The LONG bit is set, so the size takes eight octets, the highest
        first. The receiver can refuse a frame that is too large (the option maxmsgsize) before it stores any of
        it.""",
    "size 0": """The frame is empty: it is the delimiter. A REQ puts it in front of every request, because a request
        may pass through ROUTERs, and each of them puts an address in front. The first empty frame shows where the
        addresses end and the message begins.""",
    # ---------------------------------------------------------------------------------------------------- a command
    "name length": """The number of letters in the command's name. Names have different lengths, and the data begins
        right behind the name, so the receiver needs this number to find it.""",
    "command READY": """READY is the last command of the handshake: the sender is ready for messages. It carries the
        metadata, because each side has to know the other's socket type before it can accept messages from it.""",
    "command ERROR": """ERROR refuses the peer and says why, and then the connection is closed. Without it, a refusal
        would look like a failure of the network, and the client would connect again and again.""",
    "command SUBSCRIBE": """SUBSCRIBE tells the publisher which messages this subscriber wants. It is a command and not
        a message, because it is meant for the library at the other end and not for its program.""",
    "command CANCEL": """CANCEL ends a subscription. Messages that the publisher sent before CANCEL arrived are still
        on their way, so a subscriber may receive a few more.""",
    "command JOIN": """JOIN tells the RADIO that this DISH wants the messages of a group. It is a command, because it is
        meant for the library at the other end and not for its program.""",
    "command LEAVE": """LEAVE takes a JOIN back. Messages that the RADIO sent before are still on their way, and the
        DISH drops them.""",
    "command PING": """PING asks whether the peer is still there. TCP does not notice when a machine or a cable fails
        while nothing is sent, so without PING a dead connection could stay open for hours.""",
    "command PONG": """PONG answers a PING. It is sent at once and without the program, because it says that the peer's
        library is alive and that the network works.""",
    "command": "A command that is not known here. It is ignored, because later versions may add commands.",
    "data": "The data of a command that is not known here. Its format is unknown, too, so it is skipped as a whole.",
    "metadata name length": """The number of letters in the property's name. Metadata is a sequence of properties
        without a count, and each brings its own lengths. So a receiver can skip a property that it does not know.""",
    "property socket-type": """The sender's socket type. Each side checks that the two types fit, and closes the
        connection if they do not, because a REQ that is connected to a PUB, for example, would wait forever for a
        reply.""",
    "property identity": """The name by which a ROUTER at the other end can address this socket; pyzmq calls it routing
        id. It is empty unless the program sets it, and then the ROUTER makes up a name.""",
    "property": """A property that is not part of ZMTP. The program at the other end may read it; the library keeps it
        and does nothing with it.""",
    "value length": """The length of the value. It has four octets where the name has one, because a value may be
        longer than 255 octets.""",
    "value": """The value of the property. Names are letters, but a value may be any octets, because only the property
        decides what it means.""",
    "prefix": """The publisher sends this subscriber the messages that begin with these octets. The publisher filters,
        and not the subscriber, because then messages without a subscriber never cross the network. An empty prefix
        selects all messages.""",
    "ttl": """A number of tenths of a second: if the receiver hears nothing for longer, it may take the sender for
        dead. The sender states it, because it knows how often it sends PINGs. 0 means that it makes no such
        promise.""",
    "context": """Up to 16 octets of the sender's choice, which come back in the PONG. With them the sender can tell
        which of its PINGs a PONG answers.""",
    "reason length": "The number of octets in the reason. One octet is enough, because the reason is a short text.",
    "reason": """Why the peer is refused, as text. If a ZAP handler decided, it is the handler's status code: 300 means
        that the client may try again, 400 that it is not accepted, 500 that the handler itself failed.""",
    # ------------------------------------------------------------------------------------------------------------ PLAIN
    "PLAIN HELLO": """HELLO begins the PLAIN handshake, and only the client sends it. It carries the username and the
        password, so the server can decide before it has said anything about itself.""",
    "PLAIN WELCOME": """WELCOME says that the username and the password were accepted. It has no data, because there is
        nothing else to say.""",
    "PLAIN INITIATE": """INITIATE carries the client's metadata. The client sends it only now, because a server that
        has refused the client does not need it.""",
    "username length": """The number of octets in the username. With a length in front, the name may contain any octet,
        also a colon or a space.""",
    "username": """The username. The server gives it to a ZAP handler, a part of the program, because ZMTP itself keeps
        no list of users.""",
    "password length": "The number of octets in the password. An observer sees it, as everything in PLAIN.",
    "password": """The password, unencrypted: every machine between the two can read it. PLAIN is therefore only for
        networks that are trusted; for all others there is CURVE.""",
    # ------------------------------------------------------------------------------------------------------------ CURVE
    "CURVE HELLO": """HELLO begins the CURVE handshake, and only the client sends it. It proves that the client knows
        the server's public key, so the server can drop a stranger after one command, before it has done much work.""",
    "CURVE WELCOME": """WELCOME carries the server's key for this connection. Only the owner of the server's secret key
        can make its box, so the client now knows that it is talking to the right server.""",
    "CURVE INITIATE": """INITIATE carries the client's permanent key and the proof that the client owns it. They are in
        a box, because an observer is not to learn which client this is.""",
    "CURVE READY": """READY accepts the client and carries the server's metadata, in a box. It opens only with the keys
        of this connection, so the client knows that the server has them, too.""",
    "CURVE MESSAGE": """Under CURVE each frame travels in the box of a MESSAGE. An observer sees its size and its time,
        but not its content, and not which frames form one message.""",
    "CURVE version": """The version of CurveZMQ. It is not the version in the greeting, because the mechanism can
        change without the rest of the protocol.""",
    "CURVE padding": """72 zeros, which make HELLO longer than its answer. A server must not send more than it received
        to an address that may be forged, because an attacker could otherwise use it to flood a third machine.""",
    "C'": """The client's public key, made for this connection and deleted with it. The server needs it to open the
        boxes of the client. Because such keys are deleted, traffic that was recorded cannot be decrypted later, even
        if a permanent key is stolen.""",
    "S'": """The server's public key, made for this connection and deleted with it. From here on, both sides use only
        such keys, because traffic that was recorded then stays secret even if a permanent key is stolen.""",
    "s'": """The server's secret key for this connection. It is inside the cookie, which only the server can open,
        because a server may forget the key until the client returns the cookie.""",
    "C": """The client's permanent public key, which is its identity. The server gives it to a ZAP handler, and that
        decides whether this client is accepted.""",
    "S": """The server's permanent public key. The vouch names it, because a server that receives a vouch could
        otherwise show it to another server and pretend to be this client.""",
    "nonce": """A counter, which makes each box different. It must never repeat, because two boxes with the same keys
        and the same nonce would reveal something about their contents. The receiver requires that it grows, so a
        command that was recorded cannot be sent again.""",
    "nonce long": """Random octets, which make this box different from all others. A counter would not do here, because
        it begins anew with each connection, and a permanent key does not.""",
    "HELLO box": """64 zeros, encrypted with c' for S. Only a client that knows S can make this box. What it holds does
        not matter: that it opens is the proof.""",
    "WELCOME box": """S' and the cookie, encrypted with s for C'. Only the owner of s can make it, and only this client
        can open it.""",
    "INITIATE box": """The client's permanent key, its vouch and its metadata, encrypted with c' for S'. From this box
        on, both sides use only the keys of this connection.""",
    "READY box": "The server's metadata, encrypted with s' for C'. It may be empty of properties, but it must open.",
    "MESSAGE box": """The flags and the body of one frame, encrypted and protected against changes. The flags are
        inside, because an observer is not to see where a message ends.""",
    "MESSAGE flags": """Under CURVE, all frames look alike from outside: COMMAND and MORE are always 0 here. The flags
        that count are inside the box, because an observer is not to see where a message ends.""",
    "inner flags": """The flags of the frame that is in the box. Two bits are in use, and they are not at the places
        where the header of a frame has them: MORE is the lowest bit, and COMMAND the next.""",
    "box": "Encrypted octets, and 16 more that show whether they were changed on the way.",
    "cookie box": """C' and s', encrypted with a key that only the server has. The client cannot open it and returns it
        as it is. So a server need not store anything about a client that has sent only HELLO.""",
    "vouch box": """C' and S, encrypted with the client's permanent key c. It proves that the owner of c made this
        connection, and that it meant this server and no other.""",
    "zeros": """The content does not matter, and zeros hide nothing that could be learned. What counts is that the box
        opens.""",
    # ----------------------------------------------------------------------------------------------------- the messages
    "envelope": """An address for the way back. Each ROUTER that a request passes puts the routing id of the peer that
        it came from in front. The reply carries the same frames, and each ROUTER takes off the first one and sends the
        reply there.""",
    "topic": """The first frame of what is published. The publisher compares it with the prefixes of each subscriber,
        and sends the message where one of them fits. The comparison is octet by octet, so topics need no syntax.""",
    "group": """The name of a group. It is compared as a whole, so it has no neighbours with longer names, as a prefix
        has. It is not a part of the message: the program gets it beside the message.""",
    "subscription": """ZMTP 3.0 has no command for subscriptions. A subscriber sends a message, in which the first
        octet is 1 to subscribe and 0 to cancel. Publishers still accept it, because the peer may be old.""",
    "body": """What the program passed to send, unchanged. ZMTP does not look into it and states no type or encoding,
        because the two programs agree on the format.""",
    # -------------------------------------------------------------------------------------------------------- WebSocket
    "ws opcode": """What this frame is: a message, a ping, a pong or a close. The highest bit, FIN, says that it is the
        last frame of its message. A browser sends and expects whole messages, so both are decided for each frame.""",
    "ws size": """The number of octets that follow. The highest bit says whether they are masked. 126 means that the
        size is in the next two octets, and 127 that it is in the next eight.""",
    "ws masking key": """Four random octets, new for each frame. The client XORs what follows with them. A page in a
        browser chooses what it sends, and could choose octets that an old proxy takes for an HTTP request. It cannot
        choose the key.""",
    "ws payload": """Masked octets. The mask hides nothing, because the key stands in front of it. A server masks
        nothing, because no page decides what it sends.""",
    "ws flags": """Two bits are in use: 1 is MORE, and 2 is COMMAND. The frame of ZMTP has one bit more, LONG, and a
        size. Here neither is needed, because the WebSocket has a size already.""",
    "ws part": """A part of a message that was sent in several frames. A browser may cut a large one, and the receiver
        puts it together before it reads it.""",
    "ws close code": "Why the WebSocket is closed, as a number: 1000 is the normal end, 1001 a program that ends.",
    "ws reason": "The same as text, for people.",
    "ws context": "Octets of the sender's choice, which come back in the pong.",
    "routing id": """The name by which a ROUTER at the other end can address this socket. It stands alone here, because
        without READY there are no properties that it could be one of.""",
    # ------------------------------------------------------------------------------------------------------------- HTTP
    "request line": """What the client wants: a method, the path on the server, and the version. It comes first,
        because it decides which part of the server's program will answer.""",
    "status line": """How it went, as a number for programs and a phrase for people. The first digit is the class: 2 is
        success, 3 a redirection, 4 a fault of the request and 5 one of the server.""",
    "host": """The site that the request is for. It is required in HTTP/1.1, because many sites may share one address,
        and the path alone does not say which one is meant.""",
    "content-length": """The number of octets in the body. The receiver needs it, because the connection stays open
        after the body, and nothing else marks its end.""",
    "transfer-encoding": """The body comes in chunks, each after its size. A sender uses this when it does not know the
        length of the body before it begins to send.""",
    "content-type": "The format of the body, because the octets alone do not tell it.",
    "accept": "The formats that the client can read. One resource may exist in several, and the server chooses.",
    "accept-encoding": """The compressions that the client can undo. The server uses one of them or none, because the
        client could not read the response otherwise.""",
    "connection": """What is to become of the connection after the response. keep-alive asks to leave it open, because
        the next request then needs no new one.""",
    "user-agent": """The program that asks. Servers use it for statistics, and to work around the faults of single
        clients.""",
    "date": "When the response was made. Caches need it to compute how old the response is.",
    "upgrade": """The protocol in which the connection is to go on. It begins as HTTP, so that it passes what is made
        for HTTP, and a web server can share its port.""",
    "sec-websocket-key": """Random octets, which the server has to hash into its answer. So a server that knows nothing
        of WebSocket, or a cache, can't be taken for one that does.""",
    "sec-websocket-accept": "A hash of the client's key. It proves that the server has read this request and means it.",
    "sec-websocket-version": "The version of WebSocket. It has been 13 since the RFC.",
    "sec-websocket-protocol": """What the messages inside are. The client lists what it speaks, and the server takes one
        of these: ZWS2.0 is ZMTP, and what follows a slash is its security mechanism.""",
    "credentials": """It tells the server which client this is. It comes with every request, because HTTP keeps no
        state between requests. Anyone that has it can use it, so it belongs on encrypted connections only.""",
    "http-field": """A field that is not explained here. Programs may add fields of their own, because a receiver
        ignores fields that it does not know.""",
    "end of the head": "An empty line. The head has no length in front, so its end needs a mark.",
    "end of the body": "An empty line after the last chunk, which ends the body.",
    "chunk size": "The number of octets in this chunk, in hexadecimal. The chunk of size 0 is the last one.",
    "chunk end": """A line end after the chunk. It is redundant, because the size was given, but it makes errors
        visible and dumps readable.""",
    "trailer": "A field that comes after the body, because its value is known only then: a checksum, for example.",
    "http body": "What the program sent, after the head that describes it.",
}
REASONS = {key: " ".join(words.split()) for key, words in REASONS.items()}

CREDENTIALS = {"authorization", "proxy-authorization", "cookie", "set-cookie"}
LONG_NONCE = 16


def reason_for(span: Span, command: str = "", mechanism: str = "") -> str:
    """Why there is such a field; "" if it has no reason of its own, because it is wrong or incomplete.

    command: the name of the command that the field is in, "" in a message. mechanism: that of the conversation.
    """
    if span.wrong or span.kind in ("wrong", "partial"):
        return ""
    if span.kind == "http-field" or span.source.startswith(("RFC 9110", "RFC 9112")):
        return REASONS[_key_of_http(span)]
    if (of_websocket := f"ws {span.name}") in REASONS and span.source.startswith(("RFC 6455", "45/")):
        return REASONS[of_websocket]
    return next((REASONS[key] for key in _keys(span, command, mechanism) if key in REASONS), "")


def _keys(span: Span, command: str, mechanism: str) -> list[str]:
    """The keys under which there may be a reason; the first one that is known counts."""
    name = span.name
    if span.kind == "greeting":
        return [f"greeting {name}", f"greeting {name} {span.octets.hex()}"]
    if name == "size":
        return ["size long"] if len(span.octets) == 8 else ["size 0"] if "delimiter" in span.value else ["size"]
    if name == "flags" and command == "MESSAGE":
        return ["inner flags" if span.source.startswith("26/") else "MESSAGE flags"]
    if name == "command":
        return [f"{mechanism} {command}", f"command {command}", "command"]
    if name == "property":
        return [f"property {span.octets.decode('latin-1').lower()}", "property"]
    if name.endswith("nonce"):
        return ["nonce long" if len(span.octets) == LONG_NONCE else "nonce"]
    return [f"{span.kind} {name}", f"{mechanism} {name}", f"{command} {name}", name]


def _key_of_http(span: Span) -> str:
    name = span.name.lower()
    if span.kind == "body":
        return "http body"
    if name in CREDENTIALS:
        return "credentials"
    if name == "blank line":
        return "end of the body" if "body" in span.value else "end of the head"
    return name if name in REASONS else "http-field"
