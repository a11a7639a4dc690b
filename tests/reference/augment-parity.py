#!/usr/bin/python3
"""Every augmentation alone, the whole chain, and what the recipe draws, against torchvision, given the same draws.

Argument: the program apply-draws. Exit status 77: torch or torchvision is not installed.
SPDX-License-Identifier: LGPL-2.1-or-later
"""
import itertools
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torchvision.transforms.functional as F
    from torchvision.transforms import InterpolationMode
except ImportError as missing:
    print(f"1..0 # SKIP {missing.name} is not installed")
    sys.exit(77)

torch.set_num_threads(1)
MODES = {"bicubic": InterpolationMode.BICUBIC, "bilinear": InterpolationMode.BILINEAR}
IDENTITY = dict(flip=0, jitter=0, factors=(1, 1, 1, 0), order=(0, 1, 2, 3), grayscale=0, blur=0,
                sigma=0, solarize=0, threshold=0.5)


def picture(rng, width, height):
    """Gradients, hard edges and noise: what makes interpolation and clamping show."""
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([128 + 127 * np.sin(x / 17 + y / 31), 255 * x / width, 255 * y / height], -1)
    for _ in range(12):
        left, top = rng.integers(0, width), rng.integers(0, height)
        base[top:top + 1 + height // 5, left:left + 1 + width // 5] = rng.integers(0, 256, 3)
    return np.clip(base + rng.normal(0, 12, base.shape), 0, 255).astype(np.uint8)


def line(draw):
    fields = [*draw["box"], draw["flip"], draw["jitter"], *draw["factors"], *draw["order"],
              draw["grayscale"], draw["blur"], draw["sigma"], draw["solarize"], draw["threshold"]]
    return " ".join(repr(f) if isinstance(f, float) else str(f) for f in fields)


def drawn(program, width, height, count, seed):
    """What the library itself draws with the recipe's settings."""
    out = subprocess.run([program, "draw", *map(str, (width, height, count, seed))], text=True,
                         stdout=subprocess.PIPE, check=True).stdout
    for fields in map(str.split, out.splitlines()):
        numbers = list(map(float, fields))
        whole = list(map(int, numbers))
        yield dict(box=tuple(whole[:4]), flip=whole[4], jitter=whole[5], factors=tuple(numbers[6:10]),
                   order=tuple(whole[10:14]), grayscale=whole[14], blur=whole[15], sigma=numbers[16],
                   solarize=whole[17], threshold=numbers[18])


def ours(program, frame, draws, size, mode):
    with tempfile.NamedTemporaryFile() as file:
        file.write(frame.tobytes())
        file.flush()
        height, width = frame.shape[:2]
        out = subprocess.run([program, file.name, str(width), str(height), "rgb", str(size), mode],
                             input="\n".join(map(line, draws)).encode(), stdout=subprocess.PIPE,
                             check=True).stdout
    return np.frombuffer(out, np.uint8).reshape(len(draws), size, size, 3)


def theirs(frame, draw, size, mode):
    x, y, width, height = draw["box"]
    image = torch.from_numpy(frame).permute(2, 0, 1).float() / 255
    image = F.resized_crop(image[None], y, x, height, width, [size, size], MODES[mode],
                           antialias=True)[0].clamp(0, 1)
    if draw["flip"]:
        image = F.hflip(image)
    if draw["jitter"]:
        steps = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]
        for i in draw["order"]:
            image = steps[i](image, draw["factors"][i])
    if draw["grayscale"]:
        image = F.rgb_to_grayscale(image, 3)
    if draw["blur"]:
        kernel = size // 10 // 2 * 2 + 1
        image = F.gaussian_blur(image, [kernel, kernel], [draw["sigma"]])
    if draw["solarize"]:
        image = F.solarize(image, draw["threshold"])
    return image.clamp(0, 1).permute(1, 2, 0).numpy() * 255


def box(rng, width, height):
    w, h = rng.integers(1, width + 1), rng.integers(1, height + 1)
    return int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1)), int(w), int(h)


def cases(program, rng, width, height):
    """(name, draw) for every operation by itself, every order, whole chains, and the recipe as it is drawn."""
    yield "whole", IDENTITY | dict(box=(0, 0, width, height))
    for i in range(4):
        yield "crop", IDENTITY | dict(box=box(rng, width, height))
        yield "flip", IDENTITY | dict(box=box(rng, width, height), flip=1)
        for operation, (name, value) in enumerate([
                ("brightness", rng.uniform(0.2, 1.8)), ("contrast", rng.uniform(0.2, 1.8)),
                ("saturation", rng.uniform(0.2, 1.8)), ("hue", rng.uniform(-0.5, 0.5))]):
            factors = [1.0, 1.0, 1.0, 0.0]
            factors[operation] = float(value)
            yield name, IDENTITY | dict(box=box(rng, width, height), jitter=1,
                                        factors=tuple(factors))
        yield "grayscale", IDENTITY | dict(box=box(rng, width, height), grayscale=1)
        for sigma in (0.1, float(rng.uniform(0.1, 2)), 2.0):
            yield "blur", IDENTITY | dict(box=box(rng, width, height), blur=1, sigma=sigma)
        yield "solarize", IDENTITY | dict(box=box(rng, width, height), solarize=1)
    for order in itertools.permutations(range(4)):
        factors = (*map(float, rng.choice([0.3, 1.7], 3)), float(rng.choice([-0.15, 0.15])))
        yield "order", IDENTITY | dict(box=box(rng, width, height), jitter=1, factors=factors, order=order)
    for draw in drawn(program, width, height, 24, 1):
        yield "recipe", draw
    for i in range(12):
        yield "chain", dict(
            box=box(rng, width, height), flip=int(rng.integers(2)), jitter=1,
            factors=(*map(float, rng.uniform(0.2, 1.8, 3)), float(rng.uniform(-0.2, 0.2))),
            order=tuple(map(int, rng.permutation(4))), grayscale=int(rng.random() < 0.2),
            blur=int(rng.random() < 0.5), sigma=float(rng.uniform(0.1, 2)), solarize=0,
            threshold=0.5)


# width, height of the frame and size of the view: usual ones, odd ones, one pixel, slivers
SIZES = [(640, 480, 224), (97, 131, 224), (501, 223, 224), (32, 32, 32), (33, 47, 32), (1, 1, 32),
         (300, 11, 57), (2, 900, 40), (1280, 720, 96)]


def main():
    rng = np.random.default_rng(20)
    worst, by_size, failed = {}, {}, 0
    for width, height, size in SIZES:
        frame = picture(rng, width, height)
        named = list(cases(sys.argv[1], rng, width, height))
        for mode in MODES:
            views = ours(sys.argv[1], frame, [draw for _, draw in named], size, mode)
            for (name, draw), view in zip(named, views):
                expected = theirs(frame, draw, size, mode)
                apart = np.abs(view - expected)
                if name == "solarize":
                    # on the threshold itself both answers are right
                    plain = theirs(frame, draw | dict(solarize=0), size, mode)
                    apart[np.abs(plain - 127.5) < 1e-3] = 0
                figures = np.array([apart.max(), apart.mean()])
                for table, key in ((worst, f"{name} {mode}"),
                                   (by_size, f"{width}x{height} to {size}x{size} {mode}")):
                    table[key] = np.maximum(table.get(key, 0), figures)
    lines = [*sorted(worst.items()), *by_size.items()]
    for number, (name, (most, mean)) in enumerate(lines, 1):
        good = most <= 2 and mean <= 0.5
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}: "
              f"at most {most:.3f}, mean at most {mean:.3f} of 255")
    print(f"1..{len(lines)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
