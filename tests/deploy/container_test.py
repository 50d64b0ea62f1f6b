"""The image, really built by buildah (chroot isolation, no engine needed) on a Debian that mmdebstrap makes, and msqd
served from it; compose.yml as docker-compose and we understand it. Takes minutes. MSQ_DEBIAN_TAR=FILE spares making the
Debian."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import yaml

import harness

DOCKER = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "docker"
BUILD = harness.BIN.parent
BASE, TAG = "localhost/debian:bookworm", "localhost/msq-serve:test"
SKIPPED = 77
SERVE = """
msqd --model-repository /models --grpc-address {grpc} --http-address {http} --metrics-address {metrics} &
for attempt in $(seq 100); do msq status --url {grpc} && break; sleep 0.2; done
msq models --url {grpc}
echo "user $(id -u)"
kill -TERM $!
wait $!
"""


class ContainerTest(unittest.TestCase):

    def setUp(self):
        self.folder = self.enterContext(harness.temporary_folder())
        self.folder.chmod(0o755)
        (self.folder / "storage.conf").write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{self.folder}/images"\nrunroot = "{self.folder}/run"\n')
        self.environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
                            "BUILDAH_ISOLATION": "chroot"}

    def run_program(self, *command, seconds=600):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=seconds,
                              env=self.environment)
        self.assertEqual(done.returncode, 0, f"{command[0]}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        return done.stdout

    def debian(self):
        """An image of Debian 12 as mmdebstrap makes it."""
        file = os.environ.get("MSQ_DEBIAN_TAR")
        if not file:
            file = self.folder / "debian.tar"
            self.run_program("mmdebstrap", "--variant=minbase", "bookworm", file, seconds=900)
        container = self.run_program("buildah", "from", "scratch").strip()
        self.run_program("buildah", "add", container, file, "/")
        self.run_program("buildah", "commit", "--rm", container, BASE)

    def test_the_image_serves(self):
        self.debian()
        self.run_program("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", self.folder / "package")
        package, = (self.folder / "package").glob("*.deb")
        self.run_program(DOCKER / "build", "--tool", "buildah", "--package", package, "--base", BASE, "--tag", TAG, "--",
                         "--pull-never")
        config = json.loads(self.run_program("buildah", "inspect", "--type", "image", TAG))["OCIv1"]["config"]
        self.assertEqual((config["User"], config["Entrypoint"]), ("10001:10001", ["msqd"]))
        self.assertIn("--model-repository", config["Cmd"])

        fixture = harness.make_fixture(self.folder / "fixture")
        container = self.run_program("buildah", "from", "--pull-never", TAG).strip()
        addresses = {name: harness.free_address() for name in ("grpc", "http", "metrics")}
        out = self.run_program("buildah", "run", "-v", f"{fixture.repository}:/models:ro", container, "--", "sh", "-c",
                               SERVE.format(**addresses))
        self.assertIn("ready grpc=", out)
        self.assertRegex(out, r"(?m)^sample ")
        self.assertIn("user 10001\n", out)

    def test_build_says_what_is_missing(self):
        done = subprocess.run([DOCKER / "build", "--tool", "buildah", "--package", "/nowhere.deb"], capture_output=True,
                              text=True, timeout=30)
        self.assertEqual((done.returncode, done.stderr), (1, "build: there is no package /nowhere.deb\n"))

    def test_compose(self):
        self.environment["GRAFANA_PASSWORD"] = "x"
        self.run_program("docker-compose", "-f", DOCKER / "compose.yml", "config", "-q", seconds=60)
        services = yaml.safe_load((DOCKER / "compose.yml").read_text())["services"]
        for service in services.values():
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((DOCKER / source).exists(), source)
            for port in service["ports"]:
                self.assertTrue(port.startswith("127.0.0.1:"), port)
        targets = yaml.safe_load((DOCKER / "targets" / "compose.yml").read_text())
        metrics, = re.findall(r'"--metrics-address", "0.0.0.0:(\d+)"', (DOCKER / "Dockerfile").read_text())
        self.assertEqual(targets, [{"targets": [f"msqd:{metrics}"]}])
        del self.environment["GRAFANA_PASSWORD"]
        done = subprocess.run(["docker-compose", "-f", DOCKER / "compose.yml", "config", "-q"], capture_output=True,
                              text=True, timeout=60, env=self.environment)
        self.assertIn("set GRAFANA_PASSWORD", done.stderr)


if __name__ == "__main__":
    for program in ("buildah", "mmdebstrap", "docker-compose"):
        if shutil.which(program) is None:
            print(f"SKIPPED: there is no {program} here; scripts/bootstrap deploy installs it", file=sys.stderr)
            sys.exit(SKIPPED)
    unittest.main()
