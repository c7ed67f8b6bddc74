"""Sockets that servers listen on, and errors that say what to do when one cannot be had."""

from __future__ import annotations

import errno
import socket

from models.errors import UserError


class ListenError(UserError):
    """An address cannot be listened on; the message says why and how to mend it."""


def listen(host: str, port: int, option: str) -> socket.socket:
    """A listening TCP socket.

    Args:
        host: name or address of an interface of this machine.
        port: 0 picks a free one.
        option: the command-line option that sets the port, for the message.

    Raises:
        ListenError: the port is taken or forbidden, or the host is none of this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(
            (str(address[0]), int(address[1])), family=family, backlog=128, reuse_port=False
        )
    except OSError as error:
        raise ListenError(_explain(error, host, port, option)) from error


def port_of(listener: socket.socket) -> int:
    """The port that a socket is bound to."""
    return int(listener.getsockname()[1])


def _explain(error: OSError, host: str, port: int, option: str) -> str:
    where = f"port {port} on {host}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is taken: stop what listens there, or give {option} 0 for a free one"
    if error.errno == errno.EACCES:
        return f"{where} needs more rights than this user has: give {option} above 1023"
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{host} is no address of this machine: give --host 127.0.0.1 or 0.0.0.0"
    return f"cannot listen on {where}: {error.strerror or error}"
