"""A JSON Lines file against a JSON Schema, by orjson and jsonschema-rs: FILE SCHEMA."""
import json
import sys

import jsonschema_rs
import orjson

file, schema = sys.argv[1:]
is_valid = jsonschema_rs.validator_for(json.load(open(schema))).is_valid
loads = orjson.loads
rows = bad = 0
with open(file, "rb", buffering=1 << 20) as lines:
    for line in lines:
        rows += 1
        if not is_valid(loads(line)):
            bad += 1
print(json.dumps({"rows": rows, "invalid": bad}))
