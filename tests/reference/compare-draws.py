#!/usr/bin/python3
# What is drawn for 20,000 views, here and by torchvision's RandomResizedCrop, ColorJitter and GaussianBlur
# themselves: two-sample Kolmogorov-Smirnov for numbers, chi-square for events and orders.
# Seeds are fixed; every line would reject one right generator in 10,000.
# Argument: the program apply-draws. Exits with 77 (skipped) where PyTorch is not installed.
# SPDX-License-Identifier: LGPL-2.1-or-later
import itertools
import math
import subprocess
import sys

try:
    import numpy
    import torch
    from torchvision import transforms
except ImportError as error:
    print(f"1..0 # SKIP {error}: install python3-torch and python3-torchvision")
    sys.exit(77)

TOOL = sys.argv[1]
COUNT = 20000
FRAMES = [(640, 480), (32, 32), (480, 853)]
SHARES = {"flip": 0.5, "jitter": 0.8, "grayscale": 0.2, "blur": 0.5, "solarize": 0.0}
COLUMNS = ("x y width height flip jitter brightness contrast saturation hue order0 order1 order2 order3 "
           "grayscale blur sigma solarize threshold").split()  # fmt: skip
ORDERS = list(itertools.permutations(range(4)))

failures = 0


def check(name, figure, value, limit):
    global failures
    failures += not value < limit
    print(f"{name}: {figure} {value:.4g}, under {limit:.4g}{'' if value < limit else '  FAILED'}")


def check_numbers(name, ours, theirs):
    """The largest distance of the two distribution functions."""
    both = numpy.sort(numpy.concatenate([ours, theirs]))
    below = [numpy.searchsorted(numpy.sort(side), both, side="right") / len(side) for side in (ours, theirs)]
    scale = math.sqrt((len(ours) + len(theirs)) / (len(ours) * len(theirs)))
    check(name, "distance", abs(below[0] - below[1]).max(), 2.23 * scale)


def chi_square_limit(freedom):
    """Wilson and Hilferty's approximation of the quantile."""
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + 3.719 * math.sqrt(spread)) ** 3


def check_order_counts(name, ours, theirs):
    """Counts of the same things in two samples of one size."""
    total = ours + theirs
    check(name, "chi-square", ((ours - theirs) ** 2 / total).sum(), chi_square_limit(len(ours) - 1))


def draw_here(width, height, seed):
    arguments = [TOOL, "draw", str(width), str(height), str(COUNT), str(seed)]
    text = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout
    table = numpy.array([line.split() for line in text.splitlines()], float)
    assert table.shape == (COUNT, len(COLUMNS)), table.shape
    return dict(zip(COLUMNS, table.T))


def crop_facts(x, y, w, h, width, height):
    """Share of the area, aspect, and position among those possible."""
    return {
        "area": w * h / (width * height), "aspect": w / h,
        "left": (x + 0.5) / (width - w + 1), "top": (y + 0.5) / (height - h + 1),
    }  # fmt: skip


def compare_crops(width, height, seed):
    here = draw_here(width, height, seed)
    picture = torch.empty(3, height, width)
    get_params = transforms.RandomResizedCrop.get_params
    y, x, h, w = numpy.array([get_params(picture, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(COUNT)]).T
    theirs = crop_facts(x, y, w, h, width, height)
    ours = crop_facts(*(here[name] for name in ("x", "y", "width", "height")), width, height)
    for fact in theirs:
        check_numbers(f"crop of {width}x{height}, {fact}", ours[fact], theirs[fact])


def order_counts(orders):
    numbers = [ORDERS.index(tuple(order)) for order in orders]
    return numpy.bincount(numbers, minlength=len(ORDERS))


def compare_colours(here):
    """The draws with jitter against as many of torchvision's."""
    jittered = here["jitter"] == 1
    ranges = (0.2, 1.8), (0.2, 1.8), (0.2, 1.8), (-0.2, 0.2)
    theirs = [transforms.ColorJitter.get_params(*ranges) for _ in range(int(jittered.sum()))]
    for i, name in enumerate(("brightness", "contrast", "saturation", "hue")):
        check_numbers(name, here[name][jittered], numpy.array([draw[i + 1] for draw in theirs]))
    ours = numpy.stack([here[f"order{i}"][jittered] for i in range(4)], 1).astype(int)
    check_order_counts("order", order_counts(ours), order_counts(draw[0].tolist() for draw in theirs))


def compare_blur(here):
    blurred = here["blur"] == 1
    sigmas = [transforms.GaussianBlur.get_params(0.1, 2.0) for _ in range(COUNT)]
    check_numbers("sigma", here["sigma"][blurred], numpy.array(sigmas))


def check_events(here):
    """How often, against the recipe; in deviations of a binomial."""
    for name, share in SHARES.items():
        apart = abs(here[name].mean() - share)
        deviation = math.sqrt(share * (1 - share) / COUNT)
        check(f"{name}, {100 * here[name].mean():.2f} % of {100 * share:g} %", "apart", apart,
              3.9 * deviation + 1e-12)  # fmt: skip


def main():
    torch.manual_seed(12)
    for seed, frame in enumerate(FRAMES):
        compare_crops(*frame, seed)
    here = draw_here(640, 480, 21)
    compare_colours(here)
    compare_blur(here)
    check_events(here)
    return 1 if failures else 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
