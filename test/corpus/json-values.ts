import { canonicalJson } from '../support/canonical-json.ts'
import { envelope, signaturesOf } from '../support/metadata-file.ts'
import { bad, change, MALFORMED_JSON, OK, SIGNED_ROLES, spoil, swap, uploadCase } from './case.ts'
import type { Case, Expected } from './case.ts'

const DELETE = Symbol('delete')
const EMPTY_SIGNATURE = '{"keyid":"","method":"","sig":""}'

/** J8: `_type`, `expires` and `version` with wrong types and ranges, validly signed. */
function wrongTypes(): Case[] {
  return SIGNED_ROLES.flatMap((role) => {
    const other = role === 'targets' ? 'Snapshot' : 'Targets'
    const values: [string, unknown, Expected][] = [
      ...[null, 1, true, [], {}, DELETE].map(
        (value) => ['_type', value, MALFORMED_JSON] as [string, unknown, Expected],
      ),
      ...['', role, role.toUpperCase(), ` ${role}`, other].map(
        (value) => ['_type', value, bad(role)] as [string, unknown, Expected],
      ),
      ...[
        ...[null, 0, true, {}, DELETE, '', 'never', '2030-01-01', '2030-01-01T00:00:00', '2030-13-01T00:00:00Z'],
        ...['2030-02-30T00:00:00Z', '2030-01-01t00:00:00z', '2030-01-01T24:00:00Z', '2030-01-01T00:00:60Z'],
        ...['10000-01-01T00:00:00Z', '2030-01-01T00:00:00+25:00'],
      ].map((value) => ['expires', value, MALFORMED_JSON] as [string, unknown, Expected]),
      ...[null, '2', true, [], {}].map((value) => ['version', value, MALFORMED_JSON] as [string, unknown, Expected]),
      ...[0, -1, 2 ** 31 - 1, 2 ** 31, DELETE].map(
        (value) => ['version', value, bad(role)] as [string, unknown, Expected],
      ),
    ]
    return values.map(([member, value, expected]) => {
      const shown = value === DELETE ? 'missing' : JSON.stringify(value)
      return uploadCase('J8', `${role}: ${member} is ${shown}`, expected, (world) =>
        change(world, role, (payload) => {
          if (value === DELETE) delete payload[member]
          else payload[member] = value
        }),
      )
    })
  })
}

/** J9: version literals that only some decoders take for an integer. */
function versionLiterals(): Case[] {
  const literals = ['1e400', '02', '-0', '+2', '0x2', '1.5', '2.', '.2', '9007199254740993', '9223372036854775808']
  return SIGNED_ROLES.flatMap((role) =>
    literals.map((literal) =>
      uploadCase('J9', `${role}: version is ${literal}`, MALFORMED_JSON, (world) =>
        spoil(world, role, (file) => file.replace(/"version":\d+/, `"version":${literal}`)),
      ),
    ),
  )
}

/** J10: an envelope with wrong types. */
function envelopeTypes(): Case[] {
  return SIGNED_ROLES.flatMap((role) => {
    const edits: [string, Expected, (file: string) => string][] = [
      ['a list', MALFORMED_JSON, (file) => `[${file}]`],
      ['an empty list', MALFORMED_JSON, () => '[]'],
      ['a string', MALFORMED_JSON, () => '"root"'],
      ['a number', MALFORMED_JSON, () => '1'],
      ['null', MALFORMED_JSON, () => 'null'],
      ['true', MALFORMED_JSON, () => 'true'],
      ['an empty object', MALFORMED_JSON, () => '{}'],
      ['signed null', MALFORMED_JSON, (file) => withSigned(file, 'null')],
      ['signed a list', MALFORMED_JSON, (file) => withSigned(file, '[]')],
      ['signed a string', MALFORMED_JSON, (file) => withSigned(file, '"x"')],
      ['signed empty', MALFORMED_JSON, (file) => withSigned(file, '{}')],
      ['signed missing', MALFORMED_JSON, (file) => `{${file.slice(file.lastIndexOf('"signatures"'))}`],
      ['signatures an object', MALFORMED_JSON, (file) => withSignatures(file, '{}')],
      ['signatures a string', MALFORMED_JSON, (file) => withSignatures(file, '"x"')],
      ['signatures [null]', MALFORMED_JSON, (file) => withSignatures(file, '[null]')],
      ['signatures [[]]', MALFORMED_JSON, (file) => withSignatures(file, '[[]]')],
      ['a signature without members', MALFORMED_JSON, (file) => withSignatures(file, '[{}]')],
      [
        '101 signatures',
        MALFORMED_JSON,
        (file) => withSignatures(file, `[${Array(101).fill(EMPTY_SIGNATURE).join()}]`),
      ],
      ['sig a number', MALFORMED_JSON, (file) => file.replace(/"sig":"[^"]*"/, '"sig":1')],
      ['keyid null', MALFORMED_JSON, (file) => file.replace(/"keyid":"[^"]*"/, '"keyid":null')],
      ['method a list', MALFORMED_JSON, (file) => file.replace(/"method":"[^"]*"/, '"method":[]')],
      ['no signatures member', bad(role), (file) => `${file.slice(0, file.lastIndexOf(',"signatures"'))}}`],
      ['signatures null', bad(role), (file) => withSignatures(file, 'null')],
      ['signatures empty', bad(role), (file) => withSignatures(file, '[]')],
    ]
    return edits.map(([what, expected, edit]) =>
      uploadCase('J10', `${role} is, or has, ${what}`, expected, (world) => spoil(world, role, edit)),
    )
  })
}

function withSigned(file: string, signed: string): string {
  return `{"signed":${signed}${file.slice(file.lastIndexOf(',"signatures":'))}`
}

function withSignatures(file: string, signatures: string): string {
  return `${file.slice(0, file.lastIndexOf(',"signatures":'))},"signatures":${signatures}}`
}

/**
 * J4: the same value in other bytes. White space, member order and escapes mean the same to every decoder, and bytes are
 * stored and hashed as they are: accepted. Not every decoder takes `2.0` and `2e0` for an integer, and Go does not decode
 * the escapes of a time: refused.
 */
function otherBytes(): Case[] {
  const edits: [string, Expected, (file: string) => string][] = [
    ['indented', OK, (file) => JSON.stringify(JSON.parse(file), null, 2)],
    ['with members in reverse order', OK, (file) => JSON.stringify(reversed(JSON.parse(file)))],
    ['with white space around it', OK, (file) => ` \r\n\t${file}\n `],
    ['with a newline at its end', OK, (file) => `${file}\n`],
    ['with its member names escaped', OK, (file) => swap(file, '"version"', String.raw`"\u0076ersion"`)],
    ['with slashes escaped', OK, (file) => file.replaceAll('/', String.raw`\/`)],
    [
      'with an escape in its expiry',
      MALFORMED_JSON,
      (file) => file.replace(/("expires":"[^"]*)Z"/, String.raw`$1\u005a"`),
    ],
    ['with version 2.0', MALFORMED_JSON, (file) => file.replace(/"version":(\d+)/, '"version":$1.0')],
    ['with version 2e0', MALFORMED_JSON, (file) => file.replace(/"version":(\d+)/, '"version":$1e0')],
  ]
  return SIGNED_ROLES.flatMap((role) =>
    edits.map(([what, expected, edit]) =>
      uploadCase('J4', `${role} ${what}${expected === OK ? ': accepted' : ''}`, expected, (world) =>
        spoil(world, role, edit),
      ),
    ),
  )
}

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).map(([name, member]): [string, unknown] => [name, reversed(member)])
  return Object.fromEntries(members.toReversed())
}

/** Z1: nesting. 64 levels are allowed, of which the envelope has 2. */
function nesting(): Case[] {
  return SIGNED_ROLES.flatMap((role) =>
    [62, 63, 1_000, 10_000, 100_000].map((depth) => {
      const expected = depth === 62 ? OK : MALFORMED_JSON
      const what = `${role} with lists ${depth} deep${expected === OK ? ': accepted' : ''}`
      return uploadCase('Z1', what, expected, (world) =>
        spoil(world, role, (file) => {
          const nested = '['.repeat(depth) + ']'.repeat(depth)
          const signed = swap(file, '{"_type":', `{"x":${nested},"_type":`).slice(10)
          const text = signed.slice(0, signed.lastIndexOf(',"signatures":'))
          // Excessive depth is refused before signatures are checked.
          const message = depth > 1_000 ? '' : canonicalJson(JSON.parse(text))
          return envelope(text, signaturesOf(message, world.signers.get(role) ?? []))
        }),
      )
    }),
  )
}

export const jsonValues = (): Case[] => [
  ...wrongTypes(),
  ...versionLiterals(),
  ...envelopeTypes(),
  ...otherBytes(),
  ...nesting(),
]
