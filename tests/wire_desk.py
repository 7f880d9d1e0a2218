"""A small desk for the wire's tests: one release of each model, scored by its package. Runs as a process of its own.

python tests/wire_desk.py OPTIONS.json FOLDER     serves FOLDER/*.onnx; prints its port
"""

import asyncio
import json
import logging
import sys
from pathlib import Path

from infra.gateway.contract import DATATYPES, About, Answered, Tensor, Turned
from infra.gateway.desk.arm import Arm
from infra.gateway.wire.app import App
from infra.gateway.wire.limits import Limits
from infra.gateway.wire.server import Tls, make_server, open_socket
from infra.gateway.wire.tokens import read_tokens
from infra.runtime import Scorer

KINDS = {"string": "BYTES", "int64": "INT64", "float": "FP32", "double": "FP64"}
RELEASE = "r1"


class SmallDesk:
    """The champion answers everything; what was given back is kept in `taken`."""

    def __init__(self, scorers, seconds=0.0):
        self.arms = {name: Arm(RELEASE, scorer) for name, scorer in scorers.items()}
        self.abouts = {name: about_of(name, scorer) for name, scorer in scorers.items()}
        self.taken, self.asked, self.seconds = [], [], seconds

    def ready(self):
        return True

    def health(self):
        return {"ready": True}

    def models(self):
        return list(self.arms)

    def about(self, model, version=None):
        if model not in self.abouts:
            raise Turned(404, f"no model {model} here.")
        if version not in (None, RELEASE):
            raise Turned(404, f"{model}: no version {version} here.")
        return self.abouts[model]

    async def answer(self, asked):
        self.about(asked.model, asked.version)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        self.asked = [asked]
        arm = self.arms[asked.model]
        notes = (f"key {asked.key}",) if asked.key else ()
        return Answered(arm.answer(asked.tensors, asked.rows), arm.release, "champion", notes)

    def feedback(self, model, truths, caller):
        self.taken += [(model, caller, truth) for truth in truths]
        return len(truths)

    def report(self, model, words, request_id, caller):
        self.taken.append((model, caller, words, request_id))

    def rollout(self, model):
        self.about(model)
        return b"<!doctype html><title>rollout</title>"

    def metrics(self):
        return f"taken {len(self.taken)}\n# EOF\n".encode(), "application/openmetrics-text; version=1.0.0"


def about_of(name, scorer):
    signature = scorer.signature
    session = scorer._session
    inputs = tuple(Tensor(i["input"], KINDS[i["type"]], (-1, 1), i["column"]) for i in signature["inputs"])
    kinds = {"tensor(double)": "FP64", "tensor(int64)": "INT64", "tensor(bool)": "BOOL", "tensor(string)": "BYTES"}
    outputs = tuple(
        Tensor(o.name, kinds[o.type], tuple(d if isinstance(d, int) else -1 for d in o.shape))
        for o in session.get_outputs()
    )
    reasons = signature.get("reasons", {"bits": (), "flags": ()})
    classes = tuple(signature["classes"])
    return About(
        name,
        RELEASE,
        (RELEASE,),
        inputs,
        outputs,
        classes,
        reasons=tuple(reasons["bits"]),
        flags=tuple(reasons["flags"]),
    )


assert DATATYPES


def main(options, folder):
    logging.basicConfig(level=logging.ERROR)
    asked = json.loads(Path(options).read_text())
    scorers = {path.stem: Scorer(path.read_bytes()) for path in sorted(Path(folder).glob("*.onnx"))}
    tokens = read_tokens(Path(asked["tokens"])) if "tokens" in asked else None
    app = App(SmallDesk(scorers, asked.get("seconds", 0.0)), Limits(**asked.get("limits", {})), tokens)
    listener = open_socket("127.0.0.1", 0)
    print(listener.getsockname()[1], flush=True)
    tls = Tls(*map(Path, asked["tls"])) if "tls" in asked else None
    make_server(app, tls).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
