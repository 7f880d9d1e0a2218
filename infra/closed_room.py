"""Closes the room in which a pickle is opened: no network, no credentials, no disk to write on but its own folder.

The process closes itself in, before it reads a byte of the file, and cannot open again what it closed: namespaces of
its own (no network device; the disk read-only; folders of credentials covered), then no socket of any kind, no
capability, and no way to win one by starting a program. Other processes of the account cannot be looked into from a
user namespace. Linux 5.12 or later. Imports nothing of Seatrial: it runs in the workshop's process.

Sources: unshare(2), user_namespaces(7), mount_setattr(2), seccomp(2), capset(2).
"""

import ctypes
import os
import platform
import struct
from pathlib import Path

NEW_USER, NEW_MOUNTS, NEW_NETWORK, NEW_IPC = 0x10000000, 0x00020000, 0x40000000, 0x08000000
BIND, RECURSIVE, PRIVATE = 0x1000, 0x4000, 0x40000
NO_SUID, NO_DEVICES, NO_EXEC, READ_ONLY = 2, 4, 8, 1
MOUNT_SETATTR, HERE, WHOLE_TREE = 442, -100, 0x8000
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2
CAPABILITIES_3 = 0x20080522
# Of a machine: how the kernel names its system calls' kind, and the number of socket(2).
SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
# It makes sockets too, past every filter.
IO_URING_SETUP, X32 = 425, 0x40000000
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | 13, 0x80000000
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06


class NotClosed(Exception):
    """This system closes no room; which step it refused."""


def close(folder: str, hidden: list[str]) -> None:
    """Closes this process in: it writes below `folder` alone, and finds nothing in the `hidden` files and folders.

    Raises NotClosed where the system does not let it; then nothing may be opened. It has to be of one thread.
    """
    if platform.machine() not in SOCKET:
        raise NotClosed(f"machines of the kind {platform.machine()}")
    libc = ctypes.CDLL(None, use_errno=True)
    _leave(libc)
    _close_disk(libc, folder, hidden)
    _done(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "giving up new privileges")
    _drop_capabilities(libc)
    _close_sockets(libc)


def _done(code: int, what: str) -> None:
    if code != 0:
        raise NotClosed(f"{what}: {os.strerror(ctypes.get_errno())}")


def _leave(libc: ctypes.CDLL) -> None:
    """For namespaces of its own, in which it is the user that it was."""
    user, group = os.geteuid(), os.getegid()
    own = NEW_MOUNTS | NEW_NETWORK | NEW_IPC
    if libc.unshare(NEW_USER | own) != 0:
        # Where user namespaces are switched off, root needs none.
        _done(libc.unshare(own), "namespaces of its own")
        return
    try:
        for name, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path("/proc/self", name).write_text(line)
    except OSError as error:
        raise NotClosed(f"a user namespace: {error.strerror}") from None


def _close_disk(libc: ctypes.CDLL, folder: str, hidden: list[str]) -> None:
    mount = libc.mount
    mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
    own = folder.encode()
    _done(mount(None, b"/", None, RECURSIVE | PRIVATE, None), "mounts of its own")
    _done(mount(own, own, None, BIND, None), "a folder of its own")
    _done(_set_attributes(libc, b"/", WHOLE_TREE, READ_ONLY, 0), "a disk that is only read (Linux 5.12)")
    _done(_set_attributes(libc, own, 0, 0, READ_ONLY), "a folder of its own")
    for path in hidden:
        if os.path.isdir(path):
            flags = NO_SUID | NO_DEVICES | NO_EXEC | READ_ONLY
            _done(mount(b"none", path.encode(), b"tmpfs", flags, b"mode=555"), f"covering {path}")
        elif os.path.exists(path):
            _done(mount(b"/dev/null", path.encode(), None, BIND, None), f"covering {path}")


def _set_attributes(libc: ctypes.CDLL, path: bytes, flags: int, put: int, clear: int) -> int:
    attributes = ctypes.create_string_buffer(struct.pack("=QQQQ", put, clear, 0, 0))
    return int(libc.syscall(MOUNT_SETATTR, HERE, path, flags, attributes, ctypes.c_size_t(32)))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITIES_3, 0))
    _done(libc.capset(header, ctypes.create_string_buffer(24)), "giving up capabilities")


def _close_sockets(libc: ctypes.CDLL) -> None:
    """Sockets in the file system, such as a container engine's, are no matter of network namespaces."""
    kind, socket = SOCKET[platform.machine()]
    steps = [
        (LOAD, 0, 0, 4),
        (EQUAL, 1, 0, kind),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, 0),
        (AT_LEAST, 2, 0, X32),
        (EQUAL, 1, 0, socket),
        (EQUAL, 0, 1, IO_URING_SETUP),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    _done(libc.prctl(SECCOMP, FILTER, program, 0, 0), "a filter of system calls")
