import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROUTES } from '../src/http/routes.ts'
import { describeSettings, loadSettings } from '../src/settings/load.ts'
import type { Settings } from '../src/settings/schema.ts'
import { at, list, manifest, text } from './support/manifests.ts'

const dockerfile = readFileSync(join(import.meta.dirname, '..', 'Dockerfile'), 'utf8')
const inImage = Object.fromEntries(
  [...dockerfile.matchAll(/(COUNTERSIGN_\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value]),
)
const dataOf = (file: string): Record<string, string> =>
  at(manifest(file, 'ConfigMap'), 'data') as Record<string, string>
const [, user = '', group = ''] = /^USER (\d+):(\d+)$/m.exec(dockerfile) ?? []

const server = manifest('countersign.yaml', 'StatefulSet')
const POD = 'spec.template.spec'
const CONTAINER = `${POD}.containers.0`

/** Loads what a container of the image gets. @throws TrustError for unknown and contradictory settings */
function settingsOf(...files: string[]): Settings {
  return loadSettings({ environment: Object.assign({}, inImage, ...files.map(dataOf)) as Record<string, string> })
}

test('the settings of the Kubernetes manifests are valid, with and without the admin API', () => {
  const { listen, tls, passphraseFile = '' } = settingsOf('countersign.yaml')
  assert.equal(listen.port, Number(text(server, `${CONTAINER}.ports.0.containerPort`)))
  const [secret = ''] = list(server, `${CONTAINER}.volumeMounts`).filter((each) => text(each, 'name') === 'passphrase')
  assert.equal(passphraseFile, join(text(secret, 'mountPath'), 'passphrase'))

  const { admin } = settingsOf('countersign.yaml', 'admin.yaml')
  assert.equal(admin.listen?.port, Number(text(manifest('admin.yaml', 'Service'), 'spec.ports.0.targetPort')))
  const sources = list(server, `${CONTAINER}.envFrom`).map((each) => text(each, 'configMapRef.name'))
  assert.deepEqual(
    sources,
    ['countersign.yaml', 'admin.yaml'].map((file) => text(manifest(file, 'ConfigMap'), 'metadata.name')),
  )
  for (const file of ['countersign.yaml', 'admin.yaml']) {
    const service = manifest(file, 'Service')
    const name = `${text(service, 'metadata.name')}.${text(service, 'metadata.namespace')}.svc`
    assert.ok(tls.names.includes(name), `${name} is not in tls.names`)
  }
  const policy = list(manifest('admin.yaml', 'NetworkPolicy'), 'spec.ingress').map((rule) => text(rule, 'ports.0.port'))
  assert.deepEqual(policy, [`${listen.port}`, `${admin.listen?.port}`])
})

test('docs/KUBERNETES.md names no setting that does not exist', () => {
  const known = describeSettings({ environment: {} }).map(({ environment }) => environment)
  const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'KUBERNETES.md'), 'utf8')
  assert.deepEqual(
    (page.match(/COUNTERSIGN_\w+/g) ?? []).filter((each) => !known.includes(each)),
    [],
  )
})

test('the Kubernetes manifests fit the image: user, port, paths, probes, and time to stop', () => {
  assert.equal(text(server, `${POD}.securityContext.fsGroup`), group)
  const backup = at(manifest('backup.yaml', 'CronJob'), `spec.jobTemplate.${POD}`) ?? ''
  for (const pod of [at(server, POD) ?? '', backup]) {
    assert.equal(text(pod, 'securityContext.runAsUser'), user)
    // A kubelet takes the user from the image, but not the group.
    assert.equal(text(pod, 'securityContext.runAsGroup'), group)
  }
  assert.match(dockerfile, new RegExp(`^EXPOSE ${text(server, `${CONTAINER}.ports.0.containerPort`)}$`, 'm'))
  assert.match(dockerfile, new RegExp(`^VOLUME ${text(server, `${CONTAINER}.volumeMounts.0.mountPath`)}$`, 'm'))
  const seconds = settingsOf('countersign.yaml').shutdownSeconds
  assert.ok(Number(text(server, `${POD}.terminationGracePeriodSeconds`)) > seconds)
  for (const probe of ['startupProbe', 'livenessProbe']) {
    const path = text(server, `${CONTAINER}.${probe}.httpGet.path`)
    assert.ok(
      ROUTES.some((route) => route.path === path),
      path,
    )
  }
})

test('a pod that cannot start gives way to the next one', () => {
  // In order, which is the default, a corrected image waits until the pod is ready with the wrong one.
  assert.equal(text(server, 'spec.podManagementPolicy'), 'Parallel')
})

test('the maintenance pod has the image, the rights and the volumes of the server', () => {
  const pod = manifest('maintenance.yaml', 'Pod')
  for (const part of ['image', 'securityContext'])
    assert.deepEqual(at(pod, `spec.containers.0.${part}`), at(server, `${CONTAINER}.${part}`), part)
  assert.deepEqual(at(pod, 'spec.securityContext'), at(server, `${POD}.securityContext`))
  const mounts = list(pod, 'spec.containers.0.volumeMounts').filter((each) => text(each, 'mountPath') !== '/tmp')
  assert.deepEqual(mounts, at(server, `${CONTAINER}.volumeMounts`))
  const claims = list(pod, 'spec.volumes').flatMap((each) => at(each, 'persistentVolumeClaim.claimName') ?? [])
  const name = `${text(server, 'metadata.name')}-0`
  assert.deepEqual(
    claims,
    list(server, 'spec.volumeClaimTemplates').map((each) => `${text(each, 'metadata.name')}-${name}`),
  )
  assert.deepEqual(at(pod, 'spec.volumes.2'), at(server, `${POD}.volumes.0`))
})
