import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Operation } from '../../admin/operation.ts'
import { TrustError } from '../../errors.ts'
import type { Bodies } from '../body.ts'

/** Bytes of a body… */
const BYTES_MAX = 16 * 1024 * 1024
/** …and of one that everybody may send who is recognised. */
const OWN_BYTES_MAX = 256 * 1024
/**
 * Most members and elements of all objects and lists in a body together: its size does not tell how much memory and
 * time they take. Ten thousand tags are fifty thousand.
 */
const MEMBERS_MAX = 100_000
/** Members of the body itself; no operation takes more than a few. */
const OWN_MEMBERS_MAX = 100

const [COMMA, OPEN_LIST, OPEN_OBJECT] = [0x2c, 0x5b, 0x7b]

/**
 * Reads the JSON object in the body of a request; without a body, returns an empty one.
 *
 * @param sender whose bodies count together; undefined: the machine's own users
 * @throws TrustError INVALID_PARAMETERS, BUSY; MALFORMED_UPLOAD if it ends early
 */
export async function bodyOf(
  request: IncomingMessage,
  { action }: Pick<Operation, 'action'>,
  bodies: Bodies,
  sender: string | undefined,
): Promise<Record<string, unknown>> {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  if (encoding === undefined && Number(length ?? 0) === 0) return {}
  const limit = action === 'own' ? OWN_BYTES_MAX : BYTES_MAX
  if (Number(length ?? Infinity) > limit) {
    throw new TrustError('INVALID_PARAMETERS', `the body needs a Content-Length of at most ${limit}`)
  }
  const body = await bodies.read(request, limit, sender, async (bytes) => jsonIn(bytes))
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new TrustError('INVALID_PARAMETERS', 'the body must be a JSON object')
  }
  if (Object.keys(body).length > OWN_MEMBERS_MAX) tooMany(OWN_MEMBERS_MAX)
  return body as Record<string, unknown>
}

function jsonIn(bytes: Buffer): unknown {
  if (membersIn(bytes) > MEMBERS_MAX) tooMany(MEMBERS_MAX)
  // Decoding would turn all invalid bytes into the same character: nobody could type such a password again.
  if (!isUtf8(bytes)) throw new TrustError('INVALID_PARAMETERS', 'the body is not UTF-8')
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    // Leave out the parser's error: it quotes the body, which may contain a password.
    throw new TrustError('INVALID_PARAMETERS', 'the body is not JSON')
  }
}

/** Returns an upper bound: it also counts characters inside strings. */
function membersIn(bytes: Buffer): number {
  let members = 0
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]
    if (byte === COMMA || byte === OPEN_LIST || byte === OPEN_OBJECT) members += 1
  }
  return members
}

function tooMany(limit: number): never {
  throw new TrustError('INVALID_PARAMETERS', `the body has more than ${limit} members`)
}
