#!/usr/bin/env python3
"""Measures tray-import beside what a user would pick instead, in one run, and prints ratios.

    cargo build --release && cargo build --release --examples
    python3 benches/compare.py --data DIR                     everything; makes the files in DIR first
    python3 benches/compare.py --data DIR --only validate,small --runs 3
    python3 benches/compare.py --data DIR --only memory       5,000,000 rows, some minutes

Every figure is the median of --runs runs (5), the contenders alternating in an order that rotates; absolute
times mean little between machines, ratios do. DIR should be on a disk: the journal is synced there.

Peers are taken from PATH (qsv or qsvlite, oha, wrk, node), from NODE_PATH (ajv, undici) and from the Python
named by --python or $PYTHON (jsonschema-rs, orjson, aiohttp). What is missing is named and left out. Nothing
needs to be installed for this script itself but Python 3.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PEERS = HERE / "peers"
SECTIONS = ["validate", "jsonl", "small", "import", "resume", "memory"]
CONNECTIONS = 64


class Run:
    """One run of a process: seconds, processor seconds, MiB at its peak, and what it printed."""

    def __init__(self, argv, env, cwd, good):
        with open(cwd / "stdout", "w+b") as out, open(cwd / "stderr", "w+b") as err:
            start = time.perf_counter()
            child = subprocess.Popen([str(a) for a in argv], env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            _, status, usage = os.wait4(child.pid, 0)
            self.seconds = time.perf_counter() - start
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            self.output = out.read().decode(errors="replace")
            if child.returncode not in good:
                message = err.read().decode(errors="replace")[-2000:] + self.output[-500:]
                sys.exit(f"{argv[0]} ended with {child.returncode}:\n{message}")
        self.processor = usage.ru_utime + usage.ru_stime
        self.mib = usage.ru_maxrss / 1024


class Contender:
    """A command; `units(output, seconds)` says how much work it did, where that is not a constant."""

    def __init__(self, name, argv, units, good=(0,), env=None, before=None):
        self.name, self.argv, self.units, self.good = name, argv, units, good
        self.env = dict(os.environ, **(env or {}))
        self.before = before
        self.runs = []

    def run(self, cwd):
        if self.before:
            self.before()
        done = Run(self.argv, self.env, cwd, self.good)
        done.units = self.units(done.output, done.seconds) if callable(self.units) else self.units
        self.runs.append(done)

    def median(self, of):
        return statistics.median(of(run) for run in self.runs)

    @property
    def rate(self):
        return self.median(lambda run: run.units / run.seconds)

    @property
    def seconds(self):
        return self.median(lambda run: run.seconds)


class Comparison:
    def __init__(self, args):
        self.args = args
        self.data = args.data.resolve()
        self.scratch = self.data / "scratch"
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.qsv = shutil.which("qsv") or shutil.which("qsvlite")
        self.node = shutil.which("node")
        self.missing = {}
        self.verdicts = []

    # ------------------------------------------------------------ what there is

    def has(self, peer, how):
        """Whether a peer is installed; says so once if not."""
        if not how:
            self.missing[peer] = True
        return bool(how)

    def has_qsv(self):
        return self.has("qsv", self.qsv)

    def has_node(self, module):
        if not self.node:
            return self.has("node", None)
        script = f"require('module').createRequire('{PEERS}/x.mjs').resolve('{module}')"
        found = subprocess.run([self.node, "-e", script], capture_output=True, check=False)
        return self.has(f"node with {module} (NODE_PATH)", found.returncode == 0)

    def has_python(self, *modules):
        script = "; ".join(f"import {module}" for module in modules)
        try:
            found = subprocess.run([self.args.python, "-c", script], capture_output=True, check=False).returncode == 0
        except OSError:
            found = False
        return self.has(f"python with {', '.join(modules)} ($PYTHON)", found)

    def files(self, name, rows, bad, *more):
        """A directory of generated files, made once."""
        where = self.data / f"{name}-{rows}"
        if not (where / "made").exists():
            print(f"making {where.name} …", flush=True)
            command = [sys.executable, HERE / "generate.py", "--out", where, "--rows", str(rows), "--bad", str(bad)]
            subprocess.run([*command, *more], check=True)
            (where / "made").touch()
        for path in where.glob("rows.*"):
            with open(path, "rb", buffering=0) as file:
                while file.read(1 << 24):
                    pass
        return where

    # ------------------------------------------------------------ measuring

    def race(self, title, unit, contenders, runs=None):
        print(f"\n{title}", flush=True)
        for turn in range(runs or self.args.runs):
            shift = turn % len(contenders)
            for contender in contenders[shift:] + contenders[:shift]:
                contender.run(self.scratch)
        width = max(len(c.name) for c in contenders)
        for contender in contenders:
            processor, mib = contender.median(lambda r: r.processor), contender.median(lambda r: r.mib)
            rate = f"{contender.rate:>12,.0f} {unit}/s" if unit else ""
            print(f"  {contender.name:<{width}} {contender.seconds:>9.3f} s {rate} "
                  f"{processor:>8.2f} s of processor {mib:>7.0f} MiB", flush=True)

    def ratio(self, what, ratio, least=None, most=None):
        good = (least is None or ratio >= least) and (most is None or ratio <= most)
        goal = f"at least {least}" if most is None else f"at most {most}"
        print(f"  {'ok  ' if good else 'MISS'} {what}: {ratio:.2f} ({goal})", flush=True)
        self.verdicts.append((good, what, ratio, goal))

    def tool(self, *argv):
        return [self.args.tool, *argv]

    def ours(self, name, file, catalog, rows, *more):
        argv = self.tool("validate", file, "--catalog", catalog, "--report", self.scratch / "report.csv", "-q", *more)
        return Contender(name, argv, rows, good=(0, 3))

    def qsv_validate(self, where, rows):
        def clean():
            for path in where.glob("rows.csv.*"):
                path.unlink()
        argv = [self.qsv, "validate", where / "rows.csv", where / "csv.schema.json"]
        return Contender("qsv validate", argv, rows, good=(0, 1), before=clean), clean

    # ------------------------------------------------------------ the sections

    def validate(self):
        rows, all_valid = self.args.rows, None
        for bad in [0, 2, 100]:
            where = self.files(f"bad-{bad}", rows, bad, *([] if bad == 2 else ["--csv-only"]))
            ours = self.ours("tray-import validate", where / "rows.csv", where / "catalog", rows)
            contenders = [ours]
            aside = ["--valid", self.scratch / "valid.csv", "--invalid", self.scratch / "invalid.csv"]
            if bad:
                split = self.ours("the same, rows set aside", where / "rows.csv", where / "catalog", rows, *aside)
                contenders.append(split)
            qsv, clean = None, lambda: None
            if self.has_qsv():
                qsv, clean = self.qsv_validate(where, rows)
                contenders.append(qsv)
            count = None
            if bad == 2:
                if self.has_python("jsonschema_rs"):
                    peer = [self.args.python, PEERS / "validate_csv.py", where / "rows.csv", where / "csv.schema.json"]
                    contenders.append(Contender("python, csv + jsonschema-rs", peer, rows))
                if self.qsv:
                    count = Contender("qsv count (parsing alone)", [self.qsv, "count", where / "rows.csv"], rows)
                    contenders.append(count)
            self.race(f"validate, CSV, {rows:,} rows, {bad}% bad", "rows", contenders)
            clean()
            if bad == 0:
                all_valid = ours
            if bad < 100 and qsv:
                self.ratio(f"rows/s over qsv validate, {bad}% bad", ours.rate / qsv.rate, least=6)
            if bad == 100:
                self.ratio("rows/s over our own on good rows, 100% bad", ours.rate / all_valid.rate, least=0.5)
            if count:
                self.ratio("rows/s over qsv count", ours.rate / count.rate, least=0.4)
            if bad == 2:
                self.ratio("MiB at the peak", ours.median(lambda r: r.mib), most=96)
                self.alone(ours, where)
                peers = [c for c in contenders if c.name.startswith("python")]
                self.agree(where, peers)

    def alone(self, _ours, where):
        """One core: what the pipeline costs without the help of the second."""
        if not shutil.which("taskset"):
            return
        argv = ["taskset", "-c", "0", *self.tool("validate", where / "rows.csv", "--catalog", where / "catalog", "-q")]
        one = Contender("tray-import validate, one core", argv, self.args.rows, good=(0, 3))
        self.race("for comparison: one core, no report", "rows", [one])

    def agree(self, where, peers):
        """The verdicts must be the same, or the race means nothing."""
        argv = self.tool("validate", where / "rows.csv", "--catalog", where / "catalog", "--json", "-q")
        ours = json.loads(Run(argv, os.environ, self.scratch, (0, 3)).output)["rows"]["invalid"]
        for peer in peers:
            theirs = json.loads(peer.runs[-1].output)["invalid"]
            if ours != theirs:
                sys.exit(f"{peer.name} finds {theirs} invalid rows, tray-import {ours}")
        print(f"  {ours:,} invalid rows, by everyone's count")

    def jsonl(self):
        rows = self.args.rows
        where = self.files("bad-2", rows, 2)
        ours = self.ours("tray-import validate", where / "rows.jsonl", where / "catalog", rows)
        contenders = [ours]
        if self.has_node("ajv"):
            argv = [self.node, PEERS / "validate_jsonl.mjs", where / "rows.jsonl", where / "jsonl.schema.json"]
            contenders.append(Contender("node, ajv as a stream", argv, rows))
        if self.has_python("orjson", "jsonschema_rs"):
            argv = [self.args.python, PEERS / "validate_jsonl.py", where / "rows.jsonl", where / "jsonl.schema.json"]
            contenders.append(Contender("python, orjson + jsonschema-rs", argv, rows))
        self.race(f"validate, JSON Lines, {rows:,} rows, 2% bad", "rows", contenders)
        self.agree(where, contenders[1:])
        if contenders[1:]:
            best = max(contenders[1:], key=lambda peer: peer.rate)
            self.ratio(f"rows/s over {best.name}", ours.rate / best.rate, least=4)

    def small(self):
        rows = 1000
        where = self.files("small", rows, 2, "--csv-only")
        ours = self.ours("tray-import validate", where / "rows.csv", where / "catalog", rows)
        contenders, clean = [ours], lambda: None
        if self.has_qsv():
            peer, clean = self.qsv_validate(where, rows)
            contenders.append(peer)
        self.race("validate, CSV, 1,000 rows, start to exit", "", contenders, runs=self.args.runs * 4)
        clean()
        if contenders[1:]:
            self.ratio("seconds over qsv validate", ours.seconds / contenders[1].seconds, most=1)

    @contextlib.contextmanager
    def server(self, where):
        argv = [self.args.server, "--solutions", where / "solutions.json", "--threads", self.args.server_threads]
        with subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, text=True) as child:
            try:
                yield child.stdout.readline().strip()
            finally:
                child.terminate()

    def importing(self, url, where, results, *more):
        return self.tool(
            "import", where / "rows.jsonl", "--catalog", where / "catalog", "--results", results, "--endpoint", url,
            "--rate", "unlimited", "--concurrency", CONNECTIONS, "--enable-delay", "0s", "--json", "-q", *more)

    def run_import(self):
        rows = self.args.import_rows
        where = self.files("import", rows, 0)
        results = self.scratch / "results.jsonl"
        body = self.scratch / "body.json"
        query = "mutation($input: CreateExternalUserInput!) { createExternalUser(input: $input) { userId } }"
        variables = {"input": {"name": "Alder Analytics 7", "externalUserId": "c-00000007"}}
        body.write_text(json.dumps({"query": query, "variables": variables}, separators=(",", ":")))
        token = {"TRAY_MASTER_TOKEN": "a-master-token-of-nobody"}
        seconds = f"{self.args.load_seconds}s"
        with self.server(where) as url:
            calls = lambda output, _: sum(json.loads(output)["calls"].values())
            ours = Contender("tray-import import", self.importing(url, where, results), calls, env=token,
                             before=lambda: results.unlink(missing_ok=True))
            contenders = [ours]
            oha = undici = None
            if self.has("oha", shutil.which("oha")):
                argv = ["oha", "-z", seconds, "-c", str(CONNECTIONS), "-m", "POST", "-D", body, "-T", "application/json",
                        "-H", "Authorization: Bearer master", "--no-tui", "--output-format", "json", url]
                counted = lambda output, seconds: json.loads(output)["summary"]["requestsPerSec"] * seconds
                contenders.append(oha := Contender(f"oha, {CONNECTIONS} connections", argv, counted))
            if self.has("wrk", shutil.which("wrk")):
                argv = ["wrk", "-t", "2", "-c", str(CONNECTIONS), "-d", seconds, "-s", PEERS / "post.lua", url]
                counted = lambda output, seconds: float(re.search(r"Requests/sec:\s*([\d.]+)", output)[1]) * seconds
                contenders.append(Contender(f"wrk, {CONNECTIONS} connections", argv, counted, env={"BODY": str(body)}))
            if self.has_node("undici"):
                argv = [self.node, PEERS / "import_undici.mjs", url, where / "rows.jsonl", rows]
                undici = Contender("node, undici pool", argv, lambda output, _: json.loads(output)["calls"])
                contenders.append(undici)
            if self.has_python("aiohttp"):
                argv = [self.args.python, PEERS / "import_aiohttp.py", url, where / "rows.jsonl", rows // 6]
                contenders.append(Contender("python, aiohttp", argv, lambda output, _: json.loads(output)["calls"]))
            self.race(f"import --rate unlimited, {rows:,} rows, fixed answers, journal synced", "calls", contenders)
            done = json.loads(ours.runs[-1].output)["rows"]["done"]
            if done != rows:
                sys.exit(f"{done} rows done of {rows}")
            if oha:
                self.ratio("calls/s over oha (aim: 0.5)", ours.rate / oha.rate, least=0.33)
            if undici:
                self.ratio("calls/s over the undici script", ours.rate / undici.rate, least=1)

    def resume(self):
        rows = self.args.rows
        where = self.files("bad-0", rows, 0, "--csv-only")
        results = where / "finished.jsonl"
        url = "http://127.0.0.1:1/graphql"
        if not results.exists():
            print("making a finished batch …", flush=True)
            made = where / "unfinished.jsonl"
            made.unlink(missing_ok=True)
            argv = [self.args.finished, where / "rows.csv", made, "--catalog", where / "catalog", "--endpoint", url]
            subprocess.run([str(a) for a in argv], check=True)
            made.rename(results)
        with open(results, "rb", buffering=0) as file:
            while file.read(1 << 24):
                pass
        argv = self.tool("import", where / "rows.csv", "--catalog", where / "catalog", "--results", results,
                         "--endpoint", url, "-q", "--json")
        ours = Contender("tray-import import", argv, rows, env={"TRAY_MASTER_TOKEN": "a-master-token-of-nobody"})
        contenders = [ours]
        floor = None
        if self.has_qsv():
            script = 'cat "$1" > /dev/null && "$3" count "$2"'
            argv = ["sh", "-c", script, "sh", results, where / "rows.csv", self.qsv]
            floor = Contender("cat results, qsv count rows", argv, rows)
            contenders.append(floor)
        size = results.stat().st_size / 1e6
        self.race(f"resume of a finished batch, {rows:,} rows, results of {size:,.0f} MB", "rows", contenders)
        done = json.loads(ours.runs[-1].output)["rows"]["done"]
        if done != rows:
            sys.exit(f"{done} rows done of {rows}")
        if floor:
            self.ratio("seconds over cat and qsv count", ours.seconds / floor.seconds, most=3)

    def memory(self):
        """Resident memory of an import of many rows, sampled from its start into its second pass."""
        rows = self.args.memory_rows
        where = self.files("memory", rows, 0, "--csv-only")
        results = self.scratch / "results.jsonl"
        results.unlink(missing_ok=True)
        with self.server(where) as url:
            argv = self.importing(url, where, results)
            argv[argv.index(where / "rows.jsonl")] = where / "rows.csv"
            env = dict(os.environ, TRAY_MASTER_TOKEN="a-master-token-of-nobody")
            print(f"\nmemory of import, {rows:,} rows", flush=True)
            start = time.monotonic()
            child = subprocess.Popen([str(a) for a in argv], env=env, stdout=subprocess.DEVNULL)
            first, sampled = None, []
            while child.poll() is None:
                elapsed = time.monotonic() - start
                written = results.stat().st_size if results.exists() else 0
                if first is None and written > 1000:
                    first = elapsed
                if first is not None and elapsed - first > self.args.memory_seconds:
                    break
                status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
                now, peak = (int(re.search(name + r":\s*(\d+)", status)[1]) / 1024 for name in ["VmRSS", "VmHWM"])
                sampled.append((elapsed, now, peak, written))
                time.sleep(0.25)
            child.send_signal(signal.SIGINT)
            child.wait()
        step = max(len(sampled) // 12, 1)
        for elapsed, now, peak, written in sampled[::step] + sampled[-1:]:
            phase = "second pass" if first is not None and elapsed >= first else "first pass"
            print(f"  {elapsed:>7.1f} s  {now:>6.0f} MiB (peak {peak:>6.0f})  {written / 1e6:>8.1f} MB of results  {phase}")
        self.ratio("MiB at the peak", sampled[-1][2], most=400)
        after = [now for elapsed, now, *_ in sampled if first is not None and elapsed > first + 5]
        if len(after) > 8:
            quarter = len(after) // 4
            growth = statistics.median(after[-quarter:]) - statistics.median(after[:quarter])
            self.ratio("MiB more at the end of the second pass's sample than at its beginning", growth, most=16)

    def main(self):
        for section in self.args.only:
            getattr(self, {"import": "run_import"}.get(section, section))()
        if self.missing:
            print(f"\nnot installed, left out: {', '.join(self.missing)}")
        missed = [what for good, what, *_ in self.verdicts if not good]
        print(f"\n{len(self.verdicts) - len(missed)} of {len(self.verdicts)} reached" +
              (f"; missed: {'; '.join(missed)}" if missed else ""))
        return 1 if missed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")) / "release"
    sections = lambda text: [name for name in text.split(",") if name in SECTIONS or parser.error(f"no section {name}")]
    parser.add_argument("--data", type=pathlib.Path, required=True, help="where the files are made and kept")
    parser.add_argument("--only", type=sections, default=SECTIONS[:-1],
                        help=f"of {','.join(SECTIONS)}; memory only when named")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--import-rows", type=int, default=40_000)
    parser.add_argument("--load-seconds", type=int, default=5, help="how long oha and wrk run")
    parser.add_argument("--memory-rows", type=int, default=5_000_000)
    parser.add_argument("--memory-seconds", type=int, default=60, help="of the second pass")
    parser.add_argument("--tool", type=pathlib.Path, default=target / "tray-import")
    parser.add_argument("--server", type=pathlib.Path, default=target / "examples" / "fixed-server")
    parser.add_argument("--server-threads", type=int, default=1)
    parser.add_argument("--finished", type=pathlib.Path, default=target / "examples" / "finished-results")
    parser.add_argument("--python", default=os.environ.get("PYTHON", sys.executable))
    args = parser.parse_args()
    for needed in [args.tool, args.server, args.finished]:
        if not needed.exists():
            parser.error(f"{needed} is missing; cargo build --release && cargo build --release --examples")
    sys.exit(Comparison(args).main())


if __name__ == "__main__":
    main()
