#!/usr/bin/env python3
"""What serving costs and gains: msqd beside a bare gRPC server, batching beside none, and five times too much load.

Run by `scripts/bench serving`; docs/benchmarks.md says what the figures mean. --quick is a smoke run whose figures mean
nothing. Ends with 1 when a request failed that should not have.
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import urllib.request

STOP_SECONDS = 60
PAYLOADS = {"free_1kb": 1024, "free_150kb": 150528}
CONCURRENCIES = [1, 8, 32]
OVERLOAD = 5


class Failure(Exception):
    pass


class Server:
    """A program that prints "ready grpc=HOST:PORT ..." and ends when it is told to."""

    def __init__(self, command):
        self.log = tempfile.TemporaryFile("w+")  # a pipe that nobody reads would stop the server
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        self.addresses = dict(re.findall(r"(\w+)=(\S+)", line))
        if not line.startswith("ready "):
            self.process.kill()
            self.process.wait()
            self.log.seek(0)
            raise Failure(f"{command[0]} did not start: {line}{self.log.read()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def memory_mb(self, key):
        """VmRSS now or VmHWM at most, in MiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{key}:\s+(\d+) kB", status).group(1)) / 1024


class Daemon(Server):
    def __init__(self, bench, *options):
        super().__init__([bench.build / "bin" / "msqd", "--model-repository", bench.folder / "repository",
                          "--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0",
                          "--metrics-address", "127.0.0.1:0", *options])

    def phase(self, model, phase):
        """Requests, and the seconds that they spent in a phase, since the start."""
        with urllib.request.urlopen(f"http://{self.addresses['metrics']}/metrics", timeout=10) as page:
            text = page.read().decode()
        totals = {"count": 0.0, "sum": 0.0}
        for kind, labels, value in re.findall(r"^msq_request_duration_seconds_(count|sum)\{(.*)\} (\S+)$", text, re.M):
            if f'model="{model}"' in labels and f'phase="{phase}"' in labels:
                totals[kind] += float(value)
        return totals["count"], totals["sum"]

    def mean_us(self, model, phase, before):
        count, total = (now - then for now, then in zip(self.phase(model, phase), before))
        return total / count * 1e6 if count else 0.0


class Bench:
    def __init__(self, build, folder, quick):
        self.build, self.folder, self.quick = build, folder, quick
        self.rounds = 1 if quick else 6
        self.duration = 0.2 if quick else 2.0
        self.program("serving-fixture", folder)

    def program(self, name, *arguments):
        done = subprocess.run([str(self.build / "tests" / name), *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"{name}: {done.stderr}")
        return done.stdout

    def load(self, server, model, *options, duration=None):
        """One run of the load generator; its report."""
        duration = duration or self.duration
        text = self.program("load_client", "--target", server.addresses["grpc"],
                            "--request", self.folder / f"{model}.request", "--server-pid", server.process.pid,
                            "--duration", duration, "--warmup", duration / 5, *options)
        return json.loads(text)

    def closed_loop(self, server, model, concurrency, *options, duration=None):
        """The same where every answer must be the right one."""
        report = self.load(server, model, "--concurrency", concurrency, *options, duration=duration)
        if report["wrong"] or set(report["answers"]) != {"OK"}:
            raise Failure(f"{model}: answers {report['answers']}, {report['wrong']} of them wrong; "
                          f"{report['first_error']}")
        return report


def median(reports, *keys):
    values = []
    for report in reports:
        for key in keys:
            report = report[key]
        values.append(report)
    return statistics.median(values)


def overhead_row(bench, echo, daemon, model, concurrency):
    """Echo and msqd in turn, A B B A: what drifts on the machine meets both alike."""
    answer = bench.folder / f"{model}.answer"
    before = daemon.phase(model, "compute")
    runs = {echo: [], daemon: []}
    for i in range(bench.rounds):
        for server in ([echo, daemon] if i % 2 == 0 else [daemon, echo]):
            runs[server].append(bench.closed_loop(server, model, concurrency, "--expect", answer))
    ratios = [ours["ok_per_s"] / base["ok_per_s"] for base, ours in zip(runs[echo], runs[daemon])]
    added = [ours["ok"]["p50_us"] - base["ok"]["p50_us"] for base, ours in zip(runs[echo], runs[daemon])]
    return {"payload_bytes": PAYLOADS[model], "concurrency": concurrency,
            "echo_rps": median(runs[echo], "ok_per_s"), "msqd_rps": median(runs[daemon], "ok_per_s"),
            "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
            "echo_p50_us": median(runs[echo], "ok", "p50_us"), "added_p50_us": statistics.median(added),
            "echo_p99_us": median(runs[echo], "ok", "p99_us"), "msqd_p99_us": median(runs[daemon], "ok", "p99_us"),
            "echo_cpu_us": median(runs[echo], "server_cpu_us"), "msqd_cpu_us": median(runs[daemon], "server_cpu_us"),
            "compute_us": daemon.mean_us(model, "compute", before)}


def measure_overhead(bench):
    print("payload_bytes  conc  echo req/s  msqd req/s  ratio (min..max)      added p50 us  cpu us echo/msqd  "
          "of it compute us")
    rows = []
    with Daemon(bench) as daemon:
        for model in PAYLOADS:
            answer = bench.folder / f"{model}.answer"
            bench.closed_loop(daemon, model, 1, "--save", answer)
            with Server([bench.build / "tests" / "echo_server", answer]) as echo:
                for concurrency in CONCURRENCIES:
                    row = overhead_row(bench, echo, daemon, model, concurrency)
                    rows.append(row)
                    print("{payload_bytes:13d} {concurrency:5d} {echo_rps:11.0f} {msqd_rps:11.0f}  {ratio:5.3f} "
                          "({ratio_min:5.3f}..{ratio_max:5.3f}) {added_p50_us:13.0f} {echo_cpu_us:9.1f}/"
                          "{msqd_cpu_us:<7.1f} {compute_us:17.1f}".format(**row), flush=True)
    return rows


def batching_rows(bench, daemon, threads, instances, concurrency):
    """Without and with batching, in turn."""
    runs = {False: [], True: []}
    for i in range(bench.rounds):
        for batching in ((False, True) if i % 2 == 0 else (True, False)):
            model = f"small_{'batched' if batching else 'unbatched'}_x{instances}"
            runs[batching].append(bench.closed_loop(daemon, model, concurrency, duration=bench.duration / 2))
    return [{"batching": batching, "threads": threads, "instances": instances, "concurrency": concurrency,
             "images_per_s": median(reports, "ok_per_s"), "p50_us": median(reports, "ok", "p50_us"),
             "p99_us": median(reports, "ok", "p99_us")} for batching, reports in runs.items()]


def measure_batching(bench):
    """Images per second of one small network, by threads of an inference, instances and concurrency."""
    print("\nsmall network  threads  instances  conc  images/s  p50 us  p99 us")
    rows = []
    for threads in sorted({1, os.cpu_count()}):
        with Daemon(bench, "--threads", threads) as daemon:
            for instances in (1, 2):
                for concurrency in CONCURRENCIES[1:] if bench.quick else CONCURRENCIES:
                    new = batching_rows(bench, daemon, threads, instances, concurrency)
                    rows += new
                    for row in new:
                        name = "batched" if row["batching"] else "unbatched"
                        print(f"{name:13} {threads:8d} {instances:10d} {concurrency:5d} {row['images_per_s']:9.0f} "
                              f"{row['p50_us']:7.0f} {row['p99_us']:7.0f}", flush=True)
    best = {kind: max(row["images_per_s"] for row in rows if row["batching"] == kind) for kind in (False, True)}
    print(f"best batched {best[True]:.0f}, best unbatched {best[False]:.0f} images/s: {best[True] / best[False]:.3f}")
    return {"rows": rows, "best_batched_per_s": best[True], "best_unbatched_per_s": best[False],
            "ratio": best[True] / best[False]}


@contextlib.contextmanager
def running_on(cpus):
    """Programs started meanwhile run there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure_overload(bench):
    """The most that closed loops get out of the daemon, then five times that, offered whether or not it answers.

    The load generator has a processor that computes nothing. First the daemon does all on the other ones, then its front
    may use that processor too: what taking in and refusing requests costs is or is not taken from computing.
    """
    *compute_cpus, client_cpu = sorted(os.sched_getaffinity(0))
    if not compute_cpus:
        raise Failure("overload: needs two processors")
    sections = []
    # A smoke run is over before the large network has answered.
    for model in ["heavy"] if bench.quick else ["heavy", "large"]:
        for front_cpus in [], [client_cpu]:
            with running_on({*compute_cpus, *front_cpus}):
                daemon = Daemon(bench, "--threads", len(compute_cpus), "--workers", len(compute_cpus))
            with running_on({client_cpu}), daemon:
                front = "on a processor of its own" if front_cpus else "where it computes"
                sections.append({"front": front} | overload(bench, daemon, model, front))
    return sections


def overload(bench, daemon, model, front):
    rates, reports = {16: [], 32: []}, []
    before = daemon.phase(model, "compute")
    for _ in range(1 if bench.quick else 3):
        for concurrency, measured in rates.items():
            measured.append(bench.closed_loop(daemon, model, concurrency, duration=bench.duration * 3)["ok_per_s"])
        offered = OVERLOAD * max(measured[0] for measured in rates.values())
        reports.append(bench.load(daemon, model, "--rate", offered, duration=bench.duration * 6))
    compute_us = daemon.mean_us(model, "compute", before)
    memory = daemon.memory_mb("VmHWM")
    answers = collections.Counter()
    for report in reports:
        answers.update(report["answers"])
        if report["wrong"] or not set(answers) <= {"OK", "UNAVAILABLE", "RESOURCE_EXHAUSTED"}:
            raise Failure(f"overload: answers {report['answers']}; {report['first_error']}")
    peaks = max(rates.values(), key=statistics.median)
    peak, goodput = statistics.median(peaks), median(reports, "ok_per_s")
    section = {"network": model, "compute_us": compute_us, "peak_per_s": peak, "offered_per_s": offered,
               "goodput_per_s": goodput, "goodput_ratio": goodput / peak, "answers": answers, "memory_max_mb": memory,
               "served_p50_us": median(reports, "ok", "p50_us"), "served_p99_us": median(reports, "ok", "p99_us"),
               "refused_p50_us": median(reports, "refused", "p50_us")}
    goodputs = [report["ok_per_s"] for report in reports]
    print(f"\noverload of '{model}', front {front}: peak {peak:.1f}/s ({min(peaks):.1f}..{max(peaks):.1f}), "
          f"offered {offered:.0f}/s: goodput {goodput:.1f}/s ({min(goodputs):.1f}..{max(goodputs):.1f}) = "
          f"{section['goodput_ratio']:.3f} of peak")
    print(f"  answers {dict(answers)}; served p50/p99 {section['served_p50_us']:.0f}/{section['served_p99_us']:.0f} us, "
          f"refused p50 {section['refused_p50_us']:.0f} us; memory {memory:.0f} MiB at most")
    return section


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True, help="build folder: bin/ and tests/ in it")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures there")
    parser.add_argument("--quick", action="store_true", help="a smoke run of seconds")
    parser.add_argument("--part", choices=["overhead", "batching", "overload"], action="append", help="only this part")
    options = parser.parse_args()
    parts = options.part or ["overhead", "batching", "overload"]
    result = {"machine": {"cpus": os.cpu_count(), "load_before": os.getloadavg()[0]}, "rows": []}
    try:
        with tempfile.TemporaryDirectory(prefix="msq_serving_") as folder:
            bench = Bench(options.build, pathlib.Path(folder), options.quick)
            if "overhead" in parts:
                result["rows"] = measure_overhead(bench)
            if "batching" in parts:
                result["batching"] = measure_batching(bench)
            if "overload" in parts:
                result["overload"] = measure_overload(bench)
    except Failure as failure:
        print(f"serving: {failure}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
