import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { tokenServices, type Entry } from '../access/service-tokens.ts'
import { exchange, type Answer } from '../support/exchange.ts'
import { startTestServer } from '../support/server.ts'
import { tufPath } from '../support/upload.ts'

const NOW = Date.parse('2026-11-24T12:00:00Z')
const GUN = 'registry.example.com:5000/team/app'
const REALM = 'https://auth.example/token'

describe('tokens as these services make them', async () => {
  /** The same with other keys; Quay's have the same ids. */
  const strangers = await tokenServices(NOW)
  for (const [index, { name, issuer, service, keys, make }] of (await tokenServices(NOW)).entries()) {
    test(`${name}: they allow exactly what they say`, async (t) => {
      const directory = await mkdtemp(join(tmpdir(), 'countersign-services-'))
      t.after(() => rm(directory, { recursive: true }))
      const [setting, content] = keys
      await writeFile(join(directory, 'keys'), content)
      const access = { mode: 'external', realm: REALM, issuer, service, [setting]: join(directory, 'keys') } as const
      const server = await startTestServer({ now: NOW, transport: 'plain', settings: { access } })
      t.after(() => server.stop())

      const ask = (token: string, method: string, path: string): Promise<Answer> =>
        exchange(server, { method, path, headers: { authorization: `Bearer ${token}` } })
      const asked = [
        ['GET', tufPath(GUN, 'root.json')],
        ['POST', tufPath(GUN)],
        ['POST', tufPath(GUN, 'timestamp.key')],
        ['DELETE', tufPath(GUN)],
        ['GET', tufPath('team/app', 'root.json')],
      ] as const
      const entry = (...actions: string[]): Entry => ({ type: 'repository', name: GUN, actions })
      for (const [subject, granted, expected] of [
        ['alice', [], [401, 401, 401, 401, 401]],
        ['alice', [entry()], [401, 401, 401, 401, 401]],
        ['', [entry('pull')], [404, 401, 401, 401, 401]],
        ['alice', [entry('pull', 'push')], [404, 400, 401, 401, 401]],
        ['alice', [entry('push'), entry('pull')], [404, 400, 401, 401, 401]],
        ['alice', [entry('scanner-pull', 'delete')], [401, 401, 401, 401, 401]],
        ['robot$team+ci', [entry('push', 'pull', 'delete', '*')], [404, 400, 200, 200, 401]],
        ['alice', [{ type: 'repository', name: 'team/app', actions: ['pull'] }], [401, 401, 401, 401, 404]],
      ] as const) {
        const token = make(subject, granted, NOW)
        const answers: Answer[] = []
        for (const [method, path] of asked) answers.push(await ask(token, method, path))
        const said = `${subject} ${JSON.stringify(granted)}`
        assert.deepEqual(
          answers.map(({ status }) => status),
          expected,
          said,
        )
        const challenge = String(answers[3]?.headers['www-authenticate'])
        if (expected[3] === 401) assert.match(challenge, /,error="insufficient_scope"$/, said)
      }
      const actors = [...server.running.store.journal()].map(({ actor }) => actor.name)
      assert.deepEqual([...new Set(actors)], ['external:robot$team+ci'])
      const forged = strangers[index]?.make('alice', [entry('*')], NOW) ?? ''
      const { status, headers } = await ask(forged, 'DELETE', tufPath(GUN))
      assert.equal(status, 401)
      assert.match(String(headers['www-authenticate']), /,error="invalid_token"$/)
    })
  }
})
