"""What measurements on reference networks share: the data sets, the daemon, commands of ours that answer JSON.

Networks and data sets come from a folder outside the repository. Calibration and evaluation never share a picture.
"""
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

CIFAR = {"mean": "0.485,0.456,0.406", "std": "0.229,0.224,0.225"}
INCEPTION = {"mean": "0.5", "std": "0.5"}

# By name: data set, normalisation, further options of msq-quantize.
NETWORKS = {
    "resnet20_cifar10": ("cifar10", CIFAR, []),
    "mobilenet_v2_imagenet_from_int8": ("imagenet", INCEPTION, []),
    "mobilenet_v1_025_imagenet": ("imagenet", INCEPTION, []),
    "squeezenet11_imagenet": ("imagenet", {"mean": "0.48109,0.45752,0.40787", "std": "0.00392156863"}, ["--bgr"]),
    "etinynet_imagenet": ("imagenet", {"mean": "0.50196078", "std": "0.00392156863"}, []),
}


def parse_arguments(parser, others=()):
    """Adds what measurements have in common. Which networks are wanted is checked; `others` are the program's own."""
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("network", nargs="*", help="only these; all otherwise")
    parser.add_argument("--data", type=pathlib.Path, default=root.parent / "shared" / "data")
    parser.add_argument("--bin", type=pathlib.Path, default=root / "build" / "release" / "bin")
    parser.add_argument("--json", type=pathlib.Path, help="also write the rows to this file")
    arguments = parser.parse_args()
    known = [*others, *NETWORKS]
    unknown = set(arguments.network) - set(known)
    if unknown:
        parser.error(f"no such network: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    arguments.all = not arguments.network
    arguments.network = arguments.network or known
    return arguments


def check_data(data, names):
    """Ends the program where a file of these networks is missing."""
    needed = {"cifar10": ("cifar10/load.py",), "imagenet": ("imagenet500/labels.csv",)}
    for name in names:
        for file in (f"models/{name}.onnx", *needed[NETWORKS[name][0]]):
            if not (data / file).is_file():
                sys.exit(f"{name}: there is no {data / file}; --data names the folder of networks and data sets")


def quantize(arguments, name, calibration, target, options):
    """Writes the artifact, and returns what msq-quantize reports."""
    _, normalisation, own = NETWORKS[name]
    return run_json([arguments.bin / "msq-quantize", arguments.data / "models" / f"{name}.onnx", "--json", "-o", target,
                     "--calibration", calibration, "--mean", normalisation["mean"], "--std", normalisation["std"], *own,
                     *options])


def prepare_cifar(data, work):
    """512 training pictures to calibrate with and the whole test set, as .npz."""
    sys.path.insert(0, str(data / "cifar10"))
    import load  # the data set's own reader
    import numpy
    images, _ = load.load("train")
    numpy.savez(work / "cifar_calibration.npz", images=images[:: len(images) // 512][:512])
    images, labels = load.load("test")
    numpy.savez(work / "cifar_test.npz", images=images, labels=labels)
    return work / "cifar_calibration.npz", work / "cifar_test.npz"


def prepare_imagenet(data, work):
    """Every fifth picture to calibrate with, the others to measure on, as folders of links."""
    calibration, test = work / "imagenet_calibration", work / "imagenet_test"
    calibration.mkdir()
    test.mkdir()
    with open(data / "imagenet500" / "labels.csv", newline="") as file:
        rows = [row for row in csv.reader(file) if row and row != ["file", "class"]]
    with open(test / "labels.csv", "w", newline="") as file:
        out = csv.writer(file)
        for i, row in enumerate(rows):
            folder = calibration if i % 5 == 0 else test
            os.symlink((data / "imagenet500" / row[0]).resolve(), folder / row[0])
            if i % 5 != 0:
                out.writerow(row)
    return calibration, test


def run_json(command, answers_json=True):
    result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, check=False, text=True)
    if result.returncode != 0:
        sys.exit(f"{command[0].name} failed with status {result.returncode}")
    return json.loads(result.stdout) if answers_json else None


class Daemon:
    """msqd over one repository; stops when the block is left. Its addresses, by kind, are what the block gets."""

    def __init__(self, binary, repository, *arguments):
        command = [binary, "--model-repository", repository, "--grpc-address", "127.0.0.1:0",
                   "--http-address", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0", *arguments]
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def __enter__(self):
        line = self.process.stdout.readline()
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "grpc" not in words:
            self.process.wait(timeout=60)
            self.log.seek(0)
            sys.exit(f"msqd did not start:\n{self.log.read()}")
        return words

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)


def prepare(data, work, names):
    """Where the data sets of these names are: pictures to calibrate with, pictures to measure on."""
    makers = {"cifar10": prepare_cifar, "imagenet": prepare_imagenet}
    return {name: makers[name](data, work) for name in sorted(names)}
