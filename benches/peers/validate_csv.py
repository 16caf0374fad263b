"""A CSV file against a JSON Schema, by jsonschema-rs: FILE SCHEMA."""
import csv
import json
import sys

import jsonschema_rs

file, schema = sys.argv[1:]
is_valid = jsonschema_rs.validator_for(json.load(open(schema))).is_valid
bad = 0
with open(file, newline="", encoding="utf-8") as rows:
    reader = csv.reader(rows)
    names = next(reader)
    for cells in reader:
        if not is_valid({name: cell for name, cell in zip(names, cells) if cell}):
            bad += 1
print(json.dumps({"rows": reader.line_num - 1, "invalid": bad}))
