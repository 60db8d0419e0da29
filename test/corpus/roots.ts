import { pem, issueCertificate } from '../support/certificate.ts'
import { certifiedKey, keyIdOf, makeKey, makeRootKey, type TestKey } from '../support/test-key.ts'
import type { TrustWorld } from '../support/trust-world.ts'
import { at, bad, change, NOW, OK, swap, uploadCase, withSnapshot, type Case, type Loose } from './case.ts'

const REFUSED = bad('root')
const BASE_ROLES = ['root', 'targets', 'snapshot', 'timestamp']
const DAY = 86_400_000

/** T11: the roles of a root. */
function roles(): Case[] {
  const edits: Record<string, (role: Loose, all: Loose, name: string) => void> = {
    missing: (_, all, name) => delete all[name],
    null: (_, all, name) => (all[name] = null),
    'a list': (_, all, name) => (all[name] = []),
    'in another case too': (_, all, name) => (all[name.toUpperCase()] = all[name]),
    'with threshold 0': (role) => (role['threshold'] = 0),
    'with threshold -1': (role) => (role['threshold'] = -1),
    'with threshold null': (role) => (role['threshold'] = null),
    'with threshold "1"': (role) => (role['threshold'] = '1'),
    'without threshold': (role) => delete role['threshold'],
    'with threshold 2 and one key': (role) => (role['threshold'] = 2),
    'with threshold 2 and its key twice': (role) => {
      role['keyids'] = [...(role['keyids'] as string[]), ...(role['keyids'] as string[])]
      role['threshold'] = 2
    },
    'with keyids null': (role) => (role['keyids'] = null),
    'with keyids empty': (role) => (role['keyids'] = []),
    'with a keyid that is no string': (role) => (role['keyids'] = [1]),
    'with a keyid without a key': (role) => (role['keyids'] = ['0'.repeat(64)]),
    'with KeyIDs beside keyids': (role) => (role['KeyIDs'] = []),
  }
  return BASE_ROLES.flatMap((name) =>
    Object.entries(edits).map(([what, edit]) =>
      uploadCase('T11', `root with the role ${name} ${what}`, REFUSED, (world) =>
        change(world, 'root', (payload) => edit(at(payload, 'roles', name), at(payload, 'roles'), name)),
      ),
    ),
  )
}

/** T11: the keys of a root. */
function keys(): Case[] {
  const edits: Record<string, (payload: Loose, world: TrustWorld) => void> = {
    'consistent_snapshot that is a string': (payload) => (payload['consistent_snapshot'] = 'x'),
    'a further role that is a number': (payload) => (at(payload, 'roles')['mirrors'] = 5),
    'a further role whose keyids are no list': (payload) => (at(payload, 'roles')['mirrors'] = { keyids: 5 }),
    'a further role whose keyids are numbers': (payload) => (at(payload, 'roles')['mirrors'] = { keyids: [5] }),
    'a further role whose threshold is text': (payload) => (at(payload, 'roles')['mirrors'] = { threshold: '1' }),
    'a further role whose name has a control character': (payload) => (at(payload, 'roles')['\u001b'] = null),
    'a further role with a control character in a keyid': (payload) =>
      (at(payload, 'roles')['mirrors'] = { keyids: ['\u001b'], threshold: 1 }),
    'a further role with Threshold beside threshold': (payload) =>
      (at(payload, 'roles')['mirrors'] = { Threshold: 1, keyids: [], threshold: 1 }),
    'roles missing': (payload) => delete payload['roles'],
    'roles a list': (payload) => (payload['roles'] = []),
    'keys missing': (payload) => delete payload['keys'],
    'keys a list': (payload) => (payload['keys'] = []),
    'Keytype beside keytype in a key': (payload) =>
      (at(payload, 'keys')['00'] = { Keytype: 'ecdsa', keytype: 'x', keyval: { private: null, public: 'AAAA' } }),
    'Public beside public in a key': (payload) =>
      (at(payload, 'keys')['00'] = { keytype: 'x', keyval: { Public: 'BBBB', private: null, public: 'AAAA' } }),
    'a targets key that cannot be read beside a good one': (payload) => {
      const entry = { keytype: 'ecdsa', keyval: { private: null, public: 'AAAA' } } as const
      at(payload, 'keys')[keyIdOf(entry)] = entry
      ;(at(payload, 'roles', 'targets')['keyids'] as string[]).push(keyIdOf(entry))
    },
    'a key null': (payload) => (at(payload, 'keys')['00'] = null),
    'a key without keyval': (payload) => (at(payload, 'keys')['00'] = { keytype: 'ecdsa' }),
    'a key whose public is a number': (payload) =>
      (at(payload, 'keys')['00'] = { keytype: 'ecdsa', keyval: { private: null, public: 1 } }),
    'a key whose public is not base64': (payload) =>
      (at(payload, 'keys')['00'] = { keytype: 'ecdsa', keyval: { private: null, public: '*' } }),
    'a private key in it': (payload) => {
      const { entry, id, privateKey } = makeKey('ecdsa')
      const secret = privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64')
      at(payload, 'keys')[id] = { keytype: 'ecdsa', keyval: { private: secret, public: entry.keyval.public } }
    },
    "the targets key filed under the snapshot's id": (payload, world) => {
      const [id = ''] = world.root.roles['snapshot']?.keyids ?? []
      at(payload, 'keys')[id] = world.signers.get('targets')?.[0]?.entry
    },
    'a targets key of an unknown type': (payload) => {
      const id = '0'.repeat(64)
      at(payload, 'keys')[id] = { keytype: 'dilithium', keyval: { private: null, public: 'AAAA' } }
      at(payload, 'roles', 'targets')['keyids'] = [id]
    },
    'a timestamp key that the server never made': (payload) => {
      const key = makeKey('ed25519')
      at(payload, 'keys')[key.id] = key.entry
      at(payload, 'roles', 'timestamp')['keyids'] = [key.id]
    },
    "the timestamp key as the snapshot's": (payload, world) => {
      at(payload, 'roles', 'snapshot')['keyids'] = world.root.roles['timestamp']?.keyids
    },
  }
  return Object.entries(edits).map(([what, edit]) =>
    uploadCase('T11', `root with ${what}`, REFUSED, (world) =>
      change(world, 'root', (payload) => edit(payload, world)),
    ),
  )
}

/** T11: root keys that clients refuse. Both the old and the new key sign. */
function certificates(): Case[] {
  const made: Record<string, (gun: string) => TestKey> = {
    'a plain ecdsa key': () => makeKey('ecdsa'),
    'a plain ed25519 key': () => makeKey('ed25519'),
    'a certificate for another repository': () => makeRootKey('corpus.example/other', NOW),
    'a certificate for a repository whose name goes on': (gun) => makeRootKey(`${gun}/x`, NOW),
    'a certificate for the repository in upper case': (gun) => makeRootKey(gun.toUpperCase(), NOW),
    'a certificate without a name': () => makeRootKey('', NOW),
    'a certificate with a * in the middle': () => makeRootKey('corpus.*/app', NOW),
    'an expired certificate': (gun) => makeRootKey(gun, NOW, { notBefore: NOW - DAY, notAfter: NOW - 1_000 }),
    'a certificate that starts in two days': (gun) => makeRootKey(gun, NOW, { notBefore: NOW + 2 * DAY }),
    'an authority instead of a leaf': (gun) => makeRootKey(gun, NOW, { ca: true }),
    'two leaves': (gun) => makeRootKey(gun, NOW, { intermediates: [leaf(gun)] }),
    'an authority before the leaf': (gun) => {
      const key = makeKey('ecdsa')
      return certifiedKey(key, authority() + leaf(gun, key))
    },
    'a SHA-1 signature': (gun) => makeRootKey(gun, NOW, { digest: 'sha1' }),
    'an RSA key of 1024 bits': (gun) => makeRootKey(gun, NOW, { key: makeKey('rsa', { bits: 1024 }) }),
    'CRLF in its PEM': (gun) => rewritten(gun, (text) => text.replaceAll('\n', '\r\n')),
    'a blank line after its PEM': (gun) => rewritten(gun, (text) => `${text}\n`),
    'a comment before its PEM': (gun) => rewritten(gun, (text) => `comment\n${text}`),
    'no newline at the end of its PEM': (gun) => rewritten(gun, (text) => text.trimEnd()),
    'lines of 76 columns': (gun) => rewritten(gun, (text) => widened(text)),
    'a PEM of another label': (gun) => rewritten(gun, (text) => text.replaceAll('CERTIFICATE', 'X509 CERTIFICATE')),
    'a PEM without certificates': (gun) => rewritten(gun, () => 'nothing'),
    'a certificate that Go does not read, for a broken key usage': (gun) =>
      rewritten(gun, (text) => spoiled(text, '030205a0', '030205a1')),
    'a private key beside its certificate': (gun) =>
      rewritten(gun, (text, key) => text + pem('PRIVATE KEY', key.privateKey.export({ type: 'pkcs8', format: 'der' }))),
    'the key type of another algorithm': (gun) => {
      const key = makeRootKey(gun, NOW)
      const entry = { ...key.entry, keytype: 'rsa-x509' }
      return { ...key, entry, id: keyIdOf(entry) }
    },
  }
  return Object.entries(made).map(([what, make]) =>
    uploadCase('T11', `root whose only key has ${what}`, REFUSED, (world) => rotateTo(world, make(world.gun))),
  )
}

/** T11: unusual roots that clients accept. */
function oddButGood(): Case[] {
  const made: Record<string, (gun: string) => TestKey> = {
    'a certificate for a prefix': (gun) => makeRootKey(`${gun.slice(0, 8)}*`, NOW),
    'a certificate for everything': () => makeRootKey('*', NOW),
    'a certificate that starts tomorrow': (gun) => makeRootKey(gun, NOW, { notBefore: NOW + DAY / 2 }),
    'an intermediate behind its leaf': (gun) => makeRootKey(gun, NOW, { intermediates: [authority()] }),
    'an RSA key of 2048 bits': (gun) => makeRootKey(gun, NOW, { key: makeKey('rsa') }),
    'a P-384 key': (gun) => makeRootKey(gun, NOW, { key: makeKey('ecdsa', { curve: 'P-384' }) }),
    'a P-521 key': (gun) => makeRootKey(gun, NOW, { key: makeKey('ecdsa', { curve: 'P-521' }) }),
  }
  return [
    ...Object.entries(made).map(([what, make]) =>
      uploadCase('T11', `root whose key has ${what}: accepted`, OK, (world) => rotateTo(world, make(world.gun))),
    ),
    uploadCase('T11', 'root with null for consistent_snapshot and for a further role: accepted', OK, (world) =>
      change(world, 'root', (payload) => {
        payload['consistent_snapshot'] = null
        at(payload, 'roles')['mirrors'] = null
      }),
    ),
    uploadCase('T11', 'root whose keys have no member private: accepted', OK, (world) =>
      change(world, 'root', (payload) => {
        const all = at(payload, 'keys')
        for (const id of Object.keys(all)) delete at(all, id, 'keyval')['private']
      }),
    ),
    uploadCase('T11', 'root without consistent_snapshot: accepted', OK, (world) =>
      change(world, 'root', (payload) => delete payload['consistent_snapshot']),
    ),
  ]
}

/** T11: rotations, most of which lack a signature. */
function rotations(): Case[] {
  return [
    uploadCase('T11', 'root with a new key, signed by the old one only', REFUSED, (world) => {
      const old = world.signers.get('root') ?? []
      world.setKeys('root', [makeRootKey(world.gun, NOW)])
      world.signers.set('root', old)
      return world.nextParts('root')
    }),
    uploadCase('T11', 'root with a new key, signed by the new one only', REFUSED, (world) => {
      world.setKeys('root', [makeRootKey(world.gun, NOW)])
      return world.nextParts('root')
    }),
    uploadCase('T11', 'root with threshold 2, signed by one of its two keys', REFUSED, (world) => {
      const old = world.signers.get('root') ?? []
      world.setKeys('root', [...old, makeRootKey(world.gun, NOW)], 2)
      world.signers.set('root', old)
      return world.nextParts('root')
    }),
    uploadCase('T11', 'root with threshold 2 and one key pair in two certificates', REFUSED, (world) => {
      const [key] = world.signers.get('root') ?? []
      if (key === undefined) throw new Error('no root key')
      world.setKeys('root', [key, makeRootKey(world.gun, NOW, { key })], 2)
      return world.nextParts('root')
    }),
    uploadCase(
      'T11',
      'root with threshold 2 of three keys, signed by one key pair in two certificates',
      REFUSED,
      (world) => {
        const [key] = world.signers.get('root') ?? []
        if (key === undefined) throw new Error('no root key')
        const twice = [key, makeRootKey(world.gun, NOW, { key })]
        world.setKeys('root', [...twice, makeRootKey(world.gun, NOW)], 2)
        world.signers.set('root', twice)
        return world.nextParts('root')
      },
    ),
    uploadCase('T11', 'root with another targets key and no targets signed by it', REFUSED_TARGETS, (world) => {
      world.setKeys('targets', [makeKey('ecdsa')])
      return world.nextParts('root')
    }),
    uploadCase('T11', 'root with another targets key, and targets signed by it: accepted', OK, (world) => {
      world.setKeys('targets', [makeKey('ed25519')])
      return world.nextParts('root', 'targets')
    }),
  ]
}

const REFUSED_TARGETS = bad('targets')

/** Returns a next root that names only this key, signed by the old and the new key. */
function rotateTo(world: TrustWorld, key: TestKey): ReturnType<typeof withSnapshot> {
  const old = world.signers.get('root') ?? []
  world.setKeys('root', [key])
  world.signers.set('root', [...old, key])
  world.root.version += 1
  return withSnapshot(world, 'root', world.sign('root'))
}

function rewritten(gun: string, edit: (text: string, key: TestKey) => string): TestKey {
  const key = makeRootKey(gun, NOW)
  return certifiedKey(key, edit(Buffer.from(key.entry.keyval.public, 'base64').toString('latin1'), key))
}

function widened(text: string): string {
  const body = text.split('\n').slice(1, -2).join('')
  const lines = body.match(/.{1,76}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

/** Replaces bytes of the certificate, hex. */
function spoiled(text: string, from: string, to: string): string {
  const body = text.split('\n').slice(1, -2).join('')
  return pem('CERTIFICATE', Buffer.from(swap(Buffer.from(body, 'base64').toString('hex'), from, to), 'hex'))
}

function leaf(gun: string, key = makeKey('ecdsa')): string {
  const life = { notBefore: NOW - DAY, notAfter: NOW + 365 * DAY }
  return issueCertificate({ commonName: gun, publicKey: key.publicKey, signer: key.privateKey, ...life })
}

function authority(): string {
  const key = makeKey('ecdsa')
  const life = { notBefore: NOW - DAY, notAfter: NOW + 365 * DAY, ca: true }
  return issueCertificate({ commonName: 'authority', publicKey: key.publicKey, signer: key.privateKey, ...life })
}

export const roots = (): Case[] => [...roles(), ...keys(), ...certificates(), ...oddButGood(), ...rotations()]
