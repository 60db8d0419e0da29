import { TrustError } from '../errors.ts'
import { readConsistent, readCurrent } from '../repository/read.ts'
import { currentKey, rotateKey } from '../repository/server-key.ts'
import type { HttpSettings } from '../settings/schema.ts'
import type { StoredDocument } from '../store/store.ts'
import type { PublicKey } from '../tuf/keys/key.ts'
import { trustFor } from './authorize.ts'
import { notRouted } from './errors.ts'
import { gunOf, gunOfUpload } from './gun.ts'
import { keepDocument } from './kept/keep-answer.ts'
import { parseTufFile } from './path.ts'
import { actorOf, type Context, type Wiring } from './state.ts'

/**
 * GET …/tuf/<file>: returns a document in one of its three forms, or a public key of the server (wire spec §2, §3.1, §7).
 */
export function getTufFile(wiring: Wiring): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const file = parseTufFile(ctx.params?.['file'] ?? '')
    // A client that requests a key is about to publish; after a 404 it would wrongly say that nothing was initialised yet.
    const gun = file?.form === 'key' ? gunOfUpload(ctx, wiring) : gunOf(ctx, wiring)
    if (gun === undefined || file === undefined) return notRouted(ctx)
    const { trust, settings } = wiring
    const { currentSeconds, consistentSeconds } = settings.cache
    const stamp = trust.store.stamp(gun)
    ctx.state.role = file.role
    switch (file.form) {
      case 'key':
        ctx.state.operation = 'GetKey'
        return sendKey(ctx, await currentKey(trustFor(ctx, wiring, 'sign'), gun, file.role, actorOf(ctx)))
      case 'current':
        ctx.state.operation = 'GetRole'
        sendDocument(ctx, settings, await readCurrent(trust, gun, file.role), currentSeconds, 'must-revalidate')
        break
      case 'checksum':
        ctx.state.operation = 'GetRoleByHash'
        sendDocument(ctx, settings, await readConsistent(trust, gun, file.role, file), consistentSeconds, 'immutable')
        break
      case 'version':
        // Not immutable: a repository that was deleted and recreated starts at version 1 again.
        ctx.state.operation = 'GetRoleByVersion'
        sendDocument(ctx, settings, await readConsistent(trust, gun, file.role, file), consistentSeconds)
    }
    if (stamp !== undefined) keepDocument(wiring, ctx, gun, stamp)
  }
}

/** POST …/tuf/<role>.key: returns the key that the next root should name (wire spec §7). */
export function postTufFile(wiring: Wiring): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    const file = parseTufFile(ctx.params?.['file'] ?? '')
    if (file?.form !== 'key') return notRouted(ctx)
    const gun = gunOfUpload(ctx, wiring)
    ctx.state.operation = 'RotateKey'
    ctx.state.role = file.role
    sendKey(ctx, await rotateKey(trustFor(ctx, wiring, 'rotate'), gun, file.role, actorOf(ctx)))
  }
}

function sendDocument(
  ctx: Context,
  { access }: HttpSettings,
  document: StoredDocument | undefined,
  maxAge: number,
  also?: string,
): void {
  if (document === undefined) throw new TrustError('NOT_FOUND', 'there is no such document')
  if (maxAge === 0) {
    ctx.set('Cache-Control', 'max-age=0, no-cache, no-store')
    ctx.set('Pragma', 'no-cache')
  } else {
    // A shared cache would give everybody what one client may read.
    const open = access.mode === 'none' || access.publicReads
    const life = open ? `public, max-age=${maxAge}, s-maxage=${maxAge}` : `private, max-age=${maxAge}`
    ctx.set('Cache-Control', also === undefined ? life : `${life}, ${also}`)
  }
  ctx.set('Last-Modified', new Date(document.createdAt).toUTCString())
  ctx.set('ETag', `"${document.sha256}"`)
  ctx.type = 'application/json'
  if (knownToClient(ctx.get('If-None-Match'), document.sha256)) {
    ctx.status = 304
    return
  }
  ctx.status = 200
  ctx.body = Buffer.from(document.bytes.buffer, document.bytes.byteOffset, document.bytes.byteLength)
}

/**
 * Matches ETags only: Last-Modified has whole seconds, in which a document may change twice, so If-Modified-Since could
 * report a changed document as unchanged.
 */
function knownToClient(header: string, sha256: string): boolean {
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === `"${sha256}"` || tag.trim() === '*')
}

/** Writes members in Go's order, without a newline (wire spec §7). */
function sendKey(ctx: Context, key: PublicKey): void {
  ctx.status = 200
  ctx.type = 'application/json'
  ctx.body = JSON.stringify({ keytype: key.keytype, keyval: { public: key.public, private: null } })
}
