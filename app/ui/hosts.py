"""Which names this studio answers to. A foreign name that leads here is another site's page (DNS rebinding).

A bare IP address cannot be pointed anywhere, so while the studio listens to a network every one of them is known: that
covers all interfaces of this machine, and a container's host or a router that forwards to it.
"""

import ipaddress
import re
import socket

from app.settings import Settings

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
HOST_HEADER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII)


class KnownHosts:
    """Safe to ask from any thread while a name is added."""

    def __init__(self, settings: Settings) -> None:
        named = {settings.host, *settings.allowed_hosts} if not settings.listens_everywhere else settings.allowed_hosts
        own = frozenset() if settings.is_loopback else machine_names(socket.gethostname())
        self._names = LOCAL_NAMES | own | {_plain(name) for name in named}
        self._takes_addresses = not settings.is_loopback

    def add(self, name: str) -> None:
        self._names |= {_plain(name)}

    def knows(self, header: str) -> bool:
        """Whether a Host header, with or without a port, names this studio."""
        matched = HOST_HEADER.fullmatch(header)
        if matched is None:
            return False
        name = _plain(matched[1])
        if name in self._names or (self._takes_addresses and _is_address(name)):
            return True
        return any(name.endswith(known[1:]) for known in self._names if known.startswith("*."))


def machine_names(hostname: str) -> frozenset[str]:
    """What others on the network call a machine: its name, in full and short, and the one it has on the link itself."""
    short = _plain(hostname).split(".")[0]
    return frozenset({_plain(hostname), short, f"{short}.local"}) if short else frozenset()


def _plain(name: str) -> str:
    return name.strip("[]").removesuffix(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
