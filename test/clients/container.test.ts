import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, rm, utimes } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { at, list, manifest, text, type Value } from '../support/manifests.ts'
import { freePort } from '../support/free-port.ts'
import { baseImage } from './support/base-image.ts'
import { Engine } from './support/engine.ts'
import { NotaryClient } from './support/notary.ts'
import { containerArguments, Volumes } from './support/pod.ts'
import { runProgram, skipWithout, succeeded, type Outcome } from './support/tools.ts'

const skip = skipWithout('docker', 'dockerd', 'docker-registry', 'notary', 'npm')
const ROOT = join(import.meta.dirname, '..', '..')
const GUN = 'example.org/container/app'

let engine: Engine

/** The builder inside the engine, which needs no docker plugin. */
function docker(...args: string[]): Promise<Outcome> {
  return runProgram('docker', args, { DOCKER_HOST: engine.host, HOME: engine.directory, DOCKER_BUILDKIT: '0' })
}

before(async () => {
  if (skip !== false) return
  engine = await Engine.start({ storage: 'best' })
  const tar = await baseImage()
  const [base = '', ...others] = basesOf(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))
  succeeded(await docker('import', '--change', 'ENV PATH=/usr/local/bin:/usr/bin:/bin', tar, base))
  for (const other of others) succeeded(await docker('tag', base, other))
  await rm(dirname(tar), { recursive: true })
  succeeded(await docker('build', '--network=host', '--tag', 'countersign', ROOT))
})
after(async () => {
  if (skip !== false) return
  await docker('rm', '--force', 'server')
  await engine.stop()
})

test('the image has the Node version that the packages pin', () => {
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    devDependencies: { node: string }
  }
  for (const base of basesOf(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')))
    assert.match(base, new RegExp(`^node:${devDependencies.node.replaceAll('.', '[.]')}-`))
})

test('without authentication or an explicit setting, the container refuses to listen', { skip }, async () => {
  const { code, stderr } = await docker('run', '--rm', '--network=host', 'countersign')
  assert.equal(code, 2)
  assert.match(stderr, /anybody who reaches it could write and delete/)
})

test('with nothing writable but a volume, notary publishes, and a restart loses nothing', { skip }, async () => {
  const port = await freePort()
  const rights = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges']
  const settings = [`LISTEN_PORT=${port}`, 'LISTEN_WITHOUT_AUTHENTICATION=anyone-may-write']
  const environment = settings.flatMap((setting) => ['--env', `COUNTERSIGN_${setting}`])
  const volume = ['--volume', 'countersign:/var/lib/countersign']
  succeeded(
    await docker(
      ...['run', '--detach', '--name=server', '--network=host'],
      ...rights,
      ...volume,
      ...environment,
      'countersign',
    ),
  )
  await ready(1)
  const caFile = join(engine.directory, 'ca.crt')
  succeeded(await docker('cp', 'server:/var/lib/countersign/keys/tls/ca.crt', caFile))
  const notary = await NotaryClient.create({ url: `https://localhost:${port}`, caFile })
  try {
    await notary.run('init', '-p', GUN)
    await notary.run('add', '-p', GUN, 'v1', caFile)
    assert.match(await command('id'), /^uid=65532/)
    // Compiled code is kept for the next start.
    succeeded(await docker('cp', 'server:/var/lib/countersign/compiled', join(engine.directory, 'compiled')))
    succeeded(await docker('stop', 'server'))
    const { stdout } = succeeded(await docker('inspect', '--format={{.State.ExitCode}}', 'server'))
    assert.equal(stdout.trim(), '0')
    const alone = ['run', '--rm', '--network=none', ...volume, '--env=COUNTERSIGN_LISTEN_HOST=localhost']
    const checked = succeeded(await docker(...alone, 'countersign', 'check'))
    assert.match(checked.stdout, /^1 repository, .*: sound$/m)
    succeeded(await docker('start', 'server'))
    await ready(2)
    assert.deepEqual(await notary.list(GUN), ['v1 targets'])
    assert.match(await command('countersign', 'repo', 'list'), new RegExp(GUN))
    assert.match(await command('countersign', 'check'), /^1 repository, .*: sound$/m)
  } finally {
    await notary.remove()
  }
})

test('the pods of docs/kubernetes serve, and are backed up, restored and replaced', { skip }, async () => {
  succeeded(await docker('rm', '--force', 'server'))
  const pod = at(manifest('countersign.yaml', 'StatefulSet'), 'spec.template.spec') ?? ''
  const secret = { passphrase: 'a passphrase for the keyring' }
  const volumes = await Volumes.create(
    join(engine.directory, 'volumes'),
    Number(text(pod, 'securityContext.fsGroup')),
    secret,
  )
  const port = await freePort()
  await start(pod, volumes, port)
  await ready(1)
  assert.match(await command('id'), /^uid=65532 gid=65532/)
  const ca = await command('cat', '/var/lib/countersign/keys/tls/ca.crt')
  const { path } = at(pod, 'containers.0.livenessProbe.httpGet') as Record<string, string>
  const servername = 'countersign.countersign.svc'
  const asked = get({ host: '127.0.0.1', port, path, ca, servername })
  const [probe] = (await once(asked, 'response')) as [IncomingMessage]
  assert.equal(probe.resume().statusCode, 200)

  await command('countersign', 'user', 'add', 'alice', '--no-password')
  const backups = volumes.path('backups')
  const old = join(backups, '2020-01-01-023000')
  await mkdir(old)
  await utimes(old, 0, 0)
  const words = list(manifest('backup.yaml', 'CronJob'), 'spec.jobTemplate.spec.template.spec.containers.0.args')
  assert.deepEqual(words.slice(0, 4), ['exec', 'countersign-0', `--container=${text(pod, 'containers.0.name')}`, '--'])
  await command(...(words.slice(4) as string[]))
  const [backup = '', ...others] = await readdir(backups)
  assert.match(backup, /^2\d{3}-\d\d-\d\d-\d{6}$/)
  assert.deepEqual(others, [])
  await command('countersign', 'user', 'add', 'bob', '--no-password')
  succeeded(await docker('stop', 'server'))
  assert.equal(succeeded(await docker('inspect', '--format={{.State.ExitCode}}', 'server')).stdout.trim(), '0')

  await start(at(manifest('maintenance.yaml', 'Pod'), 'spec') ?? '', volumes, port)
  const page = readFileSync(join(ROOT, 'docs/KUBERNETES.md'), 'utf8')
  const [, typed = ''] = /^```sh\nbackup=.*\n([^]*?)^```$/m.exec(page) ?? []
  assert.match(await command('sh', '-ec', `backup=/backups/${backup}\n${typed}`), /: sound$/m)
  await start(pod, volumes, port)
  await ready(1)
  assert.match(await command('countersign', 'user', 'list'), /alice/)
  assert.doesNotMatch(await command('countersign', 'user', 'list'), /bob/)
})

/** Starts a pod of docs/kubernetes in the place of the one before. @param pod its `spec` */
async function start(pod: Value, volumes: Volumes, port: number): Promise<void> {
  await docker('rm', '--force', 'server')
  const settings = at(manifest('countersign.yaml', 'ConfigMap'), 'data') as Record<string, string>
  const environment = { ...settings, COUNTERSIGN_LISTEN_PORT: `${port}` }
  const [entrypoint, ...words] = list(pod, 'containers.0.command') as string[]
  succeeded(
    await docker(
      ...['run', '--detach', '--name=server', '--hostname=countersign-0', '--network=host'],
      ...containerArguments(pod, volumes),
      ...Object.entries(environment).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
      ...(entrypoint === undefined ? [] : [`--entrypoint=${entrypoint}`]),
      ...['countersign', ...words],
    ),
  )
}

async function command(...words: string[]): Promise<string> {
  return succeeded(await docker('exec', 'server', ...words)).stdout
}

/** Waits for the log, a minute or more, since a command that finds no server would open the database itself. */
async function ready(starts: number): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    const { stdout } = succeeded(await docker('logs', 'server'))
    if (stdout.split('"msg":"ready"').length > starts) return
    await pause(100)
  }
  throw new Error(`it does not get ready: ${(await docker('logs', 'server')).text}`)
}

function basesOf(dockerfile: string): string[] {
  return [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, base = '']) => base)
}
