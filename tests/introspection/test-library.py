#!/usr/bin/python3
"""libsimclr as a Python programmer meets it, without a pipeline.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import array
import math
import os
import random
import sys
import tempfile

import gi

gi.require_version('Simclr', '1.0')
from gi.repository import GLib, GObject, Simclr

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))
import tap

SIZE = 8


def make_weights(seed=1, **changes):
    settings = dict(architecture=Simclr.Architecture.RESNET18, width=0.125, stem=Simclr.Stem.CIFAR,
                    input_size=SIZE, seed=seed) | changes
    return Simclr.Weights.new_random(*settings.values())


def make_encoder(weights):
    return Simclr.Encoder.new(weights, Simclr.Provider.AUTO, Simclr.Precision.FLOAT32, 1)


def make_pictures(count, seed=1):
    draw = random.Random(seed)
    return array.array('f', [draw.random() for _ in range(count * SIZE * SIZE * 3)])


def error_of(function, *arguments):
    try:
        function(*arguments)
    except GLib.Error as error:
        return error
    raise AssertionError('no error')


def test_enums_have_the_names_that_pipelines_use():
    def nicks(enum):
        return [value.value_nick for value in enum.__enum_values__.values()]

    assert nicks(Simclr.Architecture) == [f'resnet{n}' for n in (18, 34, 50, 101, 152)]
    assert 'nt-xent' in nicks(Simclr.Loss), nicks(Simclr.Loss)
    assert nicks(Simclr.Optimizer) == ['lars', 'sgd', 'adamw']
    assert nicks(Simclr.Stem) == ['auto', 'imagenet', 'cifar']


def test_weights_say_what_they_are():
    weights = make_weights()
    assert weights.get_architecture() == Simclr.Architecture.RESNET18
    assert weights.get_width() == 0.125
    assert weights.get_input_size() == SIZE
    assert weights.get_step() == 0
    assert weights.get_embedding_size(Simclr.Output.REPRESENTATION) == 64


def test_an_encoder_takes_an_array_of_floats():
    encoder = make_encoder(make_weights())
    pictures = make_pictures(3)
    embeddings = encoder.encode(pictures, Simclr.Output.REPRESENTATION)
    assert len(embeddings) == 3 * 64
    assert all(map(math.isfinite, embeddings)) and any(embeddings)
    one = encoder.encode(pictures[SIZE * SIZE * 3:2 * SIZE * SIZE * 3],
                         Simclr.Output.REPRESENTATION)
    assert max(abs(a - b) for a, b in zip(one, embeddings[64:128])) < 1e-5


def test_seeds_make_weights_and_weights_make_embeddings():
    def embed(seed):
        encoder = make_encoder(make_weights(seed))
        return encoder.encode(make_pictures(1), Simclr.Output.REPRESENTATION)

    assert embed(1) == embed(1)
    assert embed(1) != embed(2)


def test_a_saved_encoder_comes_back():
    weights = make_weights()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'encoder.safetensors')
        assert weights.save(path)
        loaded = Simclr.Weights.load(path)
    assert loaded.get_width() == weights.get_width()
    pictures = make_pictures(1)
    assert (make_encoder(loaded).encode(pictures, Simclr.Output.REPRESENTATION)
            == make_encoder(weights).encode(pictures, Simclr.Output.REPRESENTATION))


def test_an_encoder_is_exported():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'encoder.onnx')
        error = error_of(make_weights().export_onnx, path, Simclr.Output.PROJECTION)
        assert error.matches(Simclr.error_quark(), Simclr.Error.MISMATCH), error
        try:
            assert make_weights().export_onnx(path, Simclr.Output.REPRESENTATION)
        except GLib.Error as unsupported:
            raise tap.Skip(unsupported.message)
        with open(path + '.modelinfo') as file:
            assert f'dims=-1,3,{SIZE},{SIZE}' in file.read()


def test_bytes_of_a_picture_become_a_view():
    pixels = GLib.Bytes.new(bytes(range(SIZE * SIZE)))
    view = Simclr.evaluation_view(pixels, SIZE, SIZE, SIZE, Simclr.PixelFormat.GRAY8, SIZE,
                                  Simclr.Normalization.NONE)
    assert len(view) == SIZE * SIZE * 3
    for k, value in enumerate(view):
        assert abs(value - k // 3 / 255) < 1e-6
    wide = GLib.Bytes.new(bytes([200]) * (40 * 30 * 3))
    view = Simclr.evaluation_view(wide, 40, 30, 120, Simclr.PixelFormat.RGB, SIZE,
                                  Simclr.Normalization.AUTO)
    assert all(abs(value - 200 / 255) < 1e-4 for value in view)
    assert len(make_encoder(make_weights()).encode(view, Simclr.Output.REPRESENTATION)) == 64


def test_an_encoder_is_made_with_properties():
    weights = make_weights()
    encoder = Simclr.Encoder(weights=weights, precision=Simclr.Precision.FLOAT32, threads=1, nice=3)
    pictures = make_pictures(2)
    assert encoder.encode(pictures, 0) == make_encoder(weights).encode(pictures, 0)
    assert encoder.props.weights.get_width() == 0.125 and encoder.props.nice == 3
    assert encoder.props.provider != Simclr.Provider.AUTO


def test_an_encoder_without_weights_says_so():
    for call in (lambda encoder: encoder.encode([0.5] * 192, 0), lambda encoder: encoder.forward([0.5] * 384),
                 lambda encoder: encoder.encode_bytes(GLib.Bytes.new(bytes(768)), 0)):
        error = error_of(call, Simclr.Encoder())
        assert error.matches(Simclr.error_quark(), Simclr.Error.VALUE) and 'no weights' in error.message, error
    encoder = Simclr.Encoder(precision=Simclr.Precision.FLOAT32, threads=1)
    encoder.set_nice(1)
    encoder.set_microbatch_size(2)
    assert encoder.get_weights() is None and encoder.props.weights is None
    assert encoder.get_embedding_size(Simclr.Output.REPRESENTATION) == 0
    assert encoder.set_weights(make_weights())
    pictures = make_pictures(1)
    assert encoder.encode(pictures, 0) == make_encoder(make_weights()).encode(pictures, 0)


def test_a_forward_pass_that_no_encoder_made_is_an_error():
    forward = Simclr.ForwardPass()
    assert forward.get_embeddings() == [] and forward.get_encoder() is None
    for error in error_of(forward.backward, []), error_of(Simclr.Trainer().step, forward):
        assert error.matches(Simclr.error_quark(), Simclr.Error.SHAPE), error


def test_bytes_are_as_good_as_arrays():
    encoder = make_encoder(make_weights())
    pictures = make_pictures(3)
    embeddings = encoder.encode_bytes(GLib.Bytes.new(pictures.tobytes()), Simclr.Output.REPRESENTATION)
    assert embeddings.get_size() == 3 * 64 * 4
    wanted = encoder.encode(pictures, Simclr.Output.REPRESENTATION)
    assert array.array('f', embeddings.get_data()).tolist() == wanted
    forward = encoder.forward_bytes(GLib.Bytes.new(pictures.tobytes()[:2 * SIZE * SIZE * 3 * 4]))
    assert forward.get_n_views() == 2 and forward.get_crops_per_pair() == 0
    del forward
    views = GLib.Bytes.new(pictures.tobytes()[:2 * SIZE * SIZE * 3 * 4])
    crops = GLib.Bytes.new(pictures.tobytes()[:3 * 4 * 4 * 3 * 4])
    forward = encoder.forward_crops(views, crops, 3)
    assert forward.get_n_views() == 2 and forward.get_crops_per_pair() == 3
    assert len(forward.get_embeddings()) == (2 + 3) * encoder.get_embedding_size(Simclr.Output.REPRESENTATION)
    del forward
    assert 'square crops' in str(error_of(encoder.forward_crops, views, crops, 2))
    for length in (0, 3, 4, SIZE * SIZE * 3 * 4 + 2):
        error = error_of(encoder.encode_bytes, GLib.Bytes.new(bytes(length)), Simclr.Output.REPRESENTATION)
        assert error.matches(Simclr.error_quark(), Simclr.Error.SHAPE), error
    pixels = GLib.Bytes.new(bytes(range(40)) * 90)
    place = (40, 30, 120, Simclr.PixelFormat.RGB, SIZE, Simclr.Normalization.IMAGENET)
    view = Simclr.evaluation_view_to_bytes(pixels, *place)
    assert array.array('f', view.get_data()).tolist() == Simclr.evaluation_view(pixels, *place)


def test_views_are_made_of_bytes():
    augment = Simclr.Augment(size=16, jitter_probability=0, grayscale_probability=0, blur_probability=0,
                             flip_probability=1, min_area=1, min_aspect=1, max_aspect=1)
    pixels = bytes(random.Random(1).randrange(256) for _ in range(16 * 16 * 3))
    draw = augment.draw(5, 1, 16, 16)
    assert draw.flip and (draw.crop_width, draw.crop_height) == (16, 16)
    view = augment.apply(GLib.Bytes.new(pixels), 16, 16, 48, Simclr.PixelFormat.RGB, draw).get_data()
    rows = [pixels[y * 48:y * 48 + 48] for y in range(16)]
    assert view == b''.join(row[x * 3:x * 3 + 3] for row in rows for x in reversed(range(16)))
    error = error_of(augment.apply, GLib.Bytes.new(pixels[1:]), 16, 16, 48, Simclr.PixelFormat.RGB, draw)
    assert error.matches(Simclr.error_quark(), Simclr.Error.SHAPE), error
    error = error_of(augment.apply, GLib.Bytes.new(pixels), 8, 8, 24, Simclr.PixelFormat.RGB, draw)
    assert '16' in error.message, error


def test_too_few_bytes_are_an_error():
    for length, stride in ((40 * 30 * 3 - 1, 120), (0, 120), (29 * 200 + 119, 200)):
        error = error_of(Simclr.evaluation_view, GLib.Bytes.new(bytes(length)), 40, 30, stride,
                         Simclr.PixelFormat.RGB, SIZE, Simclr.Normalization.NONE)
        assert error.matches(Simclr.error_quark(), Simclr.Error.SHAPE), error
    # the padding after the last row may be missing
    Simclr.evaluation_view(GLib.Bytes.new(bytes(29 * 200 + 120)), 40, 30, 200,
                           Simclr.PixelFormat.RGB, SIZE, Simclr.Normalization.NONE)


def test_errors_carry_domain_code_and_words():
    quark = Simclr.error_quark()
    encoder = make_encoder(make_weights())
    error = error_of(encoder.encode, [0.5] * 7, Simclr.Output.REPRESENTATION)
    assert error.matches(quark, Simclr.Error.SHAPE) and '7' in error.message, error
    error = error_of(lambda: make_weights(width=-1))
    assert error.matches(quark, Simclr.Error.VALUE) and '-1' in error.message, error
    error = error_of(Simclr.Weights.load, __file__)
    assert error.matches(quark, Simclr.Error.FORMAT) and __file__ in error.message, error
    error = error_of(Simclr.Weights.load, '/does/not/exist')
    assert error.matches(GLib.quark_from_string('g-file-error-quark'), GLib.FileError.NOENT), error
    error = error_of(encoder.set_weights, make_weights(width=0.25))
    assert error.matches(quark, Simclr.Error.MISMATCH), error


def test_a_model_hands_over_the_newest_weights():
    model = Simclr.Model.new()
    assert model.take() is None
    before = model.get_version()
    model.publish(make_weights(1))
    model.publish(make_weights(2))
    assert model.get_version() == before + 2
    taken = make_encoder(model.take()).encode(make_pictures(1), Simclr.Output.REPRESENTATION)
    wanted = make_encoder(make_weights(2)).encode(make_pictures(1), Simclr.Output.REPRESENTATION)
    assert taken == wanted


def test_training_lowers_the_loss():
    trainer = Simclr.Trainer(optimizer=Simclr.Optimizer.SGD, learning_rate=0.05, temperature=0.5,
                             learning_rate_scaling=Simclr.LearningRateScaling.NONE,
                             schedule=Simclr.Schedule.CONSTANT, warmup_steps=0, weight_decay=0,
                             projection_size=16)
    encoder = make_encoder(make_weights())
    pictures = make_pictures(8)
    picture = SIZE * SIZE * 3
    views = array.array('f')
    for pair in range(8):  # the second view is a little darker
        one = pictures[pair * picture:(pair + 1) * picture]
        views.extend(one)
        views.extend(array.array('f', [value * 0.8 for value in one]))
    losses = []
    for step in range(12):
        forward = encoder.forward(views)
        assert forward.get_n_views() == 16
        ok, statistics = trainer.step(forward)
        del forward  # the encoder waits for it to come back
        assert ok and statistics.step == step + 1 and not statistics.was_skipped
        losses.append(statistics.loss)
    assert losses[0] < math.log(15) + 0.5, losses  # 15 candidates to confuse a view with
    assert losses[-1] < losses[0] - 0.3, losses
    assert trainer.props.step == 12
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'checkpoint.safetensors')
        assert trainer.save(path)
        assert Simclr.Weights.load(path).get_step() == 12


def test_neighbours_vote():
    train = array.array('f', [1, 0, 0.9, 0.1, 0, 1, 0.1, 0.9])
    predictions = Simclr.knn_classify(train, [7, 7, 3, 3], array.array('f', [1, 0.2, 0.2, 1]), 2, 0.1)
    assert list(predictions) == [7, 3], predictions


def test_a_classifier_is_taught_and_asked():
    for method in Simclr.ClassifierMethod.KNN, Simclr.ClassifierMethod.LINEAR, Simclr.ClassifierMethod.PROTOTYPE:
        classifier = Simclr.Classifier(method=method)
        assert classifier.teach(array.array('f', [1, 0, 0.9, 0.1, 0, 1, 0.1, 0.9]), ['cat', 'cat', '犬', '犬'])
        assert classifier.get_labels() == ['cat', '犬'] and classifier.get_n_examples('犬') == 2
        assert classifier.fit()
        assert classifier.predict([1, 0.2, 0.2, 1]) == ['cat', '犬']
        scores = classifier.classify([1, 0.2, 0.2, 1])
        assert len(scores) == 4 and scores[0] > 0.5 and abs(scores[0] + scores[1] - 1) < 1e-5, scores
        near, far = classifier.get_novelty([1, 0.05, -1, -1])
        assert near < 1 < far, (near, far)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'classifier.safetensors')
            assert classifier.save(path)
            loaded = Simclr.Classifier()
            assert loaded.load(path) and loaded.props.method == method
            assert loaded.predict([1, 0.2, 0.2, 1]) == ['cat', '犬']
        assert classifier.unlearn('cat') == 2
        error = error_of(classifier.teach, [1, 2, 3], ['cat'])
        assert error.matches(Simclr.error_quark(), Simclr.Error.SHAPE), error


def test_confusion_is_counted():
    confusion = Simclr.Confusion.new()
    confusion.add('cat', ['cat', 'dog'], [0.7, 0.3])
    confusion.add('dog', ['cat', 'dog'], [0.7, 0.3])
    assert confusion.get_top(1) == 0.5 and confusion.get_top(5) == 1
    assert confusion.get_labels() == ['cat', 'dog'] and list(confusion.get_cells()) == [1, 0, 1, 0]
    assert confusion.get_class('cat') == (1, 1.0, 0.5)


def test_moments_are_stored_and_found():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'index')
        index = Simclr.Index.open(path, 1000)
        for second in range(20):
            pixels = GLib.Bytes.new(bytes([second, 0, 0])) if second % 2 else None
            assert index.add(array.array('f', [1, second / 10]), second * 10**9, 'door', 'a.webm', pixels,
                             second % 2, second % 2)
        index.props.encoder = 'resnet18'
        error = error_of(Simclr.Index.open, path, 0)
        assert error.matches(Simclr.error_quark(), Simclr.Error.BUSY), error
        reader = Simclr.Index.open_readonly(path)
        assert reader.get_n_entries() == 20 and reader.get_streams() == ['door']
        found = reader.search([1, 0.71], 3, 'door', GLib.MININT64, GLib.MAXINT64, 2 * 10**9)
        assert [match.time // 10**9 for match in found] == [7, 9, 5], [match.time for match in found]
        assert found[0].similarity > 0.9999 > found[1].similarity and found[0].source == 'a.webm'
        assert found[0].thumbnail.get_data() == bytes([7, 0, 0]) and found[0].thumbnail_width == 1
        moment = reader.find(11 * 10**9, None)
        embedding = reader.get_embedding(moment.number)
        assert abs(embedding[1] / embedding[0] - 1.1) < 1e-5
        error = error_of(reader.search, [1, 2, 3], 1, None, 0, 1, 0)
        assert error.matches(Simclr.error_quark(), Simclr.Error.SHAPE), error


def test_properties_are_described():
    for cls in (Simclr.Augment, Simclr.Encoder, Simclr.Trainer, Simclr.Classifier, Simclr.Index):
        for spec in cls.list_properties():
            assert spec.blurb and spec.blurb.strip(), f'{cls.__name__}.{spec.name}'
            if spec.flags & GObject.ParamFlags.READABLE:
                cls().get_property(spec.name)


def test_a_summary_writer_takes_a_dictionary_apart():
    with tempfile.TemporaryDirectory() as folder:
        try:
            writer = Simclr.SummaryWriter.new(folder, 1)
        except GLib.Error as error:
            assert error.matches(Simclr.error_quark(), Simclr.Error.UNSUPPORTED), error
            raise tap.Skip('event files were not built')
        numbers = {'train/contrast_loss': 4.5, 'learning_rate': 0.1}
        before = os.path.getsize(writer.get_path())
        assert writer.add_scalars(1, list(numbers), list(numbers.values()))
        assert os.path.getsize(writer.get_path()) > before + 40
        assert error_of(writer.add_scalars, 1, ['one'], [1, 2]).code == Simclr.Error.SHAPE


tap.run(globals())
