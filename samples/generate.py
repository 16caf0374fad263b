#!/usr/bin/env python3
"""Writes the sample input files. Same arguments, same bytes.

    python3 generate.py                                          all samples, beside this script
    python3 generate.py --rows 200000 --only-good --out big      a large good file in both formats

Every credential is made up and carries the marker CANARY, so that a leak test can search for it.
"""

import argparse
import copy
import heapq
import json
import pathlib
import random

SQS_REGIONS = ["us-east-1", "us-west-2", "ca-central-1", "eu-west-1", "eu-central-1", "ap-southeast-2"]
ENVIRONMENTS = {
    "sqs 2": ("23b8c1e9-3924-46de-beb1-3b9046685257", "Production"),
    "sqs 3": ("972a8469-1641-4f82-8b9d-2434e465e150", "Production"),
    "zendesk": ("9a1de644-815e-46d1-bb8f-aa1837f8a88b", "Production"),
    "netsuite": ("6c307511-b2b9-437a-a8df-6ec4ce4a2bbd", "Production"),
    "sftp": ("1a2a73ed-562b-4f79-8374-59eef50bea63", "Production"),
    "airtable": ("43b7a3a6-9a8d-4a03-980d-7b71d8f56413", "Production"),
    "legacy-http": ("ec1b8ca1-f91e-4d4c-9ff4-9b7889463e85", "Production"),
    "acme-crm": ("e2acf72f-9e57-4f7a-a0ee-89aed453dd32", "Acme CRM, own OAuth app"),
}
MARKETO = {"Production": "6b65a6a4-8b81-48f6-b38a-088ca65ed389", "Sandbox": "47378190-96da-4dac-b2ff-5d2a386ecbe0"}

ACCOUNT_SYNC = "29a3b2e9-5d65-4441-9588-42dea2bc372f"
TICKETS = "ab9099a4-35a2-40ae-9af3-05535ec42e08"
DELIVERY = "aefcfad8-efc8-4849-b3aa-7efe4458a885"
EMAIL, PAGE, MAPPING = "external_report_email", "external_page_size", "external_field_mapping"

COLUMNS = """
    externalUserId userName connector connectorVersion environment authName data
    data.region data.account_id data.access_key data.secret_key data.session_name
    data.email data.api_token data.munchkin_id data.client_id data.client_secret data.account data.role
    data.host data.port data.username data.password data.private_key data.strict_host_key data.timeout_seconds
    data.folders data.options data.proxy.host data.proxy.port
    data.api_key data.url data.headers.X-Api-Key
    data.access_token data.refresh_token data.expires_at data.crm_tenant data.crm_plan.name
    formData.subdomain formData.ticket_limit scopes hidden solutionId instanceName authExternalId enabled
    configJson.external_page_size configJson.external_field_mapping config.external_report_email
""".split()
JSON_CELLS = {"data.folders", "data.options"}

FIRST = """Alder Birch Cedar Dogwood Elm Fir Ginkgo Hazel Ivy Juniper Kauri Linden Maple Nutmeg Oak Pine Quince
    Rowan Spruce Teak Upas Vine Willow Yew Zelkova""".split()
SECOND = ["Analytics", "Bakery", "Catering", "Dental", "Energy", "Freight", "Gardens", "Hotels", "Imports", "Labs",
          "Media", "Optics", "Paper", "Retail", "Studios", "Travel"]
ODD_NAMES = ["Bäckerei Müller, Köln", "O'Brien & \"Sons\"", "株式会社サンプル", "Łódź Logistyka sp. z o.o.", "Café ☕ Zürich",
             "مخبز النخيل", "Smith; Jones\tPartners", "=SUM(A1:A9) Ltd", "Naïve Société, S.A.", "Two\nLines GmbH"]


class Raw(str):
    """A CSV cell that is written as it is, where JSON would stand."""


# ---------------------------------------------------------------- good rows


class Maker:
    """Makes end users one after another, each with a plan of rows."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.users = 0
        self.secrets = 0

    def chance(self, probability):
        return self.rng.random() < probability

    def secret(self, kind, least=30):
        """A fake secret; one in three is awkward to quote."""
        self.secrets += 1
        n = self.secrets
        plain = f"CANARYwJalr-fake-{kind}-{n:07d}".ljust(least, "x")
        odd = [
            f"{plain},with,commas", f'{plain}"quoted"', f'"{plain}', f"{plain}\nsecond line", f"{plain}\r\n\r\nthird line",
            f"  {plain}", f"{plain}  ", f"\t{plain} ", f"{plain}-schlüssel-鍵-🔑", f"={plain}", f"#{plain}",
            f"{plain}\\n\\\"", f"{{{plain}: [}}", f"'{plain}'", f"{plain};a=b|c",
        ]
        return odd[n // 3 % len(odd)] if n % 3 == 0 else plain

    def user(self):
        self.users += 1
        n = self.users
        company = f"{self.rng.choice(FIRST)} {self.rng.choice(SECOND)} {n}"
        if n % 9 == 0:
            company = f"{ODD_NAMES[n // 9 % len(ODD_NAMES)]} {n}"
        ids = [f"c-{n:06d}", f"c-{n:06d}", f"acme|{n:06d}", f"owner{n}@example.com", f"emea/{n}", f"kunde-ä-{n}"]
        user = {"externalUserId": self.rng.choice(ids)}
        if self.chance(0.8):
            user["userName"] = company
        return user, company

    def row(self, user, connector, version, data, **more):
        row = {**user, "connector": connector, "connectorVersion": version, "data": data}
        environment = ENVIRONMENTS.get(f"sqs {version[0]}" if connector == "sqs" else connector)
        if environment and self.chance(0.25):
            row["environment"] = self.rng.choice(environment)
        if self.chance(0.15):
            row["hidden"] = self.chance(0.8)
        row.update(more)
        row["_json"] = self.chance(0.12)
        row["_quoteAll"] = self.chance(0.06)
        row["_quoteSpace"] = self.chance(0.5)
        row["_separator"] = self.rng.choice([" ", ",", ", "])
        row["_ascii"] = self.chance(0.15)
        return row

    def sqs(self, user, version=None, **more):
        version = version or self.rng.choice(["2.0", "2.1", "2.1", "3.0"])
        data = {
            "region": self.rng.choice(SQS_REGIONS),
            "account_id": f"{self.rng.randrange(10**10):012d}",
            "access_key": f"FAKECANARY{self.rng.randrange(10**8):08d}",
            "secret_key": self.secret("sqs"),
        }
        if version == "3.0":
            data["session_name"] = f"tray-{self.rng.randrange(1000)}"
        return self.row(user, "sqs", version, data, **more)

    def zendesk(self, user, **more):
        n = self.rng.randrange(10**6)
        form = {"subdomain": f"example-{n}"}
        if self.chance(0.4):
            form["ticket_limit"] = self.rng.choice([25, 50, 100, 1000])
        data = {"email": f"agent{n}@example.com", "api_token": self.secret("zendesk")}
        return self.row(user, "zendesk", self.rng.choice(["6.0", "6.1"]), data, formData=form, **more)

    def marketo(self, user, title=None, **more):
        title = title or self.rng.choice(list(MARKETO))
        data = {
            "munchkin_id": f"{self.rng.randrange(1000):03d}-FKE-{self.rng.randrange(1000):03d}",
            "client_id": f"CANARY-client-{self.rng.randrange(10**8):08d}",
            "client_secret": self.secret("marketo"),
        }
        more.setdefault("environment", self.rng.choice([title, MARKETO[title]]))
        return self.row(user, "marketo", "8.1", data, **more)

    def netsuite(self, user, **more):
        account = self.rng.choice([f"TSTDRV{self.rng.randrange(10**6):06d}", f"{self.rng.randrange(10**7):07d}"])
        data = {
            "email": f"finance{self.rng.randrange(10**5)}@example.com",
            "password": self.secret("netsuite"),
            "account": account,
            "role": self.rng.choice([1, 3, 18, 1001, 9999]),
        }
        return self.row(user, "netsuite", "1.0", data, **more)

    def sftp(self, user, **more):
        data = {
            "host": f"files{self.rng.randrange(100)}.example.com",
            "port": self.rng.choice([22, 22, 2222, 65535]),
            "username": self.rng.choice(["deliver", "svc tray", "müller"]),
            "strict_host_key": self.chance(0.7),
        }
        if self.chance(0.5):
            data["password"] = self.secret("sftp")
        else:
            self.secrets += 1
            data["private_key"] = f"-----BEGIN FAKE KEY-----\nCANARY{self.secrets:058d}\nCANARY{'x' * 20}==\n-----END FAKE KEY-----\n"
        if self.chance(0.4):
            data["timeout_seconds"] = self.rng.choice([0.5, 2.5, 30, 120])
        if self.chance(0.5):
            data["folders"] = self.rng.choice([["/in"], ["/in", "/out, archived"], ['/with "quotes"', "/ü"], []])
        if self.chance(0.4):
            data["options"] = {"compression": self.chance(0.5), "ciphers": ["aes256-gcm", "chacha20"], "retries": {"max": 3}}
        if self.chance(0.4):
            data["proxy"] = {"host": "proxy.example.com"}
            if self.chance(0.6):
                data["proxy"]["port"] = self.rng.choice([1080, 3128])
        return self.row(user, "sftp", "4.2", data, **more)

    def airtable(self, user, **more):
        return self.row(user, "airtable", "3.0", {"api_key": self.secret("airtable")}, **more)

    def legacy(self, user, **more):
        data = {"url": f"https://legacy{self.rng.randrange(100)}.example.com/v1?a=b,c", "username": "import"}
        if self.chance(0.7):
            data["password"] = self.secret("http")
        if self.chance(0.5):
            data["headers"] = {"X-Api-Key": self.secret("header")}
        return self.row(user, "legacy-http", "1.0", data, **more)

    def crm(self, user, **more):
        data = {
            "access_token": self.secret("access"),
            "refresh_token": self.secret("refresh"),
            "expires_at": 1893456000 + self.rng.randrange(10**7),
        }
        if self.chance(0.4):
            data["crm_tenant"] = f"tenant-{self.rng.randrange(500)}"
        if self.chance(0.2):
            data["crm_plan"] = {"name": self.rng.choice(["basic", "gold, yearly"])}
        scopes = self.rng.sample(["contacts:read", "contacts:write", "deals:read", "offline_access"], self.rng.randrange(5))
        if scopes:
            more["scopes"] = scopes
        return self.row(user, "acme-crm", "1.0", data, **more)

    # The plans: each returns the rows of one end user.

    def source(self, user, **more):
        make = self.rng.choice([self.marketo, self.netsuite, self.airtable])
        return make(user, solutionId=ACCOUNT_SYNC, authExternalId="external_source_authentication", **more)

    def plan_authentication_only(self, user, company):
        make = self.rng.choice([self.sqs, self.zendesk, self.marketo, self.netsuite, self.sftp, self.airtable, self.legacy, self.crm])
        row = make(user)
        if self.chance(0.4):
            row["authName"] = f"{row['connector']} of {company}"
        return [row]

    def plan_account_sync(self, user, company):
        row = self.source(user)
        if self.chance(0.3):
            row["instanceName"] = f"Sync, {company}"
        if self.chance(0.3):
            row["enabled"] = self.chance(0.5)
        return [row]

    def group(self, rows, instance=None):
        """The same instance name, and the same word on `enabled`, in all rows of one instance."""
        enabled = self.rng.choice([None, None, True, False])
        for row in rows:
            if instance:
                row["instanceName"] = instance
            if enabled is not None:
                row["enabled"] = enabled
        return rows

    def plan_tickets(self, user, company, instance=None, **more):
        if instance is None and self.chance(0.3):
            instance = f"Tickets of {company}"
        rows = [
            self.sqs(user, solutionId=TICKETS, authExternalId="external_sqs_authentication", **more),
            self.zendesk(user, solutionId=TICKETS, authExternalId="external_zendesk_authentication", **more),
        ]
        self.rng.shuffle(rows)
        return self.group(rows, instance)

    def plan_delivery(self, user, company):
        rows = [
            self.sftp(user, solutionId=DELIVERY, authExternalId="external_sftp_authentication"),
            self.crm(user, solutionId=DELIVERY, authExternalId="external_crm_authentication"),
        ]
        self.rng.shuffle(rows)
        values = {
            EMAIL: self.rng.choice([f"reports{self.users}@example.com", "true", "10", "Köln, \"Zentrale\" <ops@example.com>"]),
            PAGE: self.rng.choice([10, 250, 0.5, -1]),
            MAPPING: self.rng.choice([{"id": "kunde", "email": "mail"}, {"id": "ID", "tags": ["a", {"b": None}]}, ["id", "email"], False]),
        }
        for slot, value in values.items():
            where = self.rng.choice([(0,), (0,), (1,), (0, 1), ()])
            for index in where:
                rows[index].setdefault("config", {})[slot] = value
            if where == (0,) and slot != EMAIL and self.chance(0.3):
                rows[1].setdefault("config", {})[slot] = None  # null counts as absent
        return self.group(rows, f"Delivery {company}" if self.chance(0.3) else None)

    def plan_everything(self, user, company):
        rows = self.plan_tickets(user, company) + [self.source(user), self.legacy(user)]
        rows[3]["authName"] = f"Legacy {company}"
        return rows

    def plan_several_queues(self, user, company):
        return [self.sqs(user, "2.1", authName=f"Queue {place}, {company}") for place in ("Berlin", "Osaka", "Lima")]

    def plan_two_environments(self, user, company):
        more = {"authName": f"Marketo {company}"} if self.chance(0.5) else {}
        return [self.marketo(user, title, **more) for title in MARKETO]

    def plan_two_syncs(self, user, company):
        return [self.source(user, instanceName=place, authName=f"{place} source") for place in ("North", "South")]

    def plan_two_ticket_instances(self, user, company):
        return [row for brand in ("Brand A", "brand a")
                for row in self.plan_tickets(user, company, instance=brand, authName=f"{brand} {company}")]

    def plan_same_name_elsewhere(self, user, company):
        """One name in two environments of different services is no duplicate."""
        return [self.airtable(user, authName="Main"), self.netsuite(user, authName="Main")]

    PLANS = [
        (plan_tickets, 2), (plan_authentication_only, 1), (plan_delivery, 2), (plan_account_sync, 1),
        (plan_several_queues, 3), (plan_authentication_only, 1), (plan_two_environments, 2), (plan_everything, 4),
        (plan_authentication_only, 1), (plan_tickets, 2), (plan_two_syncs, 2), (plan_delivery, 2),
        (plan_authentication_only, 1), (plan_two_ticket_instances, 4), (plan_same_name_elsewhere, 2), (plan_account_sync, 1),
    ]

    def customer(self, room):
        plan, size = self.PLANS[self.users % len(self.PLANS)]
        if size > room:
            plan = Maker.plan_authentication_only
        return plan(self, *self.user())


def good_rows(count, seed):
    """Yields the rows in file order: the first row of an end user at once, the others much later."""
    maker, later, made, sent = Maker(seed), [], 0, 0
    furthest = max(2, min(count // 2, 5000))
    while sent < count:
        if later and (later[0][0] <= sent or made == count):
            yield heapq.heappop(later)[2]
        else:
            rows = maker.customer(count - made)
            for number, row in enumerate(rows[1:]):
                heapq.heappush(later, (sent + maker.rng.randint(furthest // 4, furthest), made + number, row))
            made += len(rows)
            yield rows[0]
        sent += 1


# ---------------------------------------------------------------- writing


def flatten(prefix, value, out):
    for key, inner in value.items():
        name = f"{prefix}.{key}"
        if isinstance(inner, dict) and name not in JSON_CELLS:
            flatten(name, inner, out)
        elif isinstance(inner, Raw) or not (name in JSON_CELLS or isinstance(inner, (bool, int, float))):
            out[name] = inner
        else:
            out[name] = json.dumps(inner, ensure_ascii=False)


def csv_cells(row):
    out = {key: row[key] for key in COLUMNS if key in row and key != "data"}
    if row["_json"] or isinstance(row["data"], Raw):
        data = row["data"]
        pretty = 2 if row["_quoteSpace"] else None
        out["data"] = data if isinstance(data, Raw) else json.dumps(data, ensure_ascii=False, indent=pretty)
    else:
        flatten("data", row["data"], out)
    flatten("formData", row.get("formData", {}), out)
    for slot, value in row.get("config", {}).items():
        if slot == EMAIL:
            out[f"config.{slot}"] = value
        else:
            out[f"configJson.{slot}"] = value if isinstance(value, Raw) else json.dumps(value, ensure_ascii=False)
    for key in ("hidden", "enabled"):
        if isinstance(out.get(key), bool):
            out[key] = "true" if out[key] else "false"
    if "scopes" in out:
        out["scopes"] = row["_separator"].join(out["scopes"])
    assert set(out) <= set(COLUMNS), set(out) - set(COLUMNS)
    return [out.get(key, "") for key in COLUMNS]


def csv_line(cells, quote_all=False, quote_space=False, end="\n"):
    def cell(text):
        spaces = quote_space and text != text.strip()
        if quote_all or spaces or any(c in text for c in ',"\r\n'):
            return '"' + text.replace('"', '""') + '"'
        return text
    return ",".join(map(cell, cells)) + end


def csv_row(row):
    return csv_line(csv_cells(row), row["_quoteAll"], row["_quoteSpace"])


def jsonl_row(row):
    shown = {key: value for key, value in row.items() if not key.startswith("_")}
    return json.dumps(shown, ensure_ascii=row["_ascii"]) + "\n"


def write_good(out, count, seed):
    with open(out / "customers.csv", "w", encoding="utf-8", newline="") as table, \
            open(out / "customers.jsonl", "w", encoding="utf-8", newline="") as lines:
        table.write(csv_line(COLUMNS))
        for row in good_rows(count, seed):
            table.write(csv_row(row))
            lines.write(jsonl_row(row))


# ---------------------------------------------------------------- mistakes


class Mistakes:
    """Takes good rows, breaks some of them, and notes what a checker must find."""

    def __init__(self, rows, seed):
        self.rows = rows
        self.users = [row["externalUserId"] for row in rows]
        self.rng = random.Random(seed + 1)
        self.issues = []
        self.taken = set()  # one mistake per end user, so that no mistake hides or causes another
        self.edits = {}  # row index -> what happens to its bytes
        self.order = list(range(len(rows) - 1))
        self.rng.shuffle(self.order)

    def find(self, test):
        for index in self.order:
            if self.users[index] not in self.taken and test(self.rows[index]):
                self.taken.add(self.users[index])
                return index
        raise SystemExit("no row left for a mistake: use another seed")

    def note(self, index, field, code):
        self.issues.append((index + 1, field, code))

    def one(self, test, change, *issues):
        index = self.find(test)
        if change:
            change(self.rows[index])
        for field, code in issues:
            self.note(index, field, code)
        return index

    def raw(self, edit, code, field="", test=lambda row: True):
        self.edits[self.one(test, None, (field, code))] = edit

    def pair(self, test, change, field, code):
        """Two rows of one end user that do not go together: nobody knows which is right, so both are mistakes."""
        for first in self.order:
            if self.users[first] in self.taken:
                continue
            for second in range(first + 1, len(self.rows) - 1):
                if self.users[second] == self.users[first] and test(self.rows[first], self.rows[second]):
                    self.taken.add(self.users[first])
                    change(self.rows[first], self.rows[second])
                    self.note(first, field, code)
                    return self.note(second, field, code)
        raise SystemExit("no pair of rows left for a mistake: use another seed")

    def common(self):
        """The mistakes that look alike in both formats."""
        spread = lambda connector, version=None: lambda row: row["connector"] == connector and not row["_json"] \
            and (version is None or row["connectorVersion"].startswith(version))
        alone = lambda row: "solutionId" not in row and "environment" not in row and not row["_json"]
        put = lambda **values: lambda row: row.update(values)
        data = lambda **values: lambda row: row["data"].update(values)
        form = lambda **values: lambda row: row["formData"].update(values)
        drop = lambda key, part=None: lambda row: (row[part] if part else row).pop(key)

        self.one(alone, drop("externalUserId"), ("externalUserId", "missing_field"))
        self.one(alone, drop("connector"), ("connector", "missing_field"))
        self.one(alone, drop("connectorVersion"), ("connectorVersion", "missing_field"))
        self.one(spread("sqs", "2"), drop("secret_key", "data"), ("data.secret_key", "missing_field"))
        self.one(spread("sqs", "3"), drop("session_name", "data"), ("data.session_name", "missing_field"))
        self.one(spread("zendesk"), drop("subdomain", "formData"), ("formData.subdomain", "missing_field"))
        self.one(lambda row: "solutionId" in row, drop("authExternalId"), ("authExternalId", "missing_field"))
        self.one(spread("sftp"), data(proxy={"port": 3128}), ("data.proxy.host", "missing_field"))

        def no_role(row):
            row["_json"] = True
            del row["data"]["role"]
        self.one(spread("netsuite"), no_role, ("data.role", "missing_field"))

        self.one(alone, put(connector="sqss"), ("connector", "unknown_connector"))
        self.one(spread("sqs"), put(connectorVersion="2.2"), ("connectorVersion", "unknown_version"))
        self.one(spread("marketo"), put(environment="Staging"), ("environment", "unknown_environment"))
        self.one(spread("sqs"), put(environment=MARKETO["Sandbox"]), ("environment", "unknown_environment"))
        self.one(spread("marketo"), drop("environment"), ("environment", "environment_needed"))

        def become(connector, version):
            def change(row):
                row.pop("formData", None)
                row.update(connector=connector, connectorVersion=version, data={"access_token": "CANARY-fake-" + connector})
            return change
        self.one(alone, become("slack", "9.0"), ("connector", "third_party_oauth"))
        self.one(alone, become("acme-ledger", "1.1"), ("connector", "unsupported_auth_type"))

        self.one(alone, put(authExternalId="external_sqs_authentication"), ("authExternalId", "no_solution"))
        self.one(alone, put(instanceName="Nowhere"), ("instanceName", "no_solution"))
        self.one(alone, put(config={EMAIL: "nobody@example.com"}), ("config." + EMAIL, "no_solution"))
        self.one(alone, put(authExternalId="external_source_authentication", instanceName="Nowhere"),
                 ("authExternalId", "no_solution"), ("instanceName", "no_solution"))

        self.one(spread("sqs"), data(region="us-east-9"), ("data.region", "not_in_list"))

        def upper_case(row):
            row["_json"] = True
            row["data"]["region"] = "EU-WEST-1"
        self.one(spread("sqs"), upper_case, ("data.region", "not_in_list"))
        self.one(spread("sqs"), data(account_id="12345"), ("data.account_id", "pattern"))
        self.one(spread("zendesk"), form(subdomain="https://x"), ("formData.subdomain", "pattern"))
        self.one(spread("sqs"), data(access_key="CANARYshort"), ("data.access_key", "too_short"))
        self.one(spread("sqs"), data(secret_key="CANARY" + "é" * 23), ("data.secret_key", "too_short"))
        self.one(spread("sqs"), data(access_key="CANARY" + "K" * 123), ("data.access_key", "too_long"))
        self.one(spread("netsuite"), data(role=10000), ("data.role", "out_of_range"))
        self.one(spread("netsuite"), data(role=0), ("data.role", "out_of_range"))
        self.one(spread("sftp"), data(port=70000), ("data.port", "out_of_range"))
        self.one(spread("zendesk"), form(ticket_limit=1001), ("formData.ticket_limit", "out_of_range"))
        self.one(spread("sqs"), data(region="mars-1", account_id="none"), ("data.region", "not_in_list"), ("data.account_id", "pattern"))
        self.one(spread("sqs", "2"), data(session_name="old-version"), ("data.session_name", "unknown_field"))

        queues = lambda a, b: a.get("authName", "").startswith("Queue") and b["connector"] == "sqs"
        self.pair(queues, lambda a, b: b.update(authName=a["authName"]), "authName", "duplicate_authentication")

        def default_names(a, b):
            a.pop("authName")
            b["authName"] = f"sqs {a['externalUserId']}"  # what the first row gets by default
        self.pair(queues, default_names, "authName", "duplicate_authentication")

        def same_environment(a, b):
            title = next(title for title, id in MARKETO.items() if a["environment"] in (title, id))
            b["environment"] = MARKETO[title] if a["environment"] == title else title
        self.pair(lambda a, b: a["connector"] == b["connector"] == "marketo" and a.get("authName") == b.get("authName"),
                  same_environment, "authName", "duplicate_authentication")

        grouped = lambda solution: lambda a, b: a.get("solutionId") == b.get("solutionId") == solution \
            and a.get("instanceName") == b.get("instanceName")
        self.pair(grouped(TICKETS), lambda a, b: b.update(authExternalId=a["authExternalId"]), "authExternalId", "duplicate_slot")

        def other_value(slot, one, two):
            def change(a, b):
                a.setdefault("config", {})[slot] = one
                b.setdefault("config", {})[slot] = two
            return change
        self.pair(grouped(DELIVERY), other_value(EMAIL, "a@example.com", "b@example.com"), "config." + EMAIL, "conflicting_config")
        self.pair(grouped(DELIVERY), other_value(PAGE, 10, 20), "config." + PAGE, "conflicting_config")

        def disagree(a, b):
            a["enabled"], b["enabled"] = True, False
        self.pair(grouped(TICKETS), disagree, "enabled", "conflicting_enabled")
        self.spread, self.alone, self.put, self.data, self.form = spread, alone, put, data, form


def plain(row):
    """For edits of bytes: a row without quotes, on one line."""
    return '"' not in csv_row(row) and "\n" not in csv_row(row)[:-1]


def write_csv_mistakes(out, rows, seed):
    m = Mistakes(rows, seed)
    m.common()
    wrong = "wrong_type"
    m.one(m.spread("sftp"), m.data(port="ssh"), ("data.port", wrong))
    m.one(m.spread("sftp"), m.data(strict_host_key="perhaps"), ("data.strict_host_key", wrong))
    m.one(m.spread("sftp"), m.data(timeout_seconds="2s"), ("data.timeout_seconds", wrong))
    m.one(m.spread("sftp"), m.data(options=[1, 2]), ("data.options", wrong))
    m.one(m.spread("netsuite"), m.data(role="admin"), ("data.role", wrong))
    m.one(m.spread("zendesk"), m.form(ticket_limit="many"), ("formData.ticket_limit", wrong))
    m.one(m.alone, m.put(hidden="maybe"), ("hidden", wrong))
    m.one(lambda row: "solutionId" in row, m.put(enabled="later"), ("enabled", wrong))
    m.one(m.spread("sftp"), m.data(folders=Raw('["/in", ')), ("data.folders", "bad_json"))
    m.one(lambda row: row.get("solutionId") == DELIVERY, m.put(config={MAPPING: Raw("{id: kunde}")}), ("configJson." + MAPPING, "bad_json"))
    m.one(m.spread("legacy-http"), m.put(data=Raw('{"password": "CANARY-never-closed')), ("data", "bad_json"))
    m.one(lambda row: row["connector"] == "airtable", m.put(data=Raw('{"api_key": "CANARY-1"} {}')), ("data", "bad_json"))

    comma = lambda line: line.index(b",") + 1
    m.raw(lambda line: line[:comma(line)] + "Müller".encode("latin-1") + line[comma(line):], "encoding", test=plain)
    m.raw(lambda line: line[:3] + b"\xc3\x28" + line[3:], "encoding", test=plain)
    m.raw(lambda line: line[:comma(line)] + b"nul\x00" + line[comma(line):], "nul_byte", test=plain)
    m.raw(lambda line: line[:line.rindex(b",")] + b"\n", "ragged_row", test=plain)
    m.raw(lambda line: line[:-1] + b",one too many\n", "ragged_row", test=plain)
    m.raw(lambda line: b"c-short,sqs,2.1\n", "ragged_row", test=plain)
    last = len(rows) - 1
    cells = csv_cells({"externalUserId": "c-last", "connector": "airtable", "connectorVersion": "3.0",
                       "data": {"api_key": "CANARY-last"}, "_json": False})
    m.edits[last] = lambda line: (csv_line(cells[:-1], end="") + ',"never closed\n').encode()
    m.note(last, "", "unclosed_quote")

    encoded = [m.edits.get(i, bytes)(csv_row(row).encode()) for i, row in enumerate(rows)]
    write_bytes(out / "customers-with-mistakes.csv", csv_line(COLUMNS).encode(), encoded, m.issues)


def write_jsonl_mistakes(out, rows, seed):
    m = Mistakes(rows, seed + 7)
    m.common()
    wrong = "wrong_type"
    m.one(m.alone, m.put(externalUserId=""), ("externalUserId", "missing_field"))
    m.one(m.alone, m.put(externalUserId=12345), ("externalUserId", wrong))
    m.one(m.alone, m.put(userName=["CANARY"]), ("userName", wrong))
    m.one(m.spread("sqs", "2"), m.put(connectorVersion=2.1), ("connectorVersion", wrong))
    m.one(m.spread("sqs"), m.data(secret_key=["CANARY in a list"]), ("data.secret_key", wrong))
    m.one(m.spread("sftp"), m.data(port="22"), ("data.port", wrong))
    m.one(m.spread("sftp"), m.data(strict_host_key="true"), ("data.strict_host_key", wrong))
    m.one(m.spread("sftp"), m.data(folders="/in"), ("data.folders", wrong))
    m.one(m.spread("sftp"), m.data(proxy={"host": "proxy.example.com", "port": False}), ("data.proxy.port", wrong))
    m.one(m.spread("netsuite"), m.data(role=3.5), ("data.role", wrong))
    m.one(m.spread("zendesk"), m.form(ticket_limit="50"), ("formData.ticket_limit", wrong))
    m.one(m.spread("legacy-http"), m.put(data="CANARY, not an object"), ("data", wrong))
    m.one(m.alone, m.put(hidden="yes"), ("hidden", wrong))
    m.one(lambda row: "solutionId" in row, m.put(enabled=1), ("enabled", wrong))
    m.one(m.spread("acme-crm"), m.put(scopes=5), ("scopes", wrong))
    m.one(lambda row: row.get("solutionId") == DELIVERY, m.put(config=[]), ("config", wrong))
    m.one(m.alone, m.put(user_name="Somebody"), ("user_name", "unknown_field"))
    m.one(m.alone, m.put(notes={"by": "sales"}), ("notes", "unknown_field"))
    m.one(m.spread("sqs"), m.data(acces_key="CANARY-beside-the-right-one"), ("data.acces_key", "unknown_field"))
    m.one(m.spread("zendesk"), m.form(sub_domain="example"), ("formData.sub_domain", "unknown_field"))

    m.raw(lambda line: line[:-2] + b',"connector":"sqs"}\n', "duplicate_key", "connector", test=m.spread("sqs"))
    double = lambda line: line.replace(b'"data": {', b'"data": {"api_key": "CANARY-twice", ', 1)
    m.raw(double, "duplicate_key", "data.api_key", test=m.spread("airtable"))
    m.raw(lambda line: line[:len(line) // 2] + b"\n", "bad_json", test=plain_json)
    m.raw(lambda line: line[:-1] + b"}\n", "bad_json", test=plain_json)
    m.raw(lambda line: b"externalUserId,connector\n", "bad_json", test=plain_json)
    name = b'"externalUserId": "'
    m.raw(lambda line: line.replace(name, name + "Müller".encode("latin-1")), "encoding", test=plain_json)
    m.raw(lambda line: line.replace(name, name + b"\xff\xfe"), "encoding", test=plain_json)
    m.raw(lambda line: line.replace(name, name + b"\x00"), "nul_byte", test=plain_json)

    encoded = [m.edits.get(i, bytes)(jsonl_row(row).encode()) for i, row in enumerate(rows)]
    write_bytes(out / "customers-with-mistakes.jsonl", b"", encoded, m.issues)


def plain_json(row):
    return row["connector"] != "legacy-http" and jsonl_row(row).isascii() and "\\" not in jsonl_row(row)


def write_bytes(path, header, encoded, issues):
    """Writes the rows and, beside them, the expected issues with the line each row starts on."""
    starts, line = [], 1 + header.count(b"\n")
    for row in encoded:
        starts.append(line)
        line += row.count(b"\n")
    path.write_bytes(header + b"".join(encoded))
    write_expected(path, [(row, starts[row - 1], field, code) for row, field, code in issues])


def write_expected(path, issues):
    lines = ["row,line,field,code\n"] + [",".join(map(str, issue)) + "\n" for issue in sorted(issues)]
    path.with_name(path.name + ".expected.csv").write_text("".join(lines), encoding="utf-8", newline="")


# ---------------------------------------------------------------- small files


def write_small(out, seed):
    folder = out / "mistakes"
    folder.mkdir(exist_ok=True)
    maker = Maker(seed + 100)
    columns = """externalUserId userName connector connectorVersion data.region data.account_id data.access_key
        data.secret_key solutionId authExternalId""".split()

    def queue(number):
        row = maker.sqs({"externalUserId": f"c-{number}", "userName": f"Customer {number}"}, "2.1",
                        solutionId=ACCOUNT_SYNC, authExternalId="external_source_authentication")
        return {**row, **{f"data.{key}": value for key, value in row["data"].items()}}

    rows = [queue(number) for number in (1, 2, 3)]

    def table(header, change=lambda row: row):
        return csv_line(header) + "".join(csv_line([change(dict(row))[column] for column in header]) for row in rows)

    def write(name, content, issues):
        (folder / name).write_bytes(content)
        write_expected(folder / name, issues)

    write("unknown-column.csv", table(columns + ["user_name"], lambda row: {**row, "user_name": "x"}).encode(),
          [(0, 1, "user_name", "unknown_field")])
    write("duplicate-column.csv", table(columns + ["data.region"]).encode(), [(0, 1, "data.region", "duplicate_column")])
    write("utf-16.csv", table(columns).encode("utf-16-le"), [(0, 1, "", "encoding")])

    def near_miss(row):
        if row["externalUserId"] == "c-2":
            row["authExternalId"] = "External_Source_Authentication"
        return row
    write("near-miss-slot.csv", table(columns, near_miss).encode(), [])


def write_export(out, seed):
    """A customer's own export: other column names, a byte order mark and Windows line ends, as spreadsheets write them."""
    maker = Maker(seed + 200)
    header = ["Customer ID", "Company", "Account manager", "AWS region", "AWS account", "AWS key", "AWS secret", "Internal notes"]
    lines = [csv_line(header, end="\r\n")]
    for _ in range(40):
        user, company = maker.user()
        data = maker.sqs(user)["data"]
        notes = maker.rng.choice(["", "renewal in May", "calls back, \"soon\"", "VIP;\r\nask Jo first"])
        manager = maker.rng.choice(["Jo", "Sam", ""])
        lines.append(csv_line([user["externalUserId"], company, manager, data["region"], data["account_id"],
                               data["access_key"], data["secret_key"], notes], end="\r\n"))
    (out / "export.csv").write_bytes(b"\xef\xbb\xbf" + "".join(lines).encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500, help="rows of customers.csv and customers.jsonl (default 500)")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other data (default 1)")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent, help="folder to write to")
    parser.add_argument("--only-good", action="store_true", help="write customers.csv and customers.jsonl only")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    write_good(args.out, args.rows, args.seed)
    if args.only_good:
        return
    rows = list(good_rows(500, args.seed))  # the mistakes always have 500 rows
    write_csv_mistakes(args.out, copy.deepcopy(rows), args.seed)
    write_jsonl_mistakes(args.out, copy.deepcopy(rows), args.seed)
    write_small(args.out, args.seed)
    write_export(args.out, args.seed)


if __name__ == "__main__":
    main()
