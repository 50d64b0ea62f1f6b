#!/usr/bin/python3
"""What a balancer costs: msqd alone, behind HAProxy and behind nginx, configured as deploy/ has them.

Run by `scripts/bench balancers`. Closed loops over eight connections, in turn (direct, HAProxy, nginx) and several
rounds, with a nearly free network, so that what is measured is moving requests. Everything shares this machine's
processors: requests a second are no capacity of a balancer of its own; its processor time for a request is what
scaling.md computes with.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "serving"))
import serving  # noqa: E402

NODES = ("127.0.0.1:8101", "127.0.0.1:8102", "127.0.0.1:8103")
FRONTS = {"haproxy": "127.0.0.1:18001", "nginx": "127.0.0.1:18002"}
CONNECTIONS, CONCURRENCY = 8, 16
SKIPPED = 77
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def processes(parent):
    """A process and its children."""
    listed = subprocess.run(["ps", "--ppid", str(parent), "-o", "pid="], capture_output=True, text=True)
    return [parent, *map(int, listed.stdout.split())]


def processor_seconds(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_SECOND


def start(name, folder, node):
    """A balancer in front of one node."""
    text = (DEPLOY / name / {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}[name]).read_text()
    text = text.replace("127.0.0.1:8001", FRONTS[name]).replace(NODES[0], node)
    text = re.sub(rf"(?m)^.*({NODES[1]}|{NODES[2]}).*\n", "", text)
    config = folder / f"{name}.conf"
    if name == "haproxy":
        config.write_text(text)
        return subprocess.Popen(["haproxy", "-q", "-f", config], stderr=subprocess.DEVNULL)
    user = "user root;\n" if os.geteuid() == 0 else ""
    config.write_text(f"{user}daemon off;\npid {folder}/nginx.pid;\n{text}".replace(
        "http {\n", f"http {{\n  client_body_temp_path {folder}/body;\n", 1))
    return subprocess.Popen(["nginx", "-c", config], stderr=subprocess.DEVNULL)


def load(bench, target, model, duration):
    report = json.loads(subprocess.run(
        [bench.build / "tests" / "load_client", "--target", target, "--request", bench.folder / f"{model}.request",
         "--channels", str(CONNECTIONS), "--concurrency", str(CONCURRENCY), "--warmup", "0", "--duration", str(duration)],
        check=True, capture_output=True, text=True).stdout)
    if set(report["answers"]) != {"OK"}:
        raise serving.Failure(f"{target}: {report['answers']} {report['first_error']}")
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=2)
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for program in FRONTS:
        if shutil.which(program) is None:
            print(f"SKIPPED: there is no {program} here; scripts/bootstrap deploy installs it", file=sys.stderr)
            return SKIPPED
    rows = []
    with tempfile.TemporaryDirectory(prefix="msq_balancers_") as folder:
        bench = serving.Bench(options.build, pathlib.Path(folder), False)
        with serving.Daemon(bench) as daemon:
            node = daemon.addresses["grpc"]
            running = {name: start(name, bench.folder, node) for name in FRONTS}
            try:
                time.sleep(3)
                print("payload_bytes  through   req/s    p50 us  its processor time, us a request")
                for model, size in serving.PAYLOADS.items():
                    runs = {name: [] for name in ("direct", *FRONTS)}
                    for _ in range(options.rounds):
                        for name in runs:
                            pids = processes(running[name].pid) if name in running else []
                            before = processor_seconds(pids)
                            report = load(bench, FRONTS.get(name, node), model, options.duration)
                            spent = processor_seconds(pids) - before
                            runs[name].append((report["ok_per_s"], report["ok"]["p50_us"],
                                               1e6 * spent / (report["ok_per_s"] * report["seconds"])))
                    for name, figures in runs.items():
                        rate, half, spent = (statistics.median(column) for column in zip(*figures))
                        rows.append({"payload_bytes": size, "through": name, "requests_per_s": rate, "p50_us": half,
                                     "balancer_cpu_us": spent})
                        print(f"{size:13d}  {name:8} {rate:7.0f}  {half:8.0f}  {spent:8.1f}", flush=True)
            finally:
                for process in running.values():
                    process.terminate()
                    process.wait()
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except serving.Failure as failure:
        sys.exit(f"balancer_bench: {failure}")
