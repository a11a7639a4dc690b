#!/usr/bin/env node
// The figures of benchmark-embed in ONNX Runtime, float32, through the npm package onnxruntime-node.
// Arguments: the model, the figures' name without the batch, the picture's size, threads, seconds.
// SPDX-License-Identifier: LGPL-2.1-or-later
'use strict'

const ort = require('onnxruntime-node')

const [model, name, size, threads, seconds] = process.argv.slice(2)
const pixels = 3 * size * size

function processorSeconds () {
  const usage = process.cpuUsage()
  return (usage.user + usage.system) / 1e6
}

async function measure (session, batch) {
  const noise = Float32Array.from({ length: batch * pixels }, () => Math.random())
  const feeds = { pictures: new ort.Tensor('float32', noise, [batch, 3, +size, +size]) }
  const times = []

  await session.run(feeds)
  await session.run(feeds)
  const begin = performance.now()
  const processor = processorSeconds()
  while (times.length < 3 || performance.now() - begin < 1000 * seconds) {
    const start = performance.now()
    await session.run(feeds)
    times.push((performance.now() - start) / batch)
  }
  const used = processorSeconds() - processor
  const sorted = Float64Array.from(times).sort()
  console.log(JSON.stringify({
    name: `${name}-batch${batch}`,
    value: sorted[sorted.length >> 1],
    unit: 'ms/picture',
    lowest: sorted[0],
    highest: sorted[sorted.length - 1],
    threads: +threads,
    provider: `ONNX Runtime ${require('onnxruntime-node/package.json').version}`,
    precision: 'float32',
    processor_seconds: used / times.length / batch,
    peak_mebibytes: Math.round(process.resourceUsage().maxRSS / 1024)
  }))
}

async function main () {
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: +threads,
    interOpNumThreads: 1
  })
  for (const batch of [1, 16]) await measure(session, batch)
}

main().catch(error => {
  console.error(String(error))
  process.exit(1)
})
