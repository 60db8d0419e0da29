import { createPublicKey, generateKeyPairSync, hash, sign, verify, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { Level } from 'level'
import { derSignature, fixedSignature } from '../../src/tuf/asn1/signature-form.ts'

/**
 * The least that a Node server must do for this benchmark: Node's HTTPS server, documents in memory, one signature
 * verified and two made per publish, one synced write. It checks nothing else, keeps private keys in memory, and
 * neither logs nor counts. It shows how much could still be gained, and is good for nothing else.
 *
 * Arguments: a directory with `server.crt` and `server.key`, where its database goes too, and the port.
 */
const [directory = '', port = ''] = process.argv.slice(2)

interface Repository {
  /** The server's keys, by role. */
  readonly keys: Map<string, KeyObject>
  root?: Buffer
  targetsKey?: KeyObject
  /** Version of the server's own documents. */
  version: number
}

const LIFE_TEXT = '2036-01-01T00:00:00Z'
const BEFORE_SIGNATURES = ',"signatures":['
const BEFORE_SIGNED = '{"signed":'
const level = new Level<string, Buffer>(join(directory, 'data'), { valueEncoding: 'buffer' })
const repositories = new Map<string, Repository>()
const documents = new Map<string, Buffer>([['/v2/', Buffer.from('{}')]])

const cert = readFileSync(join(directory, 'server.crt'))
const key = readFileSync(join(directory, 'server.key'))
// The client's order of ciphers begins with AES-128, whose handshake costs less than that of AES-256, which Node prefers.
createServer({ cert, key, honorCipherOrder: false }, (request, response) => {
  const { method, url = '' } = request
  const body = method === 'GET' ? (documents.get(url) ?? madeKey(url)) : undefined
  if (body === undefined) void publish(request, response)
  else send(response, body)
}).listen(Number(port), '127.0.0.1')

function send(response: ServerResponse, body: Buffer): void {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length })
  response.end(body)
}

/** @param url …/_trust/tuf/<role>.key */
function madeKey(url: string): Buffer {
  const [, path = '', role = ''] = /^(.*\/)(\w+)\.key$/.exec(url) ?? []
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const repository = repositories.get(path) ?? { keys: new Map<string, KeyObject>(), version: 0 }
  repositories.set(path, repository)
  repository.keys.set(role, privateKey)
  const spki = publicKey.export({ format: 'der', type: 'spki' })
  return Buffer.from(JSON.stringify({ keytype: 'ecdsa', keyval: { public: spki.toString('base64'), private: null } }))
}

async function publish(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { url: path = '' } = request
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const repository = repositories.get(path)!
  const [, boundary = ''] = /boundary=(.*)/.exec(request.headers['content-type'] ?? '') ?? []
  const uploaded = partsOf(Buffer.concat(chunks), boundary)
  const root = uploaded.get('root')
  if (root !== undefined) Object.assign(repository, { root, targetsKey: targetsKeyOf(root) })
  const targets = uploaded.get('targets')!
  const { signatures } = JSON.parse(targets.toString()) as { signatures: { sig: string }[] }
  const message = targets.subarray(BEFORE_SIGNED.length, targets.lastIndexOf(BEFORE_SIGNATURES))
  const signature = derSignature(Buffer.from(signatures[0]!.sig, 'base64'))
  if (!verify('sha256', message, repository.targetsKey!, signature)) throw new Error('wrong signature')
  repository.version += 1
  const snapshot = signed(repository, 'snapshot', { root: repository.root!, targets })
  const timestamp = signed(repository, 'timestamp', { snapshot })
  const files = Object.entries({ root: repository.root!, targets, snapshot, timestamp })
  await level.batch(
    files.map(([role, value]) => ({ type: 'put', key: `${path}${repository.version}.${role}`, value })),
    { sync: true },
  )
  for (const [role, bytes] of files) {
    documents.set(`${path}${role}.json`, bytes)
    documents.set(`${path}${role}.${hash('sha256', bytes, 'hex')}.json`, bytes)
  }
  response.end()
}

function targetsKeyOf(root: Buffer): KeyObject {
  const { signed } = JSON.parse(root.toString()) as {
    signed: { keys: Record<string, { keyval: { public: string } }>; roles: Record<string, { keyids: string[] }> }
  }
  const spki = signed.keys[signed.roles['targets']!.keyids[0]!]!.keyval.public
  return createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' })
}

/** Splits a form, as Go's clients write it, into documents by role. */
function partsOf(body: Buffer, boundary: string): Map<string, Buffer> {
  const parts = new Map<string, Buffer>()
  for (let start = 0; ;) {
    const head = body.indexOf('\r\n\r\n', start)
    if (head < 0) return parts
    const [, role = ''] = /filename="(\w+)"/.exec(body.toString('latin1', start, head)) ?? []
    const end = body.indexOf(`\r\n--${boundary}`, head)
    parts.set(role, body.subarray(head + 4, end))
    start = end + boundary.length + 4
  }
}

function signed(repository: Repository, role: string, named: Record<string, Buffer>): Buffer {
  const meta = Object.entries(named).map(
    ([name, bytes]) =>
      `"${name}":{"hashes":{"sha256":"${hash('sha256', bytes, 'base64')}","sha512":"${hash('sha512', bytes, 'base64')}"},"length":${bytes.length}}`,
  )
  const type = role === 'snapshot' ? 'Snapshot' : 'Timestamp'
  const text = `{"_type":"${type}","expires":"${LIFE_TEXT}","meta":{${meta.join(',')}},"version":${repository.version}}`
  const sig = fixedSignature(sign('sha256', Buffer.from(text), repository.keys.get(role)!), 32).toString('base64')
  return Buffer.from(`${BEFORE_SIGNED}${text},"signatures":[{"keyid":"none","method":"ecdsa","sig":"${sig}"}]}`)
}
