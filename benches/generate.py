#!/usr/bin/env python3
"""Writes the files that the benchmarks read. Same arguments, same bytes. Python 3, nothing else.

    python3 benches/generate.py --out DIR                       1,000,000 rows, 2% of them bad
    python3 benches/generate.py --out DIR --rows 1000 --bad 0   a small good file
    python3 benches/generate.py --out DIR --bad 100             every row is bad

    DIR/rows.csv             15 columns, about 243 bytes a row
    DIR/rows.jsonl           the same rows in the nested form, about 423 bytes a row
    DIR/catalog/             three connectors
    DIR/solutions.json       the solutions that the rows name
    DIR/csv.schema.json      the same checks as one JSON Schema over a CSV row, for the peers
    DIR/jsonl.schema.json    the same over a nested row

The three connectors ask for the same five credential fields (three patterns, one enum, lengths, all required),
so that a peer, which takes one schema for a whole file, checks exactly what `validate` checks and needs no
conditions for it. A bad row breaks one of the five. Every credential is made up.
"""

import argparse
import json
import pathlib
import random

COLUMNS = """externalUserId userName connector connectorVersion environment authName
    data.region data.account_id data.access_key data.secret_key data.session_name
    solutionId instanceName authExternalId enabled""".split()

REGIONS = """us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 eu-west-1 eu-west-2 eu-central-1 eu-north-1
    ap-northeast-1 ap-southeast-1 ap-southeast-2 sa-east-1""".split()

CREDENTIALS = {
    "region": {"type": "string", "enum": REGIONS},
    "account_id": {"type": "string", "pattern": "^[0-9]{12}$"},
    "access_key": {"type": "string", "pattern": "^[A-Z0-9]+$", "minLength": 16, "maxLength": 32},
    "secret_key": {"type": "string", "minLength": 30, "maxLength": 80},
    "session_name": {"type": "string", "pattern": "^[A-Za-z0-9_+=,.@-]+$", "minLength": 2, "maxLength": 64},
}

CONNECTORS = [
    ("queue", "2.1", "6f1a44e2-52a1-4d7e-9f5e-0c1b7f2d3a01", "Production"),
    ("archive", "1.0", "6f1a44e2-52a1-4d7e-9f5e-0c1b7f2d3a02", "Live accounts"),
    ("stream", "4.3", "6f1a44e2-52a1-4d7e-9f5e-0c1b7f2d3a03", "Production"),
]
SOLUTIONS = ["29a3b2e9-5d65-4441-9588-42dea2bc372f", "ab9099a4-35a2-40ae-9af3-05535ec42e08"]
SLOT = "external_source_authentication"

NAMES = ["Alder Analytics", "Birch & Sons Bakery", "Cedar Catering, Inc.", "Dogwood Dental", "Elm Energy",
         "Fir \"Fast\" Freight", "Ginkgo Gardens", "Hazel Hotels", "Jühling Optik", "Kauri Imports, Ltd."]


def schemas():
    """The peers' schemas: what `validate` demands of these files, as far as a JSON Schema can say it."""
    texts = {
        "externalUserId": {"type": "string", "minLength": 1},
        "userName": {"type": "string"},
        "connector": {"type": "string", "enum": [name for name, *_ in CONNECTORS]},
        "connectorVersion": {"type": "string", "enum": [version for _, version, *_ in CONNECTORS]},
        "environment": {"type": "string"},
        "authName": {"type": "string"},
        "solutionId": {"type": "string"},
        "instanceName": {"type": "string"},
        "authExternalId": {"type": "string"},
    }
    required = ["externalUserId", "connector", "connectorVersion"]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
    # an empty cell is null to a CSV validator
    optional = {"type": ["string", "null"]}
    flat = {name: schema if name in required else optional for name, schema in texts.items()}
    flat["enabled"] = {"type": ["string", "null"], "enum": ["true", "false", None]}
    flat.update({f"data.{name}": schema for name, schema in CREDENTIALS.items()})
    nested = dict(texts, enabled={"type": "boolean"})
    nested["data"] = {"type": "object", "properties": CREDENTIALS, "required": list(CREDENTIALS),
                      "additionalProperties": False}
    in_csv = required + [f"data.{name}" for name in CREDENTIALS]
    return (
        dict(head, properties={name: flat[name] for name in COLUMNS}, required=in_csv),
        dict(head, properties=nested, required=required + ["data"], additionalProperties=False),
    )


def catalog():
    for number, (name, version, environment, title) in enumerate(CONNECTORS):
        yield name, {
            "connector": name,
            "versions": [version],
            "service": {"id": f"bdd640fb-0667-4ad1-9c80-317fa3b1700{number}", "name": name, "version": 1},
            "authType": "token",
            "ownService": False,
            "environments": [{
                "id": environment,
                "title": title,
                "credentials": {"type": "object", "properties": CREDENTIALS, "required": list(CREDENTIALS),
                                "additionalProperties": False},
                "userData": {},
            }],
            "allowExtraFields": False,
        }


def spoil(data, how):
    """Breaks one credential field, each in its turn."""
    how %= 6
    if how == 0:
        data["region"] = "us-east-9"
    elif how == 1:
        data["account_id"] = data["account_id"][:11] + "x"
    elif how == 2:
        data["access_key"] = data["access_key"].lower()
    elif how == 3:
        data["secret_key"] = data["secret_key"][:12]
    elif how == 4:
        data["session_name"] = data["session_name"] + " (old)"
    else:
        del data["account_id"]


def rows(count, bad, seed, rows_per_user):
    rng = random.Random(seed)
    uniform, bits = rng.random, rng.getrandbits
    spoiled = 0
    for n in range(count):
        user = n // rows_per_user
        name, version, environment, title = CONNECTORS[bits(16) % 3]
        row = {
            "externalUserId": f"c-{user:08d}",
            "userName": f"{NAMES[user % len(NAMES)]} {user}",
            "connector": name,
            "connectorVersion": version,
        }
        dice = bits(16)
        if dice % 16 == 0:
            row["environment"] = title if dice & 16 else environment
        if rows_per_user > 1 or dice >> 4 & 15 == 0:
            row["authName"] = f"{name} of customer {user}, no. {n % rows_per_user}"
        data = {
            "region": REGIONS[dice % len(REGIONS)],
            "account_id": f"{bits(39):012d}",
            "access_key": f"FAKE{bits(64):016X}",
            "secret_key": f"fake/{bits(172):043x}",
            "session_name": f"import-{user}@example.com",
        }
        if uniform() * 100 < bad:
            spoil(data, spoiled)
            spoiled += 1
        row["data"] = data
        row["solutionId"] = SOLUTIONS[dice >> 6 & 1]
        if rows_per_user > 1 or dice >> 7 & 15 == 0:
            row["instanceName"] = f"Sync {n % rows_per_user} of {user}"
        row["authExternalId"] = SLOT
        if dice >> 11 & 15 == 0:
            row["enabled"] = True
        yield row


def cell(text):
    if '"' in text:
        return '"' + text.replace('"', '""') + '"'
    return f'"{text}"' if "," in text else text


def csv_line(row):
    get, data = row.get, row["data"].get
    return ",".join([
        row["externalUserId"], cell(row["userName"]), row["connector"], row["connectorVersion"],
        get("environment", ""), cell(get("authName", "")), data("region", ""), data("account_id", ""),
        data("access_key", ""), data("secret_key", ""), data("session_name", ""), row["solutionId"],
        get("instanceName", ""), row["authExternalId"], "true" if get("enabled") else "",
    ]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--bad", type=float, default=2, help="percent of the rows that are bad")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows-per-user", type=int, default=1)
    parser.add_argument("--csv-only", action="store_true")
    args = parser.parse_args()

    out = args.out
    (out / "catalog").mkdir(parents=True, exist_ok=True)
    for name, entry in catalog():
        (out / "catalog" / f"{name}.json").write_text(json.dumps(entry, indent=2) + "\n")
    for name, schema in zip(["csv", "jsonl"], schemas()):
        (out / f"{name}.schema.json").write_text(json.dumps(schema, indent=2) + "\n")

    solutions = [{"id": id, "title": f"Sync {n}", "authSlots": [{"externalId": SLOT, "title": "source"}],
                  "configSlots": []} for n, id in enumerate(SOLUTIONS)]
    (out / "solutions.json").write_text(json.dumps(solutions, indent=2) + "\n")

    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    made = rows(args.rows, args.bad, args.seed, max(args.rows_per_user, 1))
    with open(out / "rows.csv", "w", encoding="utf-8", newline="", buffering=1 << 20) as flat:
        flat.write(",".join(COLUMNS) + "\n")
        if args.csv_only:
            flat.writelines(map(csv_line, made))
            return
        with open(out / "rows.jsonl", "w", encoding="utf-8", newline="", buffering=1 << 20) as nested:
            for row in made:
                flat.write(csv_line(row))
                nested.write(encode(row) + "\n")


if __name__ == "__main__":
    main()
