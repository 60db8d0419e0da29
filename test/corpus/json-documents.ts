import { gzipSync } from 'node:zlib'
import { bad, MALFORMED_JSON, SIGNED_ROLES, spoil, swap, uploadCase, type Case, type Expected } from './case.ts'

/** J1: cut at twelve places, from the empty file to one missing byte. */
function truncated(): Case[] {
  return SIGNED_ROLES.flatMap((role) =>
    Array.from({ length: 12 }, (_, step) =>
      uploadCase('J1', `${role} cut after ${step} twelfths of its bytes`, MALFORMED_JSON, (world) =>
        spoil(world, role, (file) => file.slice(0, Math.floor(((file.length - 1) * step) / 11))),
      ),
    ),
  )
}

/** J2: one bit of one byte flipped. */
function flipped(): Case[] {
  return SIGNED_ROLES.flatMap((role) => [
    // The top bit makes an ASCII byte a stray byte of UTF-8.
    ...Array.from({ length: 10 }, (_, step) =>
      flip(role, `the top bit of a byte at ${step} tenths`, MALFORMED_JSON, 0x80, (file) =>
        Math.floor(((file.length - 1) * step) / 9),
      ),
    ),
    flip(role, 'the opening brace', MALFORMED_JSON, 1, () => 0),
    flip(role, 'the opening brace, another bit', MALFORMED_JSON, 4, () => 0),
    flip(role, 'a quote', MALFORMED_JSON, 1, () => 1),
    flip(role, 'a colon', MALFORMED_JSON, 1, (file) => file.indexOf(':')),
    flip(role, 'a comma', MALFORMED_JSON, 1, (file) => file.indexOf(',')),
    flip(role, 'the closing brace', MALFORMED_JSON, 2, (file) => file.length - 1),
    flip(role, 'the bracket of the signatures', MALFORMED_JSON, 1, (file) => file.lastIndexOf('[')),
    flip(role, 'the name of a known member', MALFORMED_JSON, 1, (file) => file.indexOf('signatures')),
    flip(role, 'a letter of the expiry', MALFORMED_JSON, 0x20, (file) => file.indexOf('T', file.indexOf('"expires"'))),
    flip(role, 'a digit of the year of expiry', bad(role), 1, (file) => file.indexOf('"expires":"20') + 14),
    flip(role, 'a digit of the key id', bad(role), 1, (file) => file.indexOf('"keyid":"') + 20),
    flip(role, 'a letter of the method', bad(role), 1, (file) => file.indexOf('"method":"') + 10),
    flip(role, 'a letter of the type', bad(role), 1, (file) => file.indexOf('"_type":"') + 10),
    flip(role, 'a digit of a hash or key', bad(role), 0x20, (file) => letterAfter(file, /"(?:public|sha256)":"/)),
  ])
}

function flip(role: string, what: string, expected: Expected, bit: number, place: (file: string) => number): Case {
  return uploadCase('J2', `${role} with a bit flipped in ${what}`, expected, (world) =>
    spoil(world, role, (file) => {
      const bytes = Buffer.from(file)
      const index = place(file)
      bytes[index] = (bytes[index] ?? 0) ^ bit
      return bytes
    }),
  )
}

/** Returns the index of a letter, whose flipped case is still base64. */
function letterAfter(file: string, member: RegExp): number {
  const start = (member.exec(file)?.index ?? 0) + 20
  return start + /[A-Za-z]/.exec(file.slice(start))!.index
}

/** J3: not exactly one JSON document. */
function notOneDocument(): Case[] {
  const edits: Record<string, (file: string) => string | Uint8Array> = {
    'a byte order mark before it': (file) => `\ufeff${file}`,
    'a NUL before it': (file) => `\0${file}`,
    'a NUL after it': (file) => `${file}\0`,
    'two documents in a row': (file) => file + file,
    'two documents in two lines': (file) => `${file}\n${file}`,
    'a letter after it': (file) => `${file}x`,
    'a closing brace after it': (file) => `${file}}`,
    'a comma after it': (file) => `${file},`,
    'UTF-16 little endian': (file) => Buffer.from(file, 'utf16le'),
    'UTF-16 with a byte order mark': (file) => Buffer.from(`\ufeff${file}`, 'utf16le'),
    'a stray byte of UTF-8': (file) => Buffer.concat([Buffer.from(file), Buffer.from([0xff])]),
    'an overlong encoding': (file) => Buffer.from(swap(file, '"signed"', '"sign\u00c1\u00a5d"'), 'latin1'),
    'gzip inside': (file) => gzipSync(file),
    'base64 of it': (file) => Buffer.from(file).toString('base64'),
    'a string that holds it': (file) => JSON.stringify(file),
    'a line comment': (file) => `// comment\n${file}`,
    'a block comment': (file) => swap(file, '{', '{/* comment */'),
    'a trailing comma in an object': (file) => `${file.slice(0, -1)},}`,
    'a trailing comma in the signatures': (file) => `${file.slice(0, -2)},]}`,
    'single quotes': (file) => file.replaceAll('"', "'"),
    'NaN as version': (file) => file.replace(/"version":\d+/, '"version":NaN'),
    'a raw newline in a string': (file) => swap(file, '"_type":"', '"_type":"\n'),
    'a form feed as white space': (file) => `\f${file}`,
    'a no-break space as white space': (file) => `\u00a0${file}`,
  }
  return SIGNED_ROLES.flatMap((role) =>
    Object.entries(edits).map(([what, edit]) =>
      uploadCase('J3', `${role}: ${what}`, MALFORMED_JSON, (world) => spoil(world, role, edit)),
    ),
  )
}

export const jsonDocuments = (): Case[] => [...truncated(), ...flipped(), ...notOneDocument()]
