#!/usr/bin/env node
// Embeds pictures with ONNX Runtime: the model, the pictures' size, how many at once, then raw floats
// (n, 3, size, size) to raw floats (n, embedding).
// SPDX-License-Identifier: LGPL-2.1-or-later
'use strict'

const fs = require('fs')
const ort = require('onnxruntime-node')

async function main () {
  const [model, size, batch, pictures, embeddings] = process.argv.slice(2)
  const picture = 3 * size * size
  const bytes = fs.readFileSync(pictures)
  const floats = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  const session = await ort.InferenceSession.create(model, { executionProviders: ['cpu'], intraOpNumThreads: 1 })
  const parts = []

  for (let at = 0; at < floats.length; at += batch * picture) {
    const part = floats.slice(at, at + batch * picture)
    const input = new ort.Tensor('float32', part, [part.length / picture, 3, +size, +size])
    const { embedding } = await session.run({ input })
    parts.push(Buffer.from(embedding.data.buffer, embedding.data.byteOffset, embedding.data.byteLength))
  }
  fs.writeFileSync(embeddings, Buffer.concat(parts))
}

main().catch(error => {
  console.error(String(error))
  process.exit(1)
})
