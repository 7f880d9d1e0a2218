"""A way to a server on which things go wrong as ordered, and otherwise nothing. The Host header stays: it is signed."""

import http.client
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>ordered by the test</Message></Error>"


class Gone(Exception):
    """The connection ends here."""


def answer(status, code):
    """The server is not asked; this is answered."""
    return lambda _ask: (status, [("Content-Type", "application/xml")], ERROR.format(code).encode(), 1.0)


def lose_request(_ask):
    """Nothing arrives."""
    raise Gone


def lose_answer(ask):
    """The server does what it was asked; its answer is lost."""
    ask()
    raise Gone


def half_body(ask):
    """The answer ends in its middle."""
    return (*ask(), 0.5)


def flip(ask):
    """The last byte of the answer is another one, where it has any."""
    status, headers, body = ask()
    return status, headers, body[:-1] + bytes(byte ^ 1 for byte in body[-1:]), 1.0


def wait(seconds):
    """The answer comes late."""

    def late(ask):
        answered = ask()
        time.sleep(seconds)
        return (*answered, 1.0)

    return late


class Quiet(ThreadingHTTPServer):
    """A client that ends its connection is part of the plan: no traceback of it belongs in the campaign's table."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Proxy:
    """`url` leads to the server. Each order hits one request; `asked` tells every request that came."""

    def __init__(self, server):
        self.server, self.orders, self.asked, self.url = urlsplit(server).netloc, [], [], ""

    def order(self, method, *faults, part=""):
        """The next requests of this method, with `part` in their path, meet these faults, one each."""
        self.orders += [(method, part, fault) for fault in faults]

    def next_fault(self, method, path):
        """The fault that this request meets."""
        self.asked.append((method, path))
        for order in self.orders:
            if order[0] == method and order[1] in path:
                self.orders.remove(order)
                return order[2]
        return lambda ask: (*ask(), 1.0)

    def ask(self, request, body):
        """The server's own answer: status, headers, body."""
        away = http.client.HTTPConnection(self.server, timeout=30)
        away.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            if name.lower() != "expect":
                away.putheader(name, value)
        away.endheaders(body)
        answered = away.getresponse()
        kept = [(k, v) for k, v in answered.getheaders() if k.lower() not in ("transfer-encoding", "connection")]
        data = answered.read()
        away.close()
        return answered.status, kept, data


@contextmanager
def between(server):
    """A proxy to the server, on a free port of loopback."""
    proxy = Proxy(server)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are sent apart: the second would wait 40 ms for an answer to the first.
        disable_nagle_algorithm = True

        def handle_any(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                fault = proxy.next_fault(self.command, self.path)
                self.send(*fault(lambda: proxy.ask(self, body)))
            except (Gone, ConnectionError):
                self.close_connection = True

        def send(self, status, headers, body, share):
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            if "content-length" not in {name.lower() for name, _ in headers}:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: int(len(body) * share)])
            self.close_connection = share < 1

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any

        def log_message(self, *_):
            pass

    listening = Quiet(("127.0.0.1", 0), Handler)
    proxy.url = f"http://127.0.0.1:{listening.server_port}"
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield proxy
    listening.shutdown()
    listening.server_close()
