"""The least that a server can do: read the request and answer a fixed body."""

ANSWER = b'{"outputs": [{"name": "prediction", "shape": [1], "datatype": "FP64", "data": [208500.0]}]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope, receive, send):
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": ANSWER})
