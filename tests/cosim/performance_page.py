#!/usr/bin/env python3
"""The summary in docs/hw/performance.md against the committed cycle tables: each row that links one must say what it says."""
import pathlib
import re
import sys

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "hw"
ROW = re.compile(r"^\|.*\[\w+\]\(cycles/(\w+)\.md\) \|$", re.M)


def expected(table):
    """Cycles, ms, steps / cycles, GOPS and MAC a byte, as the page writes them."""
    _, cycles, busy = re.search(r"^\| \*\*all\*\* \| \| \| (\d+) \| (\d+) \| ([\d.]+) \|", table, re.M).groups()
    gops = re.search(r"([\d.]+) of the ([\d.]+) GOPS", table)
    intensity = re.search(r"(\d+) MAC a byte", table).group(1)
    return [f"{int(cycles):,}", f"{int(cycles) / 1e5:.2f}", f"{busy} %", f"{gops[1]} of {gops[2]}", intensity]


def main():
    page = (DOCS / "performance.md").read_text()
    names = []
    wrong = 0
    for row in ROW.finditer(page):
        names.append(row[1])
        cells = [cell.strip() for cell in row[0].strip("|").split("|")]
        want = expected((DOCS / "cycles" / f"{row[1]}.md").read_text())
        got = [cells[2], cells[3], cells[5], cells[6], cells[7]]
        if got != want:
            wrong += 1
            print(f"{row[1]}: the page says {got}, the table {want}")
    missing = {path.stem for path in (DOCS / "cycles").glob("*.md")} - set(names)
    if missing:
        print(f"not on the page: {', '.join(sorted(missing))}")
    print(f"{len(names)} rows, {wrong} wrong")
    return 1 if wrong or missing or not names else 0


if __name__ == "__main__":
    sys.exit(main())
