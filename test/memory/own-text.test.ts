import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { ownText } from '../../src/memory/own-bytes.ts'

/** Keeps a piece of each of 60 texts of a megabyte; prints how many megabytes of heap they take. */
const PROGRAM = `
  import { ownText } from '${new URL('../../src/memory/own-bytes.ts', import.meta.url).href}'
  const piece = (number) => Buffer.alloc(1_000_000, 'text ' + number).toString('latin1').slice(100, 164)
  gc()
  const before = process.memoryUsage().heapUsed
  for (const keep of [(text) => text, ownText]) {
    const kept = Array.from({ length: 60 }, (_, number) => keep(piece(number)))
    gc()
    console.log(Math.round((process.memoryUsage().heapUsed - before) / 1e6), kept.length)
  }
`

test('keeping a piece of a text does not keep the whole text', async () => {
  const options = ['--expose-gc', '--input-type=module', '--eval', PROGRAM]
  const { stdout } = await promisify(execFile)(process.execPath, options)
  assert.equal(stdout, '60 60\n0 60\n')
})

test('ownText returns the same text, whatever characters it has', () => {
  for (const text of ['', 'latin ü', '中文 🙂', 'half of a pair \ud83d, and \udc00 another'])
    assert.equal(ownText(text), text)
})
