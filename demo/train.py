#!/usr/bin/python3
"""Trains the demo model: a small convolutional network that names the character in a 32x32 cell (demo/render.py).

Fonts are split by lineage, so that no held-out font is a redrawing of a training font (Hack descends from DejaVu, Carlito
from Lato). Everything is seeded and runs on one thread; /usr/bin/python3 is Debian's, which has python3-torch.

Writes into --out: characters.onnx, labels.txt, calibration.npz (training cells), test.npz (held-out fonts, plain cells).
"""

import argparse
import glob
import pathlib
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import render

SEED = 20240617
INK_SCALE = 255 * 0.25  # the network's input is coverage / 255 / 0.25; msqd does that too (--mean 0 --std 0.25)
ACTIVATION_LIMIT = 4.0

FONT_ROOT = "/usr/share/fonts"
TRAINING_FONTS = [
    "truetype/noto/NotoSans-*.ttf", "truetype/noto/NotoSerif-*.ttf", "truetype/noto/NotoSansMono-*.ttf",
    "truetype/noto/NotoMono-*.ttf", "truetype/noto/NotoSansDisplay-*.ttf", "truetype/noto/NotoSerifDisplay-*.ttf",
    "truetype/open-sans/*.ttf", "truetype/roboto/unhinted/*.ttf", "truetype/roboto/unhinted/RobotoTTF/*.ttf",
    "truetype/freefont/*.ttf", "truetype/firacode/*.ttf", "truetype/croscore/*.ttf", "truetype/inconsolata/*.otf",
    "truetype/crosextra/Caladea-*.ttf", "opentype/cantarell/*.otf", "opentype/linux-libertine/LinLibertine_R*.otf",
    "opentype/linux-libertine/LinBiolinum_R*.otf",
]
HELD_OUT_FONTS = [
    "truetype/dejavu/DejaVuSans*.ttf", "truetype/dejavu/DejaVuSerif*.ttf", "truetype/hack/*.ttf", "truetype/lato/*.ttf",
    "truetype/crosextra/Carlito-*.ttf",
]
# Characters that many fonts draw alike up to size or serifs; accuracy is reported with and without telling them apart.
LOOK_ALIKES = ["Il|1", "O0o", "'`,.", "Cc", "Ss", "Vv", "Ww", "Xx", "Zz", "Pp", "Kk", "Uu", "-_~"]


def find_fonts(patterns):
    fonts = []
    for pattern in patterns:
        found = sorted(glob.glob(f"{FONT_ROOT}/{pattern}"))
        if not found:
            raise SystemExit(f"train: no font matches {FONT_ROOT}/{pattern}; run scripts/bootstrap train")
        fonts += found
    return fonts


def render_fonts(fonts, cap_heights_px):
    cells = [
        [render.render_cell(font, character) for character in render.CHARACTERS]
        for path in fonts
        for font in [render.load_font(path, cap) for cap in cap_heights_px]
    ]
    images = np.array(cells, np.uint8).reshape(-1, render.CELL_PX, render.CELL_PX)
    labels = np.tile(np.arange(len(render.CHARACTERS)), len(cells))
    return images, labels


def augment(images, rng):
    """Shift, scale, rotate, shear, blur, contrast and noise, each drawn per cell; images are [N, 1, H, W] in 0..255."""
    n = len(images)

    def uniform(low, high, *shape):
        return torch.from_numpy(rng.uniform(low, high, (n, *shape)).astype(np.float32))

    angle, shear = uniform(-0.07, 0.07), uniform(-0.12, 0.12)
    scale_x, scale_y = uniform(0.88, 1.14), uniform(0.94, 1.06)
    shift_x, shift_y = uniform(-2.0, 2.0) / 16.0, uniform(-1.0, 1.0) / 16.0
    theta = torch.stack([
        torch.stack([torch.cos(angle) * scale_x, shear - torch.sin(angle), shift_x], 1),
        torch.stack([torch.sin(angle), torch.cos(angle) * scale_y, shift_y], 1),
    ], 1)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    warped = functional.grid_sample(images, grid, align_corners=False)
    plain = uniform(0.0, 1.0, 1, 1, 1) < 0.3
    result = torch.where(plain, images, warped)

    kernel = torch.tensor([1.0, 2.0, 1.0])
    kernel = (kernel[:, None] * kernel[None, :] / 16.0)[None, None]
    blur = uniform(-1.0, 1.0, 1, 1, 1).clamp(min=0.0)
    result = (1.0 - blur) * result + blur * functional.conv2d(result, kernel, padding=1)
    noise = torch.from_numpy(rng.standard_normal(result.shape, dtype=np.float32))
    result = result * uniform(0.7, 1.15, 1, 1, 1) + noise * uniform(-10.0, 14.0, 1, 1, 1).clamp(min=0.0)
    return result.clamp(0.0, 255.0).round()


def make_network():
    def block(inputs, outputs, stride):
        convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        # Bounded activations leave nothing to clip when they are quantized to 16 levels: the 4-bit network loses nothing.
        return [convolution, nn.BatchNorm2d(outputs), nn.Hardtanh(0.0, ACTIVATION_LIMIT)]

    return nn.Sequential(
        *block(1, 16, 1), *block(16, 32, 2), *block(32, 32, 1), *block(32, 64, 2), *block(64, 64, 2),
        nn.Flatten(), nn.Linear(64 * 4 * 4, len(render.CHARACTERS)),
    )


def to_input(images):
    return torch.from_numpy(images[:, None]).float()


def predict(network, images):
    network.eval()
    with torch.no_grad():
        return torch.cat([network(batch / INK_SCALE).argmax(1) for batch in to_input(images).split(512)]).numpy()


def accuracy(predictions, labels):
    """(share right, share right when look-alikes count as one character)."""
    group = np.arange(len(render.CHARACTERS))
    for characters in LOOK_ALIKES:
        indices = [render.CHARACTERS.index(character) for character in characters]
        group[indices] = indices[0]
    return (predictions == labels).mean(), (group[predictions] == group[labels]).mean()


def train(network, images, labels, steps, batch_size, rng):
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps, pct_start=0.15)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
    start = time.monotonic()
    order = rng.permutation(len(images))
    position = 0
    for step in range(1, steps + 1):
        if position + batch_size > len(order):
            order, position = rng.permutation(len(images)), 0
        picked = order[position : position + batch_size]
        position += batch_size
        batch = augment(to_input(images[picked]), rng) / INK_SCALE
        loss = loss_of(network(batch), torch.from_numpy(labels[picked]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 0 or step == steps:
            print(f"step {step}/{steps}  loss {loss.item():.3f}  {time.monotonic() - start:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/demo"), help="folder for the results")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch-size", type=int, default=128)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    training_fonts, held_out_fonts = find_fonts(TRAINING_FONTS), find_fonts(HELD_OUT_FONTS)
    images, labels = render_fonts(training_fonts, (15, 16, 17, 17, 18, 19))
    test_images, test_labels = render_fonts(held_out_fonts, (render.CAP_HEIGHT_PX,))
    print(f"{len(training_fonts)} training fonts, {len(held_out_fonts)} held-out fonts", flush=True)

    network = make_network()
    train(network, images, labels, arguments.steps, arguments.batch_size, rng)
    exact, folded = accuracy(predict(network, test_images), test_labels)
    print(f"held-out fonts: {100 * exact:.2f} % right, {100 * folded:.2f} % with look-alikes folded")

    arguments.out.mkdir(parents=True, exist_ok=True)
    network.eval()
    torch.onnx.export(
        network, torch.zeros(1, 1, render.CELL_PX, render.CELL_PX), str(arguments.out / "characters.onnx"),
        opset_version=13, input_names=["cells"], output_names=["scores"],
        dynamic_axes={"cells": {0: "batch"}, "scores": {0: "batch"}},
    )
    (arguments.out / "labels.txt").write_text("".join(character + "\n" for character in render.CHARACTERS))
    picked = rng.permutation(len(images))[:1024]
    calibration = augment(to_input(images[picked]), rng).numpy().astype(np.uint8)
    np.savez(arguments.out / "calibration.npz", images=calibration.transpose(0, 2, 3, 1), labels=labels[picked])
    np.savez(arguments.out / "test.npz", images=test_images[..., None], labels=test_labels)


if __name__ == "__main__":
    main()
