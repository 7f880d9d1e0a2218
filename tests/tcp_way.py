"""A way to a server on which bytes stop or the connection ends, as ordered."""

import contextlib
import socket
import threading


class Way:
    """`port` on loopback leads to the server. `hold` stops every byte, `cut` ends all that are connected."""

    def __init__(self, port: int) -> None:
        self._to, self._open, self._flows = port, [], threading.Event()
        self._flows.set()
        self._entry = socket.create_server(("127.0.0.1", 0))
        self.port = self._entry.getsockname()[1]
        self.shut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        self._flows.clear()

    def release(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    def _accept(self) -> None:
        while True:
            here, _ = self._entry.accept()
            if self.shut:
                here.close()
                continue
            there = socket.create_connection(("127.0.0.1", self._to))
            self._open += [here, there]
            for one, other in ((here, there), (there, here)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while some := one.recv(65536):
                self._flows.wait()
                other.sendall(some)
            other.shutdown(socket.SHUT_RDWR)
