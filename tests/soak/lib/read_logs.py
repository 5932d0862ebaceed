"""Reads records with the published Python decoder, and tables with DuckDB and pyarrow; prints one JSON object.

usage: read_logs.py records MANIFEST      MANIFEST: [{"name", "message": base64, "schema": [{"feature_name", "feature_type"}]}]
       read_logs.py tables DIRECTORY
"""

import base64
import json
import math
import os
import sys
import warnings

warnings.simplefilter("ignore")


def plain(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


def records(path):
    import inference_logging_client as client
    from inference_logging_client.types import FeatureInfo

    found = []
    with open(path, encoding="utf-8") as file:
        manifest = json.load(file)
    for entry in manifest:
        message = base64.b64decode(entry["message"])
        try:
            schema = [
                FeatureInfo(name=each["feature_name"], feature_type=each["feature_type"].upper(), index=index)
                for index, each in enumerate(entry["schema"])
            ]
            header = client.get_mplog_metadata(message)
            opened = client._decompress_zstd(message)
            decode = {1: client.decode_arrow_format, 2: client.decode_parquet_format}.get(header.format_type, client.decode_proto_format)
            ids, rows = decode(opened, schema)
            frame = client.decode_mplog(message, "typed", header.version, schema=schema)
            found.append({
                "name": entry["name"],
                "ids": list(ids),
                "rows": [[plain(row.get(each.name)) for each in schema] for row in rows],
                "frame": [len(frame), list(frame.columns)[0], len(frame.columns)],
                "header": {
                    "version": header.version,
                    "format": header.format_type,
                    "compressed": bool(header.compression_enabled),
                    "tracking_id": header.tracking_id,
                    "user_id": header.user_id,
                },
            })
        except Exception as error:
            found.append({"name": entry["name"], "error": f"{type(error).__name__}: {error}"})
    print(json.dumps(found))


def tables(directory):
    import duckdb
    import pyarrow.dataset

    read = f"read_parquet('{directory}/**/*.parquet', hive_partitioning = true)"
    described = {name: kind for name, kind, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM {read}").fetchall()}
    rows = duckdb.sql(f'SELECT _entity_id, score, score2, final, model, "item:stats:f0" FROM {read}').fetchall()
    dataset = pyarrow.dataset.dataset(directory, partitioning="hive", exclude_invalid_files=False)
    table = dataset.to_table()
    print(json.dumps({
        "duckdb": described,
        "rows": [[plain(cell) for cell in row] for row in rows],
        "arrow": {field.name: str(field.type) for field in table.schema},
        "arrowRows": table.num_rows,
        "arrowScores": [plain(value) for value in table.column("score").to_pylist()],
    }))


{"records": records, "tables": tables}[sys.argv[1]](sys.argv[2])
sys.stdout.flush()
# Threads of the libraries may outlive the interpreter, and then end the process with an abort.
os._exit(0)
