#!/usr/bin/python3
# Every loss and its gradient, here and in PyTorch (double precision, autograd): alone, with a memory of
# negatives, and with neighbours in time excluded.
# Argument: the program loss-tool. Exits with 77 (skipped) where PyTorch is not installed.
# SPDX-License-Identifier: LGPL-2.1-or-later
import itertools
import os
import subprocess
import sys
import tempfile

try:
    import numpy
    import torch
    from torch.nn import functional
except ImportError as error:
    print(f"1..0 # SKIP {error}: install python3-torch")
    sys.exit(77)

TOOL = sys.argv[1]
ROWS, COLUMNS, MEMORY, WINDOW, MARGIN = 164, 48, 90, 40, 0.4
TOLERANCE = 2e-5


class Problem:
    """Similarities of views with the batch and the memory, and who is what to whom."""

    def __init__(self, z, memory, times, labels, window):
        unit = functional.normalize(z, dim=1)
        rows, count = len(z), len(z) + len(memory)
        self.similarity = unit @ torch.cat([unit, memory]).t()
        self.own = torch.eye(rows, count, dtype=torch.bool)
        self.partner = torch.zeros(rows, count, dtype=torch.bool)
        self.partner[torch.arange(rows), torch.arange(rows) ^ 1] = True
        self.positive = self.partner.clone()
        if labels is not None:
            same = (labels[:rows, None] == labels[None, :]) & (labels[:rows, None] >= 0)
            self.positive |= same & ~self.own
        near = torch.zeros_like(self.own)
        if window > 0:
            near = (times[:rows, None] - times[None, :]).abs() <= window
        self.negative = ~self.own & ~self.positive & ~near

    def pairs(self):
        return self.similarity[self.partner]


def masked_logsumexp(logits, mask):
    return torch.logsumexp(logits.masked_fill(~mask, -torch.inf), dim=1)


def nt_xent_and_supervised(problem, temperature):
    logits = problem.similarity / temperature
    log_p = logits - masked_logsumexp(logits, problem.positive | problem.negative)[:, None]
    return -((log_p * problem.positive).sum(1) / problem.positive.sum(1)).mean()


def decoupled(problem, temperature, weighted=False):
    logits, similarity, weight = problem.similarity / temperature, problem.pairs(), 1
    if weighted:  # the softmax runs over pairs; each is here twice
        weight = 2 - len(similarity) * torch.softmax(similarity / 0.5, dim=0)
    return (masked_logsumexp(logits, problem.negative) - weight * similarity / temperature).mean()


def semi_hard(problem):
    """The negative nearest below the positive, else the farthest one; as a mask of one for each row."""
    s, positive = problem.similarity.detach(), problem.pairs().detach()[:, None]
    below = problem.negative & (s < positive)
    hard = s.masked_fill(~below, -torch.inf).argmax(1)
    easy = s.masked_fill(~problem.negative, torch.inf).argmin(1)
    chosen = torch.where(below.any(1), hard, easy)
    return functional.one_hot(chosen, s.shape[1]).bool()


def triples(problem, temperature, value, mine):
    mask = semi_hard(problem) if mine else problem.negative
    values = value(problem.pairs()[:, None], problem.similarity, temperature)
    return ((values * mask).sum(1) / mask.sum(1)).mean()


def logistic(positive, negative, temperature):
    return -functional.logsigmoid(positive / temperature) - functional.logsigmoid(-negative / temperature)


def margin(positive, negative, temperature):
    return torch.relu(negative - positive + MARGIN)


LOSSES = {
    "nt-xent": nt_xent_and_supervised,
    "decoupled": decoupled,
    "decoupled-weighted": lambda problem, t: decoupled(problem, t, weighted=True),
    "nt-logistic": lambda problem, t: triples(problem, t, logistic, False),
    "nt-logistic semi-hard": lambda problem, t: triples(problem, t, logistic, True),
    "margin-triplet": lambda problem, t: triples(problem, t, margin, False),
    "margin-triplet semi-hard": lambda problem, t: triples(problem, t, margin, True),
    "supervised": nt_xent_and_supervised,
}


def compute_here(folder, name, temperature, window, *arrays):
    names = [os.path.join(folder, part) for part in ("z", "memory", "times", "labels", "gradient")]
    for path, array in zip(names, arrays):
        array.tofile(path)
    loss, *mine = name.split()
    done = subprocess.run(
        [TOOL, loss, str(temperature), str(MARGIN), str(len(mine)), str(COLUMNS), str(window), *names],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return float(done.stdout), numpy.fromfile(names[-1], "f4").reshape(ROWS, COLUMNS)


def compare(folder, name, temperature, with_memory, window):
    rng = numpy.random.default_rng(ROWS + window)
    z = rng.standard_normal((ROWS, COLUMNS)).astype("f4")
    memory = rng.standard_normal((MEMORY if with_memory else 0, COLUMNS))
    memory = (memory / numpy.linalg.norm(memory, axis=1, keepdims=True)).astype("f4")
    times = rng.integers(0, 1000, ROWS + len(memory))
    labels = numpy.concatenate([numpy.repeat(rng.integers(-1, 9, ROWS // 2), 2), rng.integers(0, 9, len(memory))])
    labels = labels.astype("i4")
    loss, gradient = compute_here(folder, name, temperature, window, z, memory, times, labels)

    z = torch.from_numpy(z).double().requires_grad_()
    facts = torch.from_numpy(labels) if name == "supervised" else None
    problem = Problem(z, torch.from_numpy(memory).double(), torch.from_numpy(times), facts, window)
    expected = LOSSES[name](problem, temperature)
    expected.backward()
    error = abs(loss - expected.item())
    theirs = z.grad.numpy()
    gradient_error = numpy.linalg.norm(gradient - theirs) / numpy.linalg.norm(theirs)
    fine = error < TOLERANCE and gradient_error < TOLERANCE
    print(
        f"{name}, temperature {temperature}{', memory' if with_memory else ''}{', neighbours' if window else ''}: "
        f"{expected.item():.5f}, {error:.1e} apart; gradient {gradient_error:.1e}{'' if fine else '  FAILED'}"
    )
    return fine


def main():
    with tempfile.TemporaryDirectory() as folder:
        cases = itertools.product(LOSSES, (0.1, 0.5), (False, True), (0, WINDOW))
        results = [compare(folder, *case) for case in cases]
    return 0 if all(results) else 1


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
