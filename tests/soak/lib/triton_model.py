"""Models of the Python backend of Triton, chosen by name.

ranker, second   y = 1000 + x0 + 2·x1 + 3·x2 … per row: what the suites' own fake models answer
echo, text       y = x
slow             y = x after as many milliseconds as x says
broken           fails, with the text of its input
"""

import time

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.answer = getattr(self, args["model_name"], self.score)

    def score(self, x):
        return (1000 + x @ np.arange(1, x.shape[1] + 1, dtype=np.float32)).reshape(-1, 1).astype(np.float32)

    def echo(self, x):
        return x

    text = echo

    def slow(self, x):
        time.sleep(float(x.flat[0]) / 1000)
        return x

    def broken(self, x):
        raise pb.TritonModelException(x.flat[0].decode())

    def execute(self, requests):
        return [self.respond(request) for request in requests]

    def respond(self, request):
        try:
            return pb.InferenceResponse([pb.Tensor("y", self.answer(pb.get_input_tensor_by_name(request, "x").as_numpy()))])
        except pb.TritonModelException as problem:
            return pb.InferenceResponse([], pb.TritonError(str(problem)))
