#!/usr/bin/python3
"""Checks Grafana dashboards: that they are whole, and, given a Prometheus, that every panel's query returns data.

    check_dashboards.py [FILE...]                               structure only; without files those in dashboards/
    check_dashboards.py --prometheus http://localhost:9090      also asks each query
        [--rate-interval 1m] [--range 1h] [--wait SECONDS]      what stands for Grafana's variables; how long to try

Prints "file: panel 'title': what is wrong" a line and ends with status 1 if there is any.
"""
import argparse
import contextlib
import json
import math
import pathlib
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

DATA_SOURCE = "msq-prometheus"
GRID_COLUMNS = 24
BUILT_IN = {"__rate_interval", "__interval", "__range"}
VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def parse(text, file):
    """(dashboard, problems) of a file's text."""
    try:
        dashboard = json.loads(text)
    except json.JSONDecodeError as error:
        return None, [f"{file}: is not JSON: line {error.lineno}: {error.msg}"]
    if not isinstance(dashboard, dict):
        return None, [f"{file}: is not a dashboard: a JSON object is expected"]
    return dashboard, [f"{file}: {problem}" for problem in structure(dashboard)]


def typed(part, key, kind):
    """part[key] where it is of that kind, else an empty one: half-written files have anything anywhere."""
    value = part.get(key) if isinstance(part, dict) else None
    return value if isinstance(value, kind) and not isinstance(value, bool) else kind()


def objects(part, key):
    """The objects of a list."""
    return [each for each in typed(part, key, list) if isinstance(each, dict)]


def name_of(panel):
    return f"panel '{panel.get('title') or panel.get('id')}'"


def all_panels(dashboard):
    """Panels, and those within collapsed rows; not rows themselves."""
    for panel in objects(dashboard, "panels"):
        yield from objects(panel, "panels") if panel.get("type") == "row" else [panel]


def structure(dashboard):
    """What is wrong with a dashboard as such."""
    for key, kind in (("uid", str), ("title", str), ("schemaVersion", int), ("panels", list)):
        if not typed(dashboard, key, kind):
            yield f"'{key}' is missing or empty"
    yield from list_problems(dashboard, "panels")
    defined = set(BUILT_IN)
    for variable in objects(typed(dashboard, "templating", dict), "list"):
        name = f"variable '{variable.get('name')}'"
        defined.add(typed(variable, "name", str))
        yield from source_problems(name, variable)
        if not (typed(variable, "query", str) or typed(typed(variable, "query", dict), "query", str)):
            yield f"{name}: has no query"
    taken = set()
    for panel in objects(dashboard, "panels"):
        yield from (f"{name_of(panel)}: {problem}" for problem in list_problems(panel, "panels"))
    for panel in all_panels(dashboard):
        name = name_of(panel)
        number = typed(panel, "id", int)
        if number == 0 or number in taken:
            yield f"{name}: id {panel.get('id')} is no number or is taken"
        taken.add(number)
        for key in ("title", "type", "description"):
            if not typed(panel, key, str):
                yield f"{name}: '{key}' is missing or empty"
        yield from source_problems(name, panel)
        yield from (f"{name}: {problem}" for problem in target_problems(panel, defined))
    yield from layout_problems(objects(dashboard, "panels"))


def list_problems(part, key):
    """Where a list of objects is something else, or has something else in it."""
    if key in part and not isinstance(part[key], list):
        yield f"'{key}' is no list"
    for each in typed(part, key, list):
        if not isinstance(each, dict):
            yield f"'{key}' has {each!r}, an object is expected"


def source_problems(name, part):
    source = part.get("datasource")
    uid = source.get("uid") if isinstance(source, dict) else source  # Grafana writes either
    if uid != DATA_SOURCE:
        yield f"{name}: data source is {uid!r}, not the provisioned {DATA_SOURCE!r}"


def target_problems(panel, defined):
    targets = objects(panel, "targets")
    yield from list_problems(panel, "targets")
    if not targets:
        yield "has no targets"
    letters = [typed(target, "refId", str) for target in targets]
    if len(set(letters)) != len(letters) or "" in letters:
        yield f"refIds {letters} are not unique, or missing"
    for target in targets:
        name = f"target {target.get('refId')}"
        yield from source_problems(name, target)
        query = typed(target, "expr", str)
        if not query:
            yield f"{name}: has no 'expr'"
        for variable in VARIABLE.findall(query):
            if variable not in defined:
                yield f"{name}: variable '${variable}' is not defined"


def layout_problems(panels):
    cells = {}
    for panel in panels:
        name = name_of(panel)
        place = typed(panel, "gridPos", dict)
        if not all(isinstance(place.get(key), int) for key in "xywh"):
            yield f"{name}: 'gridPos' is missing or not whole"
            continue
        if place["x"] < 0 or place["w"] < 1 or not 1 <= place["h"] <= 1000 or place["x"] + place["w"] > GRID_COLUMNS:
            yield f"{name}: lies outside the {GRID_COLUMNS} columns, or is higher than 1000 rows"
            continue
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])):
            if cell in cells:
                yield f"{name}: lies over {cells[cell]}"
                break
            cells[cell] = name


def queries(dashboard, rate_interval, time_range):
    """(panel's title, PromQL) of every target, with values for Grafana's variables."""
    values = {"__rate_interval": rate_interval, "__interval": rate_interval, "__range": time_range}
    for panel in all_panels(dashboard):
        for target in panel["targets"]:
            yield panel["title"], VARIABLE.sub(lambda match: values.get(match[1], ".*"), target["expr"])


class Unreachable(Exception):
    """Prometheus does not answer."""


def ask(prometheus, query):
    """Numbers that Prometheus answers, or its complaint as a text."""
    data = urllib.parse.urlencode({"query": query}).encode()
    try:
        with urllib.request.urlopen(f"{prometheus}/api/v1/query", data=data, timeout=30) as page:
            answer = json.load(page)
    except urllib.error.HTTPError as error:
        with contextlib.suppress(ValueError):
            answer = json.load(error)
            if isinstance(answer, dict) and "errorType" in answer:
                return answer["error"]
        raise Unreachable(f"{prometheus} answers {error.code}: is this a Prometheus?") from error
    except (OSError, ValueError) as error:
        raise Unreachable(f"Prometheus at {prometheus} cannot be asked: {getattr(error, 'reason', error)}") from error
    return [float(series["value"][1]) for series in answer["data"]["result"]]


def query_problems(dashboard, file, prometheus, rate_interval, time_range, deadline):
    """Queries that are refused, or have no data by the deadline (of time.monotonic())."""
    for title, query in queries(dashboard, rate_interval, time_range):
        while True:
            numbers = ask(prometheus, query)
            if isinstance(numbers, str):
                yield f"{file}: panel '{title}': {numbers}: {query}"
                break
            if any(map(math.isfinite, numbers)):
                break
            if time.monotonic() >= deadline:
                yield f"{file}: panel '{title}': {'only NaN' if numbers else 'no data'}: {query}"
                break
            time.sleep(0.5)


def check(files, options):
    """All problems of all files."""
    owners = {}
    deadline = time.monotonic() + options.wait
    for file in files:
        try:
            text = file.read_text()
        except OSError as error:
            yield f"{file}: cannot be read: {error.strerror}"
            continue
        except UnicodeDecodeError as error:
            yield f"{file}: is no text: byte {error.start} is not UTF-8"
            continue
        dashboard, problems = parse(text, file)
        yield from problems
        if dashboard is None:
            continue
        other = owners.setdefault(dashboard.get("uid"), file)
        if other != file:
            yield f"{file}: uid {dashboard.get('uid')!r} is that of {other}"
        if options.prometheus and not problems:
            yield from query_problems(dashboard, file, options.prometheus.rstrip("/"), options.rate_interval,
                                      options.range, deadline)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("files", nargs="*", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--prometheus", help="its address, http://HOST:PORT")
    parser.add_argument("--rate-interval", default="1m")
    parser.add_argument("--range", default="1h")
    parser.add_argument("--wait", type=float, default=0, help="seconds to wait for data")
    options = parser.parse_args(arguments)
    files = options.files or sorted((pathlib.Path(__file__).parent / "dashboards").glob("*.json"))
    if not files:
        print("check_dashboards: no dashboard to check", file=sys.stderr)
        return 1
    problems = 0
    try:
        for problem in check(files, options):
            print(problem, flush=True)
            problems += 1
    except Unreachable as error:
        print(f"check_dashboards: {error}", file=sys.stderr)
        return 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
