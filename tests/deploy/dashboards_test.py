"""Dashboards, provisioning and rules as files: whole, and about metrics that exist. Each check is shown to fail."""
import contextlib
import io
import json
import pathlib
import re
import sys
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "deploy" / "grafana"
PROMETHEUS = ROOT / "deploy" / "prometheus"
sys.path.insert(0, str(GRAFANA))
import check_dashboards  # noqa: E402

DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))


def documented():
    """Names in operating.md's chapter on metrics, with those that a histogram adds."""
    chapter = (ROOT / "docs" / "operating.md").read_text().split("\n## Metrics\n")[1].split("\n## ")[0]
    names = set(re.findall(r"`((?:msq|process)_\w+)`", chapter))
    return names | {name + suffix for name in names for suffix in ("_bucket", "_sum", "_count")}


def named(text):
    return set(re.findall(r"(?<![\w:])(?:msq|process)_\w+(?![\w:])", text))


class DashboardsTest(unittest.TestCase):

    def run_check(self, *files, options=()):
        """(exit status, stdout, stderr)."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = check_dashboards.main([*map(str, files), *options])
        return status, out.getvalue(), err.getvalue()

    def expect(self, problem, text):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "d.json"
            file.write_text(text)
            status, out, _ = self.run_check(file)
        self.assertEqual(status, 1)
        self.assertIn(f"{file}: {problem}", out)

    def test_all_are_whole(self):
        self.assertEqual([path.stem for path in DASHBOARDS], ["batching", "cpu_fpga", "energy", "overview", "reliability"])
        self.assertEqual(self.run_check(), (0, "", ""))

    def test_they_ask_for_metrics_that_exist(self):
        for path in DASHBOARDS:
            for panel in json.loads(path.read_text())["panels"]:
                for target in panel["targets"]:
                    self.assertLessEqual(named(target["expr"]), documented(), f"{path.name}: {panel['title']}")

    def test_rules_are_about_metrics_that_exist_and_are_tested(self):
        tests = (PROMETHEUS / "msq.test.yml").read_text()
        rules = [rule for file in ("msq.recording.yml", "msq.alerts.yml")
                 for group in yaml.safe_load((PROMETHEUS / file).read_text())["groups"] for rule in group["rules"]]
        recorded, used = set(), "\n".join(rule["expr"] for rule in rules)
        for rule in rules:
            name = rule.get("record") or rule["alert"]
            self.assertLessEqual(named(rule["expr"]), documented(), name)
            self.assertLessEqual(set(re.findall(r"\w+:\w+:\w+", rule["expr"])), recorded, name)
            if "alert" in rule:
                self.assertIn(rule["labels"]["severity"], ("page", "ticket"), name)
                self.assertEqual(set(rule["annotations"]), {"summary", "description"}, name)
                fires = rf"alertname: {name}\n\s+eval_time: \w+\n\s+exp_alerts:\n\s+- exp_labels"
                self.assertTrue(re.search(fires, tests), f"{name}: no test lets it fire")
            else:
                self.assertTrue(name in tests or name in used, f"{name}: is not tested")
                recorded.add(name)

    def test_provisioning_fits_them(self):
        source = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
        self.assertEqual((source["uid"], source["type"]), (check_dashboards.DATA_SOURCE, "prometheus"))
        prometheus = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
        self.assertEqual(source["jsonData"]["timeInterval"], prometheus["global"]["scrape_interval"])
        provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/msq.yml").read_text())["providers"][0]
        self.assertEqual(provider["type"], "file")
        self.assertEqual(prometheus["scrape_configs"][0]["job_name"], "msqd")  # the dashboards and rules look for it

    def test_half_written_ones(self):
        text = DASHBOARDS[0].read_text()
        self.expect("is not JSON: line ", text[:len(text) // 2])
        self.expect("is not JSON: line 1: Expecting value", "")
        self.expect("is not a dashboard", "[]")
        self.expect("'panels' is missing or empty", "{}")

    def test_wrong_ones(self):
        def changed(change):
            dashboard = json.loads(DASHBOARDS[0].read_text())
            change(dashboard, dashboard["panels"][0], dashboard["panels"][0]["targets"][0])
            return json.dumps(dashboard)

        title = json.loads(DASHBOARDS[0].read_text())["panels"][0]["title"]
        panel = f"panel '{title}': "
        for problem, change in (
                ("'uid' is missing or empty", lambda d, p, t: d.pop("uid")),
                ("panel 'Batches a second': id 1 is no number or is taken", lambda d, p, t: d["panels"][1].update(id=1)),
                (panel + "'description' is missing or empty", lambda d, p, t: p.pop("description")),
                (panel + "data source is 'x'", lambda d, p, t: p["datasource"].update(uid="x")),
                (panel + "target A: data source is None", lambda d, p, t: t.pop("datasource")),
                (panel + "target A: has no 'expr'", lambda d, p, t: t.pop("expr")),
                (panel + "has no targets", lambda d, p, t: p["targets"].clear()),
                (panel + "refIds ['A', 'A'] are not unique", lambda d, p, t: p["targets"].append(t)),
                (panel + "target A: variable '$nobody' is not defined", lambda d, p, t: t.update(expr="a{b='$nobody'}")),
                (panel + "'gridPos' is missing or not whole", lambda d, p, t: p["gridPos"].pop("w")),
                (panel + "lies outside the 24 columns", lambda d, p, t: p["gridPos"].update(x=20)),
                (panel + "lies outside the 24 columns", lambda d, p, t: p["gridPos"].update(h=10**9)),
                ("'panels' has 'text', an object is expected", lambda d, p, t: d["panels"].append("text")),
                ("variable 'instance': has no query", lambda d, p, t: d["templating"]["list"][0].update(query=5)),
                (panel + "target A: variable '$instance' is not defined", lambda d, p, t: d["templating"].update(list={})),
                (panel + "data source is 5", lambda d, p, t: p.update(datasource=5)),
                (panel + "'targets' is no list", lambda d, p, t: p.update(targets={})),
                (panel + "'targets' has 5, an object", lambda d, p, t: p["targets"].append(5)),
                (panel + "target A: has no 'expr'", lambda d, p, t: t.update(expr=5)),
                (panel + "refIds [''] are not unique", lambda d, p, t: t.update(refId=[])),
                (panel + "'gridPos' is missing or not whole", lambda d, p, t: p.update(gridPos=[])),
                ("panel 'hidden': has no targets", lambda d, p, t: d["panels"].append({
                    "type": "row", "title": "more", "gridPos": {"x": 0, "y": 99, "w": 24, "h": 1},
                    "panels": [{"title": "hidden"}]})),
                (f"panel 'Batches a second': lies over panel '{title}'", lambda d, p, t: p["gridPos"].update(w=12))):
            with self.subTest(problem):
                self.expect(problem, changed(change))

    def test_forms_that_grafana_writes_itself(self):
        dashboard = json.loads(DASHBOARDS[0].read_text())
        dashboard["panels"][0]["datasource"] = dashboard["panels"][0]["datasource"]["uid"]
        dashboard["templating"]["list"][0]["query"] = dashboard["templating"]["list"][0]["query"]["query"]
        self.assertEqual(check_dashboards.parse(json.dumps(dashboard), "d.json")[1], [])

    def test_bytes_that_are_no_text(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "d.json"
            file.write_bytes(b'{"title": "\xff"}')
            self.assertEqual(self.run_check(file), (1, f"{file}: is no text: byte 11 is not UTF-8\n", ""))

    def test_two_with_one_uid(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder) / "copy.json"
            copy.write_text(DASHBOARDS[0].read_text())
            status, out, _ = self.run_check(DASHBOARDS[0], copy)
        self.assertEqual((status, out), (1, f"{copy}: uid 'msq-batching' is that of {DASHBOARDS[0]}\n"))

    def test_files_and_servers_that_are_not_there(self):
        status, out, _ = self.run_check("/nowhere/d.json")
        self.assertEqual((status, out), (1, "/nowhere/d.json: cannot be read: No such file or directory\n"))
        status, _, err = self.run_check(options=("--prometheus", "http://127.0.0.1:1"))
        self.assertEqual(status, 1)
        self.assertRegex(err, r"^check_dashboards: Prometheus at http://127.0.0.1:1 cannot be asked: .*refused\n$")


if __name__ == "__main__":
    unittest.main()
