#!/usr/bin/python3
# The recipe of benchmark-augment in torchvision, on PIL pictures, as SimCLR in PyTorch is usually written.
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import statistics
import sys
import time

try:
    import numpy
    import torch
    import torchvision
    from PIL import Image
    from torchvision import transforms
except ImportError as error:
    sys.exit(f"{error}: install python3-torch and python3-torchvision")

# name, width, height, size, strength, blur probability
CASES = [
    ("augment-640x480-224", 640, 480, 224, 1.0, 0.5),
    ("augment-1920x1080-224", 1920, 1080, 224, 1.0, 0.5),
    ("augment-32x32-32", 32, 32, 32, 0.5, 0.0),
]
ROUNDS = 3


def make_recipe(size, strength, blur_probability):
    jitter = transforms.ColorJitter(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength)
    recipe = [
        transforms.RandomResizedCrop(size, (0.08, 1), interpolation=transforms.InterpolationMode.BICUBIC),
        transforms.RandomHorizontalFlip(),
        transforms.RandomApply([jitter], 0.8),
        transforms.RandomGrayscale(0.2),
    ]
    if blur_probability > 0:
        blur = transforms.GaussianBlur(size // 10 // 2 * 2 + 1, (0.1, 2))
        recipe.append(transforms.RandomApply([blur], blur_probability))
    return transforms.Compose(recipe)


def make_picture(width, height):
    noise = numpy.random.default_rng(1).integers(0, 56, (height, width, 3))
    return Image.fromarray((noise + (numpy.arange(width) * 200 // width)[:, None]).astype(numpy.uint8))


def measure(name, width, height, size, strength, blur_probability, seconds):
    picture, recipe = make_picture(width, height), make_recipe(size, strength, blur_probability)
    rates, total, processor = [], 0, time.process_time()
    for _ in range(ROUNDS):
        views, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds / ROUNDS:
            for _ in range(16):
                recipe(picture)
            views += 16
        rates.append(views / (time.perf_counter() - start))
        total += views
    processor = time.process_time() - processor
    print(json.dumps({
        "name": name, "value": round(statistics.median(rates), 1), "unit": "views/s", "threads": 1,
        "lowest": round(min(rates), 1), "highest": round(max(rates), 1),
        "provider": f"torchvision {torchvision.__version__}, PIL", "processor_seconds": processor / total,
    }), flush=True)  # fmt: skip


torch.set_num_threads(1)
torch.manual_seed(1)
for case in CASES:
    measure(*case, float(sys.argv[1]) if len(sys.argv) > 1 else 1)
