#!/usr/bin/python3
# Our linear evaluation, nearest neighbours and prototypes against PyTorch's on the same embeddings: the
# linear layer against torch.optim.LBFGS in double precision, and against the official code's settings of
# stochastic gradient descent. Arguments: the program classify-features, and to compare on embeddings of your
# own TRAIN.f32 LABELS.txt TEST.f32 LABELS.txt. Exits with 77 (skipped) where PyTorch is not installed.
# SPDX-License-Identifier: LGPL-2.1-or-later
import math
import os
import subprocess
import sys
import tempfile

try:
    import numpy
    import torch
except ImportError as error:
    print(f"1..0 # SKIP {error}: install python3-torch")
    sys.exit(77)

TOOL = sys.argv[1]
failures = 0


def check(name, error, tolerance):
    global failures
    failures += not error <= tolerance
    print(f"{name}: {error:.2e} (at most {tolerance:g}){'' if error <= tolerance else '  FAILED'}")


def make_clouds(count, size, classes, seed):
    """Positive features as a ReLU and pooling leave them: uneven means and deviations, classes that overlap."""
    shapes = numpy.random.default_rng(1)
    draw = numpy.random.default_rng(seed)
    centres = shapes.normal(0, 1, (classes, size))
    scales, offsets = shapes.uniform(0.02, 2, size), shapes.uniform(-1, 3, size)
    labels = draw.integers(0, classes, count)
    noise = draw.normal(0, 2.5, (count, size))
    return numpy.maximum((centres[labels] + noise + offsets) * scales, 0).astype("f4"), labels


def read(floats, texts):
    labels = [int(line) for line in open(texts)]
    return numpy.fromfile(floats, "f4").reshape(len(labels), -1), numpy.array(labels)


def classify(train, labels, test, *settings):
    """Our scores, columns in the order of the labels' numbers."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("train", "labels", "test", "scores")]
        train.tofile(paths[0])
        test.tofile(paths[2])
        with open(paths[1], "w") as file:
            file.write("".join(f"{label}\n" for label in labels))
        subprocess.run([TOOL, *paths, "threads=2", *settings], check=True)
        scores = numpy.fromfile(paths[3], "f4").reshape(len(test), -1)
    order = list(dict.fromkeys(labels))
    return scores[:, numpy.argsort(order)]


def fit_linear(train, labels, l2, standardize):
    """The optimum of the same convex function by torch.optim.LBFGS, in double precision."""
    x, y = torch.tensor(train, dtype=torch.double), torch.tensor(labels)
    mean, scale = x.mean(0), x.std(0, unbiased=False)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    # searched with even columns, where it converges; the penalty is on the weights that are asked for
    z, decay = (x - mean) / scale, torch.ones_like(scale) if standardize else 1 / scale**2
    weight = torch.zeros(int(y.max()) + 1, x.shape[1], dtype=torch.double, requires_grad=True)
    bias = torch.zeros(int(y.max()) + 1, dtype=torch.double, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=400, tolerance_grad=1e-7, tolerance_change=0,
                               history_size=20, line_search_fn="strong_wolfe")  # fmt: skip

    def closure():
        solver.zero_grad()
        loss = torch.nn.functional.cross_entropy(z @ weight.T + bias, y)
        loss = loss + l2 / 2 * (decay * weight**2).sum()
        loss.backward()
        return loss

    solver.step(closure)

    def scores(test):
        with torch.no_grad():
            z = (torch.tensor(test, dtype=torch.double) - mean) / scale
            return torch.softmax(z @ weight.T + bias, 1).numpy()

    return scores


def fit_official(train, labels):
    """100 epochs, batches of 512, Nesterov momentum, learning rate 0.1 * 512 / 256 down a cosine."""
    torch.manual_seed(1)
    x, y = torch.tensor(train), torch.tensor(labels)
    layer = torch.nn.Linear(x.shape[1], int(y.max()) + 1)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    batch = min(512, len(x))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    total, step = 100 * (len(x) // batch), 0
    for _ in range(100):
        order = torch.randperm(len(x))
        for begin in range(0, len(x) - batch + 1, batch):
            picks = order[begin : begin + batch]
            for group in optimizer.param_groups:
                group["lr"] = 0.1 * batch / 256 * (1 + math.cos(math.pi * step / total)) / 2
            step += 1
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(layer(x[picks]), y[picks]).backward()
            optimizer.step()
    return lambda test: torch.softmax(layer(torch.tensor(test)), 1).detach().numpy()


def unit(x):
    x = torch.tensor(x, dtype=torch.double)
    return x / x.norm(dim=1, keepdim=True).clamp_min(1e-30)


def vote(train, labels, test, neighbors, temperature):
    """As lightly's and solo-learn's code."""
    similarity, rows = (unit(test) @ unit(train).T).topk(neighbors, dim=1)
    hot = torch.nn.functional.one_hot(torch.tensor(labels))[rows]
    votes = (hot * (similarity / temperature).exp().unsqueeze(-1)).sum(1)
    return (votes / votes.sum(1, keepdim=True)).numpy()


def match_prototypes(train, labels, test, temperature):
    rows = unit(train)
    means = torch.stack([rows[torch.tensor(labels == k)].mean(0) for k in range(labels.max() + 1)])
    return torch.softmax(unit(test) @ unit(means.numpy()).T / temperature, 1).numpy()


def accuracy(scores, labels):
    return 100 * (scores.argmax(1) == labels).mean()


def compare(name, ours, theirs, labels, tolerance, points):
    a, b = accuracy(ours, labels), accuracy(theirs, labels)
    print(f"# {name}: accuracy {a:.2f} % here, {b:.2f} % there")
    if tolerance:
        # of neighbours that are as near as can be told either may be the last to vote
        error = numpy.abs(ours - theirs)
        check(f"{name}, scores", error.mean() if "nearest" in name else error.max(), tolerance)
    check(f"{name}, points of accuracy", abs(a - b), points)


def run(name, train, labels, test, truth):
    count = len(train)
    for l2, standardize in ((0, False), (0, True), (0.01, False)):
        ours = classify(train, labels, test, "method=linear", f"l2={l2}",
                        f"standardize={'true' if standardize else 'false'}")  # fmt: skip
        theirs = fit_linear(train, labels, l2 or 1 / count, standardize)(test)
        compare(f"{name}, linear, l2={l2}, standardize={standardize}", ours, theirs, truth, 2e-3, 0.1)
    ours = classify(train, labels, test, "method=linear", "solver=sgd")
    compare(f"{name}, linear, official SGD", ours, fit_official(train, labels)(test), truth, 0, 2)
    for k, temperature in ((20, 0.07), (200, 0.1)):
        ours = classify(train, labels, test, "method=knn", f"neighbors={k}", f"temperature={temperature}")
        compare(f"{name}, {k} nearest", ours, vote(train, labels, test, k, temperature), truth, 1e-4, 0.1)
    ours = classify(train, labels, test, "method=prototype", "temperature=0.07")
    compare(f"{name}, prototypes", ours, match_prototypes(train, labels, test, 0.07), truth, 1e-4, 0.1)


def main():
    torch.set_num_threads(2)
    if len(sys.argv) == 6:
        run("embeddings", *read(*sys.argv[2:4]), *read(*sys.argv[4:6]))
    else:
        run("clouds", *make_clouds(2000, 32, 7, 2), *make_clouds(1000, 32, 7, 3))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
