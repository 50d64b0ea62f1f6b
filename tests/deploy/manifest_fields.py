"""The fields of Kubernetes' and KServe's objects that our manifests use, and what is wrong with an object by them.

Written by hand from the API's documentation: it knows these fields and no others, so it finds misspelt and misplaced fields,
wrong types and missing ones, but says nothing of values beyond the ones listed here. It is no schema of the API.
"""


class Needed:
    """A field that must be there."""

    def __init__(self, kind):
        self.kind = kind


class OneOf(tuple):
    """A value out of some."""


TEXTS = {"*": str}  # a map of texts
PORT = (int, str)  # a number, or a port's name
QUANTITY = {"cpu": str, "memory": str}
METADATA = Needed({"name": Needed(str), "namespace": str, "labels": TEXTS, "annotations": TEXTS})
SELECTOR = {"matchLabels": Needed(TEXTS)}
PROBE = {"httpGet": {"path": Needed(str), "port": Needed(PORT), "scheme": str},
         "grpc": {"port": Needed(int), "service": str},
         "tcpSocket": {"port": Needed(PORT)}, "periodSeconds": int, "timeoutSeconds": int, "failureThreshold": int,
         "initialDelaySeconds": int, "successThreshold": int}
CONTAINER = {
    "name": Needed(str), "image": Needed(str), "imagePullPolicy": OneOf(("Always", "IfNotPresent", "Never")), "args": [str],
    "command": [str], "env": [{"name": Needed(str), "value": str}],
    "ports": [{"name": str, "containerPort": Needed(int), "protocol": OneOf(("TCP", "UDP"))}],
    "startupProbe": PROBE, "readinessProbe": PROBE, "livenessProbe": PROBE,
    "resources": {"requests": QUANTITY, "limits": QUANTITY},
    "securityContext": {"allowPrivilegeEscalation": bool, "readOnlyRootFilesystem": bool, "runAsNonRoot": bool,
                        "runAsUser": int, "capabilities": {"drop": [str], "add": [str]}},
    "volumeMounts": [{"name": Needed(str), "mountPath": Needed(str), "readOnly": bool}]}
POD = {
    "terminationGracePeriodSeconds": int, "automountServiceAccountToken": bool,
    "securityContext": {"runAsNonRoot": bool, "runAsUser": int, "runAsGroup": int, "fsGroup": int,
                        "seccompProfile": {"type": Needed(OneOf(("RuntimeDefault", "Unconfined", "Localhost")))}},
    "containers": Needed([CONTAINER]),
    "volumes": [{"name": Needed(str), "persistentVolumeClaim": {"claimName": Needed(str), "readOnly": bool}}]}
METRIC_TARGET = Needed({"type": Needed(OneOf(("AverageValue", "Utilization", "Value"))), "averageValue": str,
                        "averageUtilization": int, "value": str})

# (apiVersion, kind) -> the fields beside these two.
OBJECTS = {
    ("apps/v1", "Deployment"): {"metadata": METADATA, "spec": Needed({
        "replicas": int, "selector": Needed(SELECTOR),
        "strategy": {"type": str, "rollingUpdate": {"maxUnavailable": PORT, "maxSurge": PORT}},
        "template": Needed({"metadata": Needed({"labels": Needed(TEXTS), "annotations": TEXTS}), "spec": Needed(POD)})})},
    ("v1", "Service"): {"metadata": METADATA, "spec": Needed({
        "selector": Needed(TEXTS), "clusterIP": str, "type": OneOf(("ClusterIP", "NodePort", "LoadBalancer")),
        "ports": Needed([{"name": Needed(str), "port": Needed(int), "targetPort": PORT, "appProtocol": str,
                          "protocol": OneOf(("TCP", "UDP"))}])})},
    ("policy/v1", "PodDisruptionBudget"): {"metadata": METADATA, "spec": Needed({
        "maxUnavailable": PORT, "minAvailable": PORT, "selector": Needed(SELECTOR)})},
    ("autoscaling/v2", "HorizontalPodAutoscaler"): {"metadata": METADATA, "spec": Needed({
        "scaleTargetRef": Needed({"apiVersion": Needed(str), "kind": Needed(str), "name": Needed(str)}),
        "minReplicas": int, "maxReplicas": Needed(int),
        "metrics": [{"type": Needed(OneOf(("Pods", "Resource"))),
                     "pods": {"metric": Needed({"name": Needed(str)}), "target": METRIC_TARGET},
                     "resource": {"name": Needed(OneOf(("cpu", "memory"))), "target": METRIC_TARGET}}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": int}, "scaleUp": {"stabilizationWindowSeconds": int}}})},
    ("networking.k8s.io/v1", "NetworkPolicy"): {"metadata": METADATA, "spec": Needed({
        "podSelector": Needed(SELECTOR), "policyTypes": [OneOf(("Ingress", "Egress"))],
        "ingress": [{"from": [{"namespaceSelector": SELECTOR, "podSelector": SELECTOR}],
                     "ports": [{"port": Needed(PORT), "protocol": OneOf(("TCP", "UDP"))}]}]})},
    ("serving.kserve.io/v1alpha1", "ClusterServingRuntime"): {"metadata": METADATA, "spec": Needed({
        "annotations": TEXTS, "multiModel": bool, "protocolVersions": Needed([OneOf(("v1", "v2", "grpc-v1", "grpc-v2"))]),
        "supportedModelFormats": Needed([{"name": Needed(str), "version": str, "autoSelect": bool, "priority": int}]),
        "containers": Needed([CONTAINER])})},
    ("serving.kserve.io/v1beta1", "InferenceService"): {"metadata": METADATA, "spec": Needed({"predictor": Needed({
        "minReplicas": int, "maxReplicas": int, "scaleTarget": int,
        "scaleMetric": OneOf(("cpu", "memory", "concurrency", "rps")),
        "model": Needed({
            "modelFormat": Needed({"name": Needed(str), "version": str}), "runtime": str, "storageUri": Needed(str),
            "protocolVersion": OneOf(("v1", "v2", "grpc-v1", "grpc-v2")), "args": [str],
            "ports": [{"name": str, "containerPort": Needed(int), "protocol": OneOf(("TCP", "UDP"))}]})})})},
}


def problems(thing, kind, place=""):
    """What is wrong with a value by its description."""
    if isinstance(kind, Needed):
        kind = kind.kind
    if isinstance(kind, OneOf):
        if thing not in kind:
            yield f"{place}: {thing!r} is none of {', '.join(kind)}"
    elif isinstance(kind, list):
        if not isinstance(thing, list) or not thing:
            yield f"{place}: a list with something in it is expected"
        else:
            for index, part in enumerate(thing):
                yield from problems(part, kind[0], f"{place}[{index}]")
    elif isinstance(kind, dict):
        if not isinstance(thing, dict):
            yield f"{place}: a map is expected"
            return
        for key, value in thing.items():
            if key not in kind and "*" not in kind:
                yield f"{place}: field '{key}' is not known here"
            else:
                yield from problems(value, kind.get(key, kind.get("*")), f"{place}.{key}")
        for key, value in kind.items():
            if isinstance(value, Needed) and key not in thing:
                yield f"{place}: field '{key}' is missing"
    elif not isinstance(thing, kind) or (isinstance(thing, bool) and kind is not bool):
        yield f"{place}: {thing!r} is of the wrong type"


def object_problems(thing):
    """What is wrong with a whole object."""
    if not isinstance(thing, dict) or not {"apiVersion", "kind"} <= set(thing):
        yield "is no object with apiVersion and kind"
        return
    fields = OBJECTS.get((thing["apiVersion"], thing["kind"]))
    if fields is None:
        yield f"kind {thing['kind']} of {thing['apiVersion']} is not known here"
        return
    yield from problems(thing, {"apiVersion": str, "kind": str, **fields}, thing["kind"])
