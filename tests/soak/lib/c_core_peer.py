"""A server of gRPC C-core, the stack that Triton and TorchServe serve with, for any method: echoes messages reversed, fails when asked to,
compresses where it may, and says goodbye to every connection after 300 ms.

python c_core_peer.py <port>
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

codes = {code.value[0]: code for code in grpc.StatusCode}


def answer(message, context):
    """A message of three bytes asks for a status, one of seven waits until its caller leaves."""
    context.set_trailing_metadata((("x-length", str(len(message))),))
    if len(message) == 3:
        context.abort(codes[message[0] % 17], f"ärger {message[1]}")
    if len(message) == 7:
        left = threading.Event()
        if context.add_callback(left.set):
            left.wait(10)
    return message[::-1]


class AnyMethod(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(answer)


server = grpc.server(
    ThreadPoolExecutor(64),
    handlers=[AnyMethod()],
    options=[
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", 50),
        ("grpc.max_connection_age_ms", 300),
        ("grpc.max_connection_age_grace_ms", 5000),
    ],
    compression=grpc.Compression.Gzip,
)
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
