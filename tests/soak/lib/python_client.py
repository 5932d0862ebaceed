"""Calls the server with grpcio: by compiled schema and by reflection. Prints one JSON line a check: {"name", "ok", "detail"}.

python python_client.py <port> <folder of .proto files> <folder for generated code>
"""

import importlib
import importlib.resources
import json
import pathlib
import struct
import sys

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_tools import protoc

port, protos, out = sys.argv[1:4]
channel = grpc.insecure_channel(f"127.0.0.1:{port}")


def check(name, ok, detail=""):
    print(json.dumps({"name": name, "ok": bool(ok), "detail": str(detail)[:300]}), flush=True)


def totals(response):
    names = [column.name for column in response.target_output_schema]
    at = names.index("total")
    return [struct.unpack("<f", row.output_values[at])[0] for row in response.target_scores]


def fill(request):
    request.model_config_id = "sum"
    for name in ("a", "b"):
        request.target_input_schema.add(name=name, data_type=14)
    request.targets.add(id="one", feature_values=[b"1", b"2"])
    request.targets.add(id="two", feature_values=[b"10.5", b"20"])
    return request


def by_schema():
    files = [str(path.relative_to(protos)) for path in pathlib.Path(protos).rglob("*.proto")]
    wanted = [file for file in files if not file.startswith(("persist", "inferflow_logging", "kafka"))]
    standard = importlib.resources.files("grpc_tools") / "_proto"
    code = protoc.main(["protoc", f"-I{protos}", f"-I{standard}", f"--python_out={out}", f"--grpc_python_out={out}", *wanted])
    check("python: the schema compiles", code == 0, f"exit {code}, {len(wanted)} files")
    sys.path.insert(0, out)
    messages = importlib.import_module("predict_pb2")
    services = importlib.import_module("predict_pb2_grpc")
    stub = services.PredictStub(channel)
    answer = stub.InferPointWise(fill(messages.PointWiseRequest()), timeout=5)
    check("python by schema: scores", totals(answer) == [3.0, 30.5], totals(answer))
    answer = stub.InferPointWise(fill(messages.PointWiseRequest()), timeout=5, compression=grpc.Compression.Gzip)
    check("python by schema: a gzip request", totals(answer) == [3.0, 30.5], totals(answer))
    calls = [stub.InferPointWise.future(fill(messages.PointWiseRequest()), timeout=10) for _ in range(200)]
    wrong = [call for call in calls if totals(call.result()) != [3.0, 30.5]]
    check("python by schema: 200 calls at once", not wrong, f"{len(wrong)} wrong")
    try:
        stub.InferPointWise(messages.PointWiseRequest(model_config_id="sum"), timeout=5)
        check("python: a bad request is refused", False, "it was answered")
    except grpc.RpcError as error:
        details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
        ok = error.code() == grpc.StatusCode.INVALID_ARGUMENT and b"BadRequest" in details and b"targets" in details
        check("python: a bad request is refused, with details", ok, f"{error.code()} {error.details()}")
    try:
        request = messages.PointWiseRequest(model_config_id="slow", targets=[messages.Target(id="one")])
        request.context_features.add(name="user_id", value=b"u1", data_type=14)
        stub.InferPointWise(request, timeout=0.3)
        check("python: a deadline that passes", False, "it was answered")
    except grpc.RpcError as error:
        check("python: a deadline that passes", error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error.code())


def by_reflection():
    database = ProtoReflectionDescriptorDatabase(channel)
    names = sorted(database.get_services())
    check("python by reflection: lists the services", {"Predict", "Inferflow"} <= set(names), names)
    pool = descriptor_pool.DescriptorPool(database)
    method = pool.FindServiceByName("Predict").FindMethodByName("InferPointWise")
    request = message_factory.GetMessageClass(method.input_type)
    response = message_factory.GetMessageClass(method.output_type)
    call = channel.unary_unary(
        "/Predict/InferPointWise", request_serializer=request.SerializeToString, response_deserializer=response.FromString
    )
    answer = call(fill(request()), timeout=5)
    check("python by reflection: scores", totals(answer) == [3.0, 30.5], totals(answer))


by_schema()
by_reflection()
