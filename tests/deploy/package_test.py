"""The Debian package: built by CPack, what is in it and what it needs, unpacked and run."""
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import unittest

import harness

BUILD = harness.BIN.parent
SKIPPED = 77


class PackageTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.temporary_folder())
        subprocess.run(["cpack", "-G", "DEB", "-B", cls.folder / "built"], cwd=BUILD, check=True, capture_output=True,
                       timeout=250)
        cls.package, = (cls.folder / "built").glob("*.deb")
        cls.root, cls.control = cls.folder / "root", cls.folder / "control"
        subprocess.run(["dpkg-deb", "-x", cls.package, cls.root], check=True)
        subprocess.run(["dpkg-deb", "-e", cls.package, cls.control], check=True)

    def field(self, name):
        return subprocess.run(["dpkg-deb", "-f", self.package, name], check=True, capture_output=True, text=True).stdout

    def test_what_it_needs_is_what_its_programs_are_linked_with(self):
        needed = set(re.findall(r"[\w.+-]+(?= |,|$)", re.sub(r"\([^)]*\)", "", self.field("Depends"))))
        for library in ("libc6", "libgrpc++1.51", "libprotobuf32", "libssl3", "passwd"):
            self.assertIn(library, needed)
        self.assertFalse([package for package in needed if package.endswith("-dev")])

    def test_files(self):
        for path, mode in (("usr/bin/msqd", 0o755), ("usr/bin/msq", 0o755), ("usr/lib/systemd/system/msqd.service", 0o644),
                           ("usr/lib/sysusers.d/msqd.conf", 0o644), ("etc/msqd/msqd.env", 0o644),
                           ("usr/share/doc/msq-serve/operating.md", 0o644),
                           ("usr/share/doc/msq-serve/load_tests.md", 0o644),
                           ("usr/share/doc/msq-serve/examples/kubernetes/msqd.yaml", 0o644),
                           ("usr/share/doc/msq-serve/examples/docker/compose.yml", 0o644),
                           ("usr/share/doc/msq-serve/examples/capacity.py", 0o755),
                           ("usr/share/doc/msq-serve/examples/grafana/dashboards/overview.json", 0o644)):
            self.assertEqual(stat.S_IMODE((self.root / path).stat().st_mode), mode, path)
        self.assertEqual((self.control / "conffiles").read_text(), "/etc/msqd/msqd.env\n")
        for name in ("postinst", "prerm", "postrm"):
            self.assertEqual(stat.S_IMODE((self.control / name).stat().st_mode), 0o755, name)
            subprocess.run(["sh", "-n", self.control / name], check=True)
        symbols = subprocess.run(["nm", self.root / "usr/bin/msqd"], capture_output=True, text=True)
        self.assertIn("no symbols", symbols.stderr)

    def test_its_programs_run(self):
        fixture = harness.make_fixture(self.folder / "fixture")
        with harness.Daemon(fixture.repository, program=self.root / "usr/bin/msqd") as daemon:
            status = subprocess.run([self.root / "usr/bin/msq", "status", "--url", daemon.url], capture_output=True,
                                    text=True, timeout=30)
            self.assertEqual(status.returncode, 0, status.stderr)
            self.assertEqual(daemon.stop(), 0)

    def test_its_user(self):
        """sysusers of a root folder of its own."""
        (self.root / "etc").mkdir(exist_ok=True)
        subprocess.run(["systemd-sysusers", f"--root={self.root}", "msqd.conf"], check=True, capture_output=True, timeout=30)
        self.assertRegex((self.root / "etc/passwd").read_text(), r"(?m)^msqd:x:\d+:\d+:MSQ Serve:/var/lib/msqd:")

    @unittest.skipUnless(shutil.which("lintian"), "lintian is not installed (scripts/bootstrap deploy)")
    def test_lintian_finds_no_error(self):
        found = subprocess.run(["lintian", "--allow-root", self.package], capture_output=True, text=True, timeout=120)
        self.assertEqual([line for line in found.stdout.splitlines() if line.startswith("E:")], [])


if __name__ == "__main__":
    if not os.path.exists("/etc/debian_version"):
        print("SKIPPED: packages are built on Debian alone", file=sys.stderr)
        sys.exit(SKIPPED)
    unittest.main()
