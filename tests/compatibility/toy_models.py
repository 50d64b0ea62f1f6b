"""A repository of the toy models, and the daemon that serves it."""
import os
import pathlib
import shutil
import subprocess

import harness

MODELS = pathlib.Path(__file__).parent / "models"
IMAGE_MODEL = "densenet_onnx"  # the only real network among them


def make_repository(folder, without=()):
    """Every toy model but those in `without`; the folder."""
    folder = pathlib.Path(folder)
    for model in sorted(MODELS.iterdir()):
        if model.name not in without:
            shutil.copytree(model, folder / model.name)
            (folder / model.name / "1").mkdir()
    if IMAGE_MODEL not in without:
        target = folder / IMAGE_MODEL / "1" / "model.msq"
        subprocess.run([os.environ["MSQ_COMPAT_IMAGE_MODEL"], str(target)], check=True, timeout=60)
    return folder


def daemon(repository, *arguments):
    return harness.Daemon(repository, "--grpc-compression", "true", *arguments, program=os.environ["MSQ_COMPAT_MSQD"])
