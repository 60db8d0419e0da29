import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { parseScopes } from '../../src/access/scope.ts'
import { tokenServices, type ServiceTokens } from '../access/service-tokens.ts'
import { DockerClient } from './support/docker.ts'
import { Engine } from './support/engine.ts'
import { Stage } from './support/stage.ts'
import { skipWithout } from './support/tools.ts'

const PASSWORD = 'correct horse'
const IDENTITY = 'an identity token'
/** What each user may do, in all repositories. */
const USERS: Readonly<Record<string, readonly string[]>> = {
  alice: ['pull', 'push'],
  bob: ['pull'],
  owner: ['pull', 'push', 'delete', '*'],
}

describe('an external token service', { skip: skipWithout('notary', 'docker', 'dockerd', 'docker-registry') }, () => {
  /** The form of its tokens; each test has another. */
  let tokens: ServiceTokens | undefined
  /** The server's clock, which stands still: by the real one, tokens would not be valid yet after a minute. */
  let now = 0
  const service = createServer((request, response) => {
    void answer(request).then((body) => {
      if (body === undefined) response.writeHead(401, { 'www-authenticate': 'Basic realm="service"' })
      response.end(JSON.stringify(body ?? { details: 'who are you?' }))
    })
  })
  let engine: Engine
  before(async () => {
    engine = await Engine.start()
    service.listen(0, '127.0.0.1')
    await once(service, 'listening')
  })
  after(async () => {
    service.close()
    await engine.stop()
  })

  /** GET with Basic credentials, or a form with an identity token. @returns undefined: the credentials are wrong */
  async function answer(request: IncomingMessage): Promise<object | undefined> {
    const asked = new URL(request.url ?? '', 'http://localhost').searchParams
    for (const [name, value] of new URLSearchParams(await text(request))) asked.append(name, value)
    const [, basic = ''] = request.headers.authorization?.split('Basic ') ?? []
    const [user = '', password] = Buffer.from(basic, 'base64').toString().split(':')
    if (tokens === undefined || asked.get('service') !== tokens.service) return undefined
    if (basic !== '' && password !== PASSWORD) return undefined
    const name = asked.get('refresh_token') === IDENTITY ? 'bob' : user
    // Like Harbor, it grants all that the user may do, whatever was asked for.
    const access = parseScopes(asked.getAll('scope')).map((scope) => ({ ...scope, actions: USERS[name] ?? [] }))
    const token = tokens.make(name, access, now)
    return { token, access_token: token, expires_in: 300 }
  }

  for (const name of ['Harbor', 'docker_auth', 'Quay']) {
    test(`notary and docker sign, read and delete with tokens in the form of ${name}'s`, async (t) => {
      tokens = (await tokenServices(Date.now())).find((each) => each.name === name)
      assert.ok(tokens)
      const [setting, content] = tokens.keys
      const file = join(engine.directory, name)
      await writeFile(file, content)
      const realm = `http://localhost:${(service.address() as AddressInfo).port}/token`
      const rules = {
        mode: 'external',
        realm,
        issuer: tokens.issuer,
        service: tokens.service,
        [setting]: file,
      } as const
      const stage = await Stage.open({ settings: { access: rules } })
      t.after(() => stage.close())
      ;({ now } = stage.server.clock)

      const notary = async (user: string | undefined, ...args: string[]): Promise<boolean> => {
        const client = await stage.client()
        client.credentials = user === undefined ? undefined : `${user}:${PASSWORD}`
        return (await client.try(...args)).code === 0
      }
      const gun = 'registry.example.com:5000/team/app'
      assert.ok(await notary('owner', 'init', '-p', gun))
      assert.ok(await notary('bob', 'list', gun))
      for (const user of [undefined, 'mallory']) assert.ok(!(await notary(user, 'list', gun)), user)
      assert.ok(!(await notary('bob', 'init', '-p', `${gun}-2`)))
      assert.ok(!(await notary('alice', 'delete', '--remote', gun)))
      assert.ok(await notary('owner', 'delete', '--remote', gun))

      const repository = `${engine.registry}/team/${name.toLowerCase()}`
      const docker = async (user: string, identity = {}): Promise<DockerClient> => {
        const client = await DockerClient.create(engine, stage, user)
        const auth = Buffer.from(`${user}:${PASSWORD}`).toString('base64')
        const config = { auths: { [engine.registry]: { auth, ...identity } } }
        await writeFile(join(client.directory, 'config.json'), JSON.stringify(config))
        return client
      }
      await engine.image(`${repository}:v1`, name)
      await (await docker('alice')).run('trust', 'sign', `${repository}:v1`)
      for (const identity of [{}, { identitytoken: IDENTITY }]) {
        await (await docker('bob', identity)).run('pull', `${repository}:v1`)
      }
      assert.match((await (await docker('mallory')).try('pull', `${repository}:v1`)).text, /not authorized/)
      const actors = [...stage.server.running.store.journal()].map(({ actor }) => actor.name)
      assert.deepEqual([...new Set(actors)].sort(), ['external:alice', 'external:owner'])
    })
  }
})
