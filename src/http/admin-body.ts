import type { IncomingMessage } from 'node:http'
import type { Operation } from '../admin/operation.ts'
import { TrustError } from '../errors.ts'
import { JSON_MAX_MEMBERS } from '../tuf/json-reader.ts'
import { parseJson } from '../tuf/parse-json.ts'
import type { Bodies } from './body.ts'

/** Bytes of a body… */
const BYTES_MAX = 16 * 1024 * 1024
/** …and of one that everybody may send who is recognised. */
const OWN_BYTES_MAX = 256 * 1024
/** Members of the body itself; no operation takes more than a few. */
const OWN_MEMBERS_MAX = 100

const NOT_READ = `the body is not JSON, names a member twice, has a number that is no integer, or more than ${JSON_MAX_MEMBERS} members and elements`

/**
 * The JSON object in the body of a request; without a body an empty one.
 *
 * @param sender whose bodies count together; undefined: of the machine's own people
 * @throws TrustError INVALID_PARAMETERS, BUSY
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
  if (Object.keys(body).length > OWN_MEMBERS_MAX) {
    throw new TrustError('INVALID_PARAMETERS', `the body has more than ${OWN_MEMBERS_MAX} members`)
  }
  return body as Record<string, unknown>
}

/** As strictly as metadata: what another reader could take for something else is refused. */
function jsonIn(bytes: Buffer): unknown {
  try {
    return parseJson(bytes)
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    // Without the parser's message: it quotes the body, which may hold a password.
    throw new TrustError('INVALID_PARAMETERS', NOT_READ)
  }
}
