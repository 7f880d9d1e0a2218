"""A runtime of one's own for MLServer: the graph, fed from the tensors of the request."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri
from onnx_session import open_graph


class OnnxModel(MLModel):
    async def load(self) -> bool:
        self.session = open_graph(await get_model_uri(self._settings))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        feed = {tensor.name: _column(tensor) for tensor in payload.inputs}
        said = NumpyCodec.encode_output("prediction", self.session.run(None, feed)[0])
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[said])


def _column(tensor):
    if tensor.datatype == "BYTES":
        return np.array(StringCodec.decode_input(tensor), dtype=object).reshape(-1, 1)
    return NumpyCodec.decode_input(tensor).reshape(-1, 1)
