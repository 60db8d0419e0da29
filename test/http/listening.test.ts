import assert from 'node:assert/strict'
import dns from 'node:dns'
import { isIP } from 'node:net'
import { test } from 'node:test'
import { listen } from '../../src/http/server.ts'
import { settingsSchema } from '../../src/settings/schema.ts'

type Done = (error: null, found: dns.LookupAddress[]) => void

test('where localhost is both ::1 and 127.0.0.1, the server listens on 127.0.0.1, as proxies expect', async (t) => {
  const both = [
    { address: '::1', family: 6 },
    { address: '127.0.0.1', family: 4 },
  ]
  t.mock.method(dns.promises, 'lookup', async (_: string, { family }: dns.LookupOneOptions) =>
    both.find((each) => each.family === family),
  )
  // Node looks up the address to listen on.
  t.mock.method(dns, 'lookup', (host: string, _: dns.LookupAllOptions, done: Done) =>
    done(null, isIP(host) === 0 ? both : [{ address: host, family: isIP(host) }]),
  )
  const settings = settingsSchema.parse({ listen: { port: 0 } })
  const listening = await listen({ callback: () => () => undefined }, settings, undefined)
  await listening.close()
  assert.equal(listening.address, '127.0.0.1')
})
