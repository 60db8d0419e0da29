import { randomBytes } from 'node:crypto'
import { fileMeta, timeText } from '../../test/support/metadata-file.ts'
import { canonicalJson } from '../../test/support/canonical-json.ts'
import { keyIdOf, makeKey, makeRootKey, type KeyEntry, type TestKey } from '../../test/support/test-key.ts'
import { multipartForm, tufPath } from '../../test/support/upload.ts'
import { postRequest } from './connection.ts'

const DAY = 86_400_000
/** One key for all publishers: making keys is not measured. */
const targetsKey = makeKey('ecdsa')

/**
 * Publishes to one repository as docker does: root and targets with own keys, snapshot and timestamp with the server's.
 * Writes metadata as text, so that an upload into thousands of tags costs the load generator little.
 */
export class Publisher {
  readonly gun: string
  readonly path: string
  /** Version of targets, as last written. */
  version = 0
  readonly #rootKey: TestKey
  /** A line for each tag, in order. */
  readonly #tags: string[]
  readonly #expires: string

  constructor(gun: string, tags: number) {
    const now = Date.now()
    this.gun = gun
    this.path = tufPath(gun)
    this.#rootKey = makeRootKey(gun, now)
    this.#expires = timeText(now + 3 * 365 * DAY)
    this.#tags = Array.from({ length: tags }, (_, index) => tagLine(index))
  }

  /** Returns the first upload: root and targets. */
  first(timestamp: KeyEntry, snapshot: KeyEntry): Buffer {
    const named = { root: this.#rootKey.entry, snapshot, targets: targetsKey.entry, timestamp }
    const root = canonicalJson({
      _type: 'Root',
      consistent_snapshot: false,
      expires: timeText(Date.now() + 3650 * DAY),
      keys: Object.fromEntries(Object.values(named).map((entry) => [keyIdOf(entry), entry])),
      roles: Object.fromEntries(
        Object.entries(named).map(([role, entry]) => [role, { keyids: [keyIdOf(entry)], threshold: 1 }]),
      ),
      version: 1,
    })
    this.version = 1
    return this.#upload([
      { role: 'root', bytes: signed(root, this.#rootKey) },
      { role: 'targets', bytes: this.#targets() },
    ])
  }

  /** Returns the next upload, which moves one tag. */
  next(): Buffer {
    this.version += 1
    const moved = this.version % this.#tags.length
    this.#tags[moved] = tagLine(moved)
    return this.#upload([{ role: 'targets', bytes: this.#targets() }])
  }

  #targets(): Buffer {
    const start = `{"_type":"Targets","delegations":{"keys":{},"roles":[]},"expires":"${this.#expires}","targets":{`
    return signed(`${start}${this.#tags.join(',')}},"version":${this.version}}`, targetsKey)
  }

  #upload(parts: { role: string; bytes: Buffer }[]): Buffer {
    const { contentType, body } = multipartForm(parts)
    return postRequest(this.path, contentType, body)
  }
}

/** @param text canonical, without characters that Go escapes in files */
function signed(text: string, key: TestKey): Buffer {
  const signature = key.sign(Buffer.from(text)).toString('base64')
  const entry = `{"keyid":"${key.id}","method":"${key.method}","sig":"${signature}"}`
  return Buffer.from(`{"signed":${text},"signatures":[${entry}]}`)
}

function tagLine(index: number): string {
  const { hashes } = fileMeta(randomBytes(32))
  return `"v${String(index).padStart(6, '0')}":{"hashes":{"sha256":"${hashes['sha256']}"},"length":1570}`
}
