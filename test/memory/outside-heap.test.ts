import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

const source = (path: string): string => new URL(`../../${path}`, import.meta.url).href

/** Prints, per batch of objects made and dropped, how often the collector ran over the whole heap. */
const PROGRAM = `
  import { generateKeyPairSync } from 'node:crypto'
  import { constants, PerformanceObserver } from 'node:perf_hooks'
  import { setTimeout } from 'node:timers/promises'
  import { privateKeyOf } from '${source('src/signing/ed25519.ts')}'
  import { parseSpki } from '${source('src/tuf/asn1/spki.ts')}'
  import { parseCertificateBundle } from '${source('src/tuf/asn1/x509.ts')}'
  import { makeRootKey } from '${source('test/support/test-key.ts')}'

  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ format: 'der', type: 'spki' })
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
  const pem = Buffer.from(makeRootKey('example.org/a', Date.now()).entry.keyval.public, 'base64')
  const makers = {
    publicKey: () => parseSpki(spki),
    privateKey: () => privateKeyOf(Buffer.from(pkcs8)),
    certificate: () => parseCertificateBundle(pem),
  }
  let looks = 0
  new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) looks += Number(detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR)
  }).observe({ entryTypes: ['gc'] })
  const found = {}
  for (const [name, count] of JSON.parse(process.argv[1])) {
    looks = 0
    for (let number = 0; number < count; number += 1) makers[name]()
    await setTimeout(300)
    ;(found[name] ??= []).push(looks)
  }
  console.log(JSON.stringify(found))
`

test('the collector learns what keys and certificates take outside the heap, and collects them', async () => {
  const makers = { publicKey: [2_000, 1_000], privateKey: [2_000, 1_000], certificate: [1_000, 1_000] }
  const made = Object.entries(makers).flatMap(([name, counts]) => counts.map((count) => [name, count]))
  const options = ['--input-type=module', '--eval', PROGRAM, JSON.stringify(made)]
  const { stdout } = await promisify(execFile)(process.execPath, options)
  assert.deepEqual(JSON.parse(stdout), { publicKey: [0, 1], privateKey: [0, 1], certificate: [0, 1] })
})
