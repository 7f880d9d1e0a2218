"""KServe's client asks a gateway, where kserve is installed: `python ask.py URL`. Prints what it got, as JSON."""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

COLUMNS = {
    "year": ("FP64", np.array([[2000.0], [1995.0]])),
    "weight kg": ("FP32", np.array([1600.0, 1825.0], dtype=np.float32)),
    "make": ("BYTES", np.array(["Saab", "Fiat"], dtype=object)),
}


def request(binary, model="cars"):
    """Two cars, their values in the JSON or after it."""
    inputs = []
    for name, (datatype, values) in COLUMNS.items():
        sent = InferInput(name, list(values.shape), datatype)
        sent.set_data_from_numpy(values, binary_data=binary)
        inputs.append(sent)
    return InferRequest(model_name=model, infer_inputs=inputs, request_id="mine")


async def ask(url):
    """Everything that this client can ask."""
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=1))
    told = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model": await client.is_model_ready(url, "cars"),
    }
    for name, binary in (("json", False), ("binary", True)):
        answer = await client.infer(url, request(binary), model_name="cars")
        values = {output.name: output.as_numpy().tolist() for output in answer.outputs}
        told[name] = {"id": answer.id, "parameters": answer.parameters, "outputs": values}
    try:
        await client.infer(url, request(True), model_name="bikes")
    except Exception as error:
        told["error"] = str(error)
    await client.close()
    return told


print(json.dumps(asyncio.run(ask(sys.argv[1]))))
