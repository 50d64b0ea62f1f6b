"""What measurements on reference networks share: the data sets, the daemon, commands of ours that answer JSON.

Networks and data sets come from a folder outside the repository. Calibration and evaluation never share a picture.
"""
import csv
import json
import os
import subprocess
import sys

CIFAR = {"mean": "0.485,0.456,0.406", "std": "0.229,0.224,0.225"}
INCEPTION = {"mean": "0.5", "std": "0.5"}


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
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def __enter__(self):
        line = self.process.stdout.readline()
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "grpc" not in words:
            sys.exit(f"msqd did not start: {line!r}")
        return words

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)


def prepare(data, work, names):
    """Where the data sets of these names are: pictures to calibrate with, pictures to measure on."""
    makers = {"cifar10": prepare_cifar, "imagenet": prepare_imagenet}
    return {name: makers[name](data, work) for name in sorted(names)}
