"""Kubernetes' and KServe's manifests: fields by our own description of them (manifest_fields.py), names that must agree
with each other, and options that msqd has. With MSQ_KSERVE_CRDS=DIR (config/crd/full of KServe's repository) also KServe's
schemas, with MSQ_KUBERNETES_MODELS=DIR (node_modules with kubernetes-models and js-yaml) also Kubernetes'."""
import copy
import os
import pathlib
import re
import subprocess
import unittest

import yaml

import harness
import manifest_fields

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
MANIFESTS = DEPLOY / "kubernetes"
CRDS = os.environ.get("MSQ_KSERVE_CRDS")
MODELS = os.environ.get("MSQ_KUBERNETES_MODELS")


def load(name):
    return {(part["kind"], part["metadata"]["name"]): part for part in yaml.safe_load_all((MANIFESTS / name).read_text())}


def option(container, name):
    """The value of --name=VALUE among the arguments."""
    return next(argument.split("=", 1)[1] for argument in container["args"] if argument.startswith(f"--{name}="))


class ManifestsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.plain, cls.kserve = load("msqd.yaml"), load("kserve.yaml")
        cls.pod = cls.plain["Deployment", "msqd"]["spec"]["template"]
        cls.container, = cls.pod["spec"]["containers"]
        cls.runtime = cls.kserve["ClusterServingRuntime", "kserve-msqserver"]["spec"]

    def test_fields(self):
        for thing in (*self.plain.values(), *self.kserve.values()):
            self.assertEqual(list(manifest_fields.object_problems(thing)), [], thing["kind"])

    def test_wrong_fields_are_found(self):
        def expect(problem, change):
            thing = copy.deepcopy(self.plain["Deployment", "msqd"])
            change(thing, thing["spec"]["template"]["spec"]["containers"][0])
            self.assertEqual(list(manifest_fields.object_problems(thing)), [problem])

        place = "Deployment.spec.template.spec.containers[0]"
        expect(f"{place}: field 'readynessProbe' is not known here",
               lambda d, c: c.update(readynessProbe=c.pop("readinessProbe")))
        expect(f"{place}.readinessProbe.grpc.port: '8001' is of the wrong type",
               lambda d, c: c["readinessProbe"]["grpc"].update(port="8001"))
        expect(f"{place}: field 'image' is missing", lambda d, c: c.pop("image"))
        expect("Deployment.spec.replicas: True is of the wrong type", lambda d, c: d["spec"].update(replicas=True))
        expect(f"{place}.imagePullPolicy: 'Sometimes' is none of Always, IfNotPresent, Never",
               lambda d, c: c.update(imagePullPolicy="Sometimes"))
        expect(f"{place}.args: a list with something in it is expected", lambda d, c: c.update(args="--help"))
        expect("Deployment.metadata: field 'name' is missing", lambda d, c: d["metadata"].pop("name"))
        expect("kind Deployment of apps/v2 is not known here", lambda d, c: d.update(apiVersion="apps/v2"))
        self.assertEqual(list(manifest_fields.object_problems("text")), ["is no object with apiVersion and kind"])

    def test_options_are_msqds(self):
        known = subprocess.run([harness.BIN / "msqd", "--help"], capture_output=True, text=True, timeout=30).stdout
        for container in (self.container, self.runtime["containers"][0]):
            for argument in container["args"]:
                self.assertRegex(known, rf"{re.escape(argument.split('=')[0])}[ ,]", argument)

    def test_ports_agree(self):
        ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        for name in ("grpc", "http", "metrics"):
            self.assertEqual(option(self.container, f"{name}-address"), f"0.0.0.0:{ports[name]}")
        self.assertEqual(self.container["readinessProbe"]["grpc"]["port"], ports["grpc"])
        for probe in ("startupProbe", "livenessProbe"):
            self.assertEqual(self.container[probe]["httpGet"], {"path": "/v2/health/live", "port": "http"})
        self.assertEqual(self.pod["metadata"]["annotations"]["prometheus.io/port"], str(ports["metrics"]))
        for (kind, _), thing in self.plain.items():
            if kind == "Service":
                for port in thing["spec"]["ports"]:
                    self.assertEqual(port["port"], ports[port["targetPort"]])
        allowed = {port["port"] for rule in self.plain["NetworkPolicy", "msqd"]["spec"]["ingress"] for port in rule["ports"]}
        self.assertEqual(allowed, set(ports.values()))

    def test_everything_is_about_the_same_pods(self):
        labels = self.pod["metadata"]["labels"]
        self.assertEqual(self.plain["Deployment", "msqd"]["spec"]["selector"]["matchLabels"], labels)
        self.assertEqual(self.plain["Service", "msqd"]["spec"]["selector"], labels)
        self.assertEqual(self.plain["Service", "msqd-nodes"]["spec"]["selector"], labels)
        self.assertEqual(self.plain["PodDisruptionBudget", "msqd"]["spec"]["selector"]["matchLabels"], labels)
        self.assertEqual(self.plain["NetworkPolicy", "msqd"]["spec"]["podSelector"]["matchLabels"], labels)
        scaler = self.plain["HorizontalPodAutoscaler", "msqd"]["spec"]
        self.assertEqual(scaler["scaleTargetRef"], {"apiVersion": "apps/v1", "kind": "Deployment", "name": "msqd"})
        rule, = yaml.safe_load((MANIFESTS / "adapter-rule.yaml").read_text())["rules"]
        self.assertEqual(scaler["metrics"][0]["pods"]["metric"]["name"], rule["name"]["as"])
        volumes = {volume["name"] for volume in self.pod["spec"]["volumes"]}
        self.assertEqual({mount["name"] for mount in self.container["volumeMounts"]}, volumes)
        self.assertEqual(self.container["volumeMounts"][0]["mountPath"], option(self.container, "model-repository"))

    def test_there_is_time_to_drain(self):
        needed = sum(int(option(self.container, f"drain-{name}-seconds")) for name in ("delay", "grace"))
        self.assertGreater(self.pod["spec"]["terminationGracePeriodSeconds"], needed)

    def test_the_user_is_the_images(self):
        number = str(self.pod["spec"]["securityContext"]["runAsUser"])
        self.assertIn(f"--uid {number} ", (DEPLOY / "docker" / "Dockerfile").read_text())
        self.assertEqual(str(self.runtime["containers"][0]["securityContext"]["runAsUser"]), number)

    def test_kserve_finds_the_runtime(self):
        model = self.kserve["InferenceService", "resnet18"]["spec"]["predictor"]["model"]
        self.assertIn(("ClusterServingRuntime", model["runtime"]), self.kserve)
        self.assertIn(model["protocolVersion"], self.runtime["protocolVersions"])
        self.assertIn(model["modelFormat"], [{key: one[key] for key in ("name", "version")}
                                             for one in self.runtime["supportedModelFormats"]])
        container, = self.runtime["containers"]
        self.assertEqual(container["name"], "kserve-container")
        self.assertEqual(option(container, "model-repository"), "/mnt/models")  # where the initializer puts it
        self.assertEqual(option(container, "grpc-address"), f"0.0.0.0:{model['ports'][0]['containerPort']}")
        self.assertEqual(option(container, "metrics-address"),
                         f"0.0.0.0:{self.runtime['annotations']['prometheus.kserve.io/port']}")

    def validate(self, text):
        with harness.temporary_folder() as folder:
            (folder / "manifest.yaml").write_text(text)
            script = pathlib.Path(__file__).parent / "validate_manifests.js"
            done = subprocess.run(["node", script, folder / "manifest.yaml"], capture_output=True, text=True, timeout=60,
                                  env={**os.environ, "NODE_PATH": MODELS})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    @unittest.skipUnless(MODELS, "MSQ_KUBERNETES_MODELS is not set: Kubernetes' own schemas are not asked")
    def test_kubernetes_schemas(self):
        text = (MANIFESTS / "msqd.yaml").read_text()
        self.assertEqual(self.validate(text), [f"ok {kind} {name}" for kind, name in self.plain])
        self.assertIn("replicas must be integer", self.validate(text.replace("replicas: 2", "replicas: two"))[0])

    @unittest.skipUnless(CRDS, "MSQ_KSERVE_CRDS is not set: KServe's own schemas are not asked")
    def test_kserves_schemas(self):
        import jsonschema  # python3-jsonschema, only here

        def closed(schema):
            """The same, without fields that it does not name."""
            if isinstance(schema, dict):
                schema = {key: closed(value) for key, value in schema.items()}
                if schema.get("type") == "object" and "properties" in schema:
                    schema.setdefault("additionalProperties", False)
            return [closed(part) for part in schema] if isinstance(schema, list) else schema

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for thing in self.kserve.values():
            plural = f"{thing['kind'].lower()}s"
            file, = pathlib.Path(CRDS).rglob(f"serving.kserve.io_{plural}.yaml")
            version, = [version for version in yaml.load(file.read_text(), Loader=loader)["spec"]["versions"]
                        if thing["apiVersion"].endswith(f"/{version['name']}")]
            schema = closed(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            jsonschema.validate(thing, schema)
            with self.assertRaises(jsonschema.ValidationError):
                jsonschema.validate({**thing, "spec": {**thing["spec"], "containerz": []}}, schema)


if __name__ == "__main__":
    unittest.main()
