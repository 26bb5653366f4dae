"""Let `urllib`, `httpx`, `requests` and what is built on them reach the host's gateway on its Unix socket.

There is no network inside and no name is resolved: every name leads to the socket. TLS ends at the gateway, so a socket
that leads there is not wrapped; addresses stay `https://` in the code.
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import Any

_GATEWAY = "/opt/ml-intern/egress/gateway"


def install() -> None:
    """Lead connections to the gateway, if there is one."""
    if not os.path.exists(os.path.dirname(_GATEWAY)):  # noqa: PTH110, PTH120 - pathlib would cost at each start
        return
    wrap, set_option = ssl.SSLContext.wrap_socket, socket.socket.setsockopt

    def resolve(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> list[Any]:
        del host, port, family, proto, flags
        return [(socket.AF_UNIX, type or socket.SOCK_STREAM, 0, "", _GATEWAY)]

    def wrapped(context: Any, sock: Any, *arguments: Any, **named: Any) -> Any:
        return sock if sock.family == socket.AF_UNIX else wrap(context, sock, *arguments, **named)

    def with_option(sock: Any, level: int, *arguments: Any) -> None:
        if sock.family != socket.AF_UNIX or level == socket.SOL_SOCKET:  # clients tune TCP, which this is not
            set_option(sock, level, *arguments)

    socket.getaddrinfo, ssl.SSLContext.wrap_socket = resolve, wrapped
    socket.socket.setsockopt = with_option
