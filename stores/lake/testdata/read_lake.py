"""Prints every row of an Iceberg table as one JSON object a line.

python read_lake.py ENDPOINT DATABASE TABLE

Times become microseconds since 1970, and maps become objects.
"""

import json
import sys

import pyarrow as pa
from pyiceberg.catalog import load_catalog

endpoint, database, name = sys.argv[1:]
keys = {"access-key-id": "test", "secret-access-key": "test", "region": "us-east-1", "endpoint": endpoint}
catalog = load_catalog(
    "muster", type="glue", **{f"{part}.{k}": v for part in ("glue", "s3") for k, v in keys.items()}
)
table = catalog.load_table((database, name)).scan().to_arrow()
columns = {}
for field in table.schema:
    column = table.column(field.name)
    if pa.types.is_timestamp(field.type):
        if field.type.unit != "us":
            sys.exit(f"{field.name} is in {field.type.unit}")
        column = column.cast(pa.int64())
    values = column.to_pylist()
    if pa.types.is_map(field.type):
        values = [dict(v) for v in values]
    columns[field.name] = values
for i in range(table.num_rows):
    print(json.dumps({k: v[i] for k, v in columns.items()}))
