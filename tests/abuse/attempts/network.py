"""Reach another machine, or a service of this one."""

from __future__ import annotations

import ctypes
import os
import socket
from pathlib import Path

from abuse.attempts.trying import around, in_child, syscall

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000


def send_to_another_machine() -> str:
    """Connect a datagram socket, which sends nothing, to an address that is reserved for documentation (RFC 5737)."""
    return _connected(socket.AF_INET, ("192.0.2.1", 9))


def send_to_another_machine_by_version_6() -> str:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as made:
        return str(made)


def reach_the_metadata_of_a_cloud() -> str:
    return _connected(socket.AF_INET, ("169.254.169.254", 80))


def reach_a_service_of_this_machine() -> str:
    with socket.create_connection(("127.0.0.1", around()["port"]), timeout=5) as made:
        return made.recv(100).decode()


def reach_a_socket_by_its_path() -> str:
    return _heard(around()["socket"])


def reach_a_socket_by_its_abstract_name() -> str:
    return _heard("\0" + around()["abstract"])


def reach_an_engine_of_containers() -> str:
    """Connect to whatever engine answers; outside, the socket made for this stands for one."""
    places = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock")
    return next((path for path in places if os.access(path, os.W_OK)), "") or _heard(around()["socket"])


def reach_the_buses_of_the_system() -> str:
    places = ("/run/dbus/system_bus_socket", "/run/systemd/private", f"/run/user/{os.getuid()}/bus")
    return next((path for path in places if os.access(path, os.W_OK)), "") or _heard(around()["socket"])


def ask_for_the_addresses_of_the_machine() -> str:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as made:
        return str(made)


def capture_packets() -> str:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as made:
        return str(made)


def capture_packets_as_root_of_namespaces() -> str | None:
    def capture() -> str:
        syscall("unshare", _NEW_USER | _NEW_NET)
        return capture_packets()

    return in_child(capture)


def forge_packets() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as made:
        return str(made)


def reach_the_hypervisor() -> str:
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as made:
        return str(made)


def use_the_ciphers_of_the_kernel() -> str:
    with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as made:
        return str(made)


def use_a_rare_family_of_sockets() -> str | None:
    """Each is a module of the kernel that nobody needs here."""
    known = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET}
    found: list[int] = []
    for family in range(1, 46):
        if family not in known:
            try:
                socket.socket(family, socket.SOCK_DGRAM).close()
                found.append(family)
            except OSError:
                continue
    return str(found) if found else None


def make_a_pair_of_sockets_of_another_family() -> str:
    """TIPC and others make pairs too; a wall here refuses before the kernel says that it cannot."""
    numbers = (ctypes.c_int * 2)()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.socketpair(int(socket.AF_INET), int(socket.SOCK_STREAM), 0, numbers)
    code = ctypes.get_errno()
    if code == 1:
        raise OSError(code, os.strerror(code))
    return f"asked the kernel, which says: {os.strerror(code)}"


def see_an_interface_of_the_machine() -> str | None:
    lines = Path("/proc/self/net/dev").read_text("ascii").splitlines()[2:]
    found = [line.split(":")[0].strip() for line in lines if not line.strip().startswith("lo:")]
    return str(found) if found else None


def see_the_connections_of_the_machine() -> str | None:
    lines = Path("/proc/self/net/tcp").read_text("ascii").splitlines()[1:]
    return f"{len(lines)} connections" if lines else None


def _connected(family: int, address: tuple[str, int]) -> str:
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.connect(address)
        return str(made.getsockname())


def _heard(address: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.settimeout(5)
        made.connect(address)
        return made.recv(100).decode()
