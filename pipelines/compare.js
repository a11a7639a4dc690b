#!/usr/bin/env -S gjs -m
// Says how alike two pictures are to an encoder: the cosine of their embeddings, 1 at most.
// SPDX-License-Identifier: LGPL-2.1-or-later
//
//   pipelines/compare.js encoder.safetensors a.jpg b.jpg
import GLib from 'gi://GLib';
import Gst from 'gi://Gst?version=1.0';
import 'gi://GstApp?version=1.0'; // gives appsink its methods
import Simclr from 'gi://Simclr?version=1.0';
import System from 'system';

Gst.init(null);

// The first frame of a picture or a video, as the encoder wants it.
function readView(path, weights) {
    const pipeline = Gst.parse_launch('filesrc name=source ! decodebin ! videoconvert ! ' +
        'video/x-raw,format=RGBx ! appsink name=sink sync=false max-buffers=1');
    pipeline.get_by_name('source').location = path;
    pipeline.set_state(Gst.State.PLAYING);
    const failed = pipeline.get_state(20 * Gst.SECOND)[0] === Gst.StateChangeReturn.FAILURE;
    const sample = failed ? null : pipeline.get_by_name('sink').try_pull_sample(20 * Gst.SECOND);
    pipeline.set_state(Gst.State.NULL);
    if (sample === null)
        throw new Error(`${path} shows no picture`);
    const structure = sample.get_caps().get_structure(0);
    const [width, height] = ['width', 'height'].map(name => structure.get_int(name)[1]);
    const buffer = sample.get_buffer();
    const pixels = new GLib.Bytes(buffer.extract_dup(0, buffer.get_size()));
    return Simclr.evaluation_view_to_bytes(pixels, width, height, 4 * width, Simclr.PixelFormat.RGBX,
        weights.get_input_size(), weights.get_normalization());
}

function main([location, ...paths]) {
    if (paths.length !== 2)
        throw new Error('usage: compare.js encoder.safetensors a.jpg b.jpg');
    const weights = Simclr.Weights.load(location);
    const encoder = new Simclr.Encoder({weights});
    const [a, b] = paths.map(path => {
        const bytes = encoder.encode_bytes(readView(path, weights), Simclr.Output.REPRESENTATION);
        const data = bytes.toArray();
        return new Float32Array(data.buffer, data.byteOffset, data.length / 4);
    });
    const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
    print((dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))).toFixed(3));
}

try {
    main(ARGV);
} catch (error) {
    printerr(`compare.js: ${error.message}`);
    System.exit(1);
}
