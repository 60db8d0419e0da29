import { canonicalJson } from '../support/canonical-json.ts'
import { envelope, signaturesOf } from '../support/metadata-file.ts'
import type { TrustWorld } from '../support/trust-world.ts'
import { MALFORMED_JSON, OK, SIGNED_ROLES, spoil, swap, uploadCase, type Case } from './case.ts'

type Edit = (text: string) => string

/** The largest member of each role's payload, and a member that each of its entries has. */
const INNER = {
  root: { map: 'keys', entry: 'keytype', value: '"ecdsa"' },
  targets: { map: 'targets', entry: 'length', value: '2' },
  snapshot: { map: 'meta', entry: 'length', value: '2' },
} as const

/** The other members that Go knows. */
const FURTHER: Readonly<Record<keyof typeof INNER, readonly string[]>> = {
  root: ['roles', 'consistent_snapshot'],
  targets: ['delegations'],
  snapshot: [],
}

/** Returns an upload whose payload text is edited, then signed as a decoder reads it (the last of two members wins). */
function signedEdit(world: TrustWorld, role: string, edit: Edit): ReturnType<typeof spoil> {
  return spoil(world, role, (file) => {
    const signed = edit(file.slice('{"signed":'.length, file.lastIndexOf(',"signatures":')))
    return envelope(signed, signaturesOf(canonicalJson(JSON.parse(signed)), world.signers.get(role) ?? []))
  })
}

/** J5: a member twice, wherever two decoders could each take a different one. */
function duplicates(): Case[] {
  return SIGNED_ROLES.flatMap((role) => {
    const { map, entry, value } = INNER[role]
    const outside: Record<string, Edit> = {
      'signed twice': (file) => swap(file, '{"signed":', '{"signed":{},"signed":'),
      'signed again at the end': (file) => `${file.slice(0, -1)},"signed":{}}`,
      'signatures twice': (file) => swap(file, ',"signatures":', ',"signatures":[],"signatures":'),
      'keyid twice in a signature': (file) => swap(file, '[{"keyid":', '[{"keyid":"00","keyid":'),
      'method twice in a signature': (file) => swap(file, '"method":', '"method":"eddsa","method":'),
      'sig twice in a signature': (file) => swap(file, '"sig":', '"sig":"AAAA","sig":'),
    }
    const inside: Record<string, Edit> = {
      '_type twice': (text) => swap(text, '{"_type":', '{"_type":"Mirrors","_type":'),
      'version twice': (text) => swap(text, '"version":', '"version":1,"version":'),
      'version twice, once escaped': (text) => swap(text, '"version":', String.raw`"\u0076ersion":1,"version":`),
      'expires twice': (text) => swap(text, '"expires":', '"expires":"2099-01-01T00:00:00Z","expires":'),
      [`${map} twice`]: (text) => swap(text, `"${map}":{`, `"${map}":{},"${map}":{`),
      [`an entry of ${map} twice`]: (text) => doubleFirst(text, map),
      [`${entry} twice in an entry`]: (text) => swap(text, `"${entry}":`, `"${entry}":${value},"${entry}":`),
      'an unknown member twice': (text) => swap(text, '{"_type":', '{"__proto__":1,"__proto__":2,"_type":'),
    }
    const title = (what: string): string => `${role}: ${what}`
    return [
      ...Object.entries(outside).map(([what, edit]) =>
        uploadCase('J5', title(what), MALFORMED_JSON, (world) => spoil(world, role, edit)),
      ),
      ...Object.entries(inside).map(([what, edit]) =>
        uploadCase('J5', title(what), MALFORMED_JSON, (world) => signedEdit(world, role, edit)),
      ),
    ]
  })
}

/** Repeats the name of a member's first entry before it, with an empty value. */
function doubleFirst(text: string, map: string): string {
  const start = text.indexOf(`"${map}":{`) + map.length + 4
  const name = text.slice(start, text.indexOf(':', start))
  return `${text.slice(0, start)}${name}:{},${text.slice(start)}`
}

/** J6: members that Go takes for a known one, and others do not, by case. */
function caseVariants(): Case[] {
  return SIGNED_ROLES.flatMap((role) => {
    const { map } = INNER[role]
    const outside: Record<string, Edit> = {
      'Signed instead of signed': (file) => swap(file, '{"signed":', '{"Signed":'),
      'SIGNED beside signed': (file) => swap(file, '{"signed":', '{"SIGNED":{},"signed":'),
      'Signatures beside signatures': (file) => swap(file, ',"signatures":', ',"Signatures":[],"signatures":'),
      'a long s in signatures': (file) => swap(file, ',"signatures":', ',"ſignatures":[],"signatures":'),
      'KeyID in a signature': (file) => swap(file, '[{"keyid":', '[{"KeyID":"00","keyid":'),
    }
    const inside: Record<string, Edit> = {
      'VERSION beside version': (text) => swap(text, '"version":', '"VERSION":9,"version":'),
      'Version instead of version': (text) => swap(text, '"version":', '"Version":'),
      'a long s in version': (text) => swap(text, '"version":', '"verſion":9,"version":'),
      '_TYPE beside _type': (text) => swap(text, '{"_type":', '{"_TYPE":"Mirrors","_type":'),
      'Expires beside expires': (text) => swap(text, '"expires":', '"Expires":"2099-01-01T00:00:00Z","expires":'),
    }
    for (const name of [map, ...FURTHER[role]]) {
      const other = name.toUpperCase()
      inside[`${other} beside ${name}`] = (text) => swap(text, `"${name}":`, `"${other}":{},"${name}":`)
    }
    return [
      ...Object.entries(outside).map(([what, edit]) =>
        uploadCase('J6', `${role}: ${what}`, MALFORMED_JSON, (world) => spoil(world, role, edit)),
      ),
      ...Object.entries(inside).map(([what, edit]) =>
        uploadCase('J6', `${role}: ${what}`, MALFORMED_JSON, (world) => signedEdit(world, role, edit)),
      ),
    ]
  })
}

/** J7: members that no signature covers. */
function unsignedMembers(): Case[] {
  const names = ['abc', '__proto__', 'constructor', 'toJSON', 'hasOwnProperty']
  return SIGNED_ROLES.flatMap((role) =>
    names.flatMap((name) => [
      uploadCase('J7', `${role}: "${name}" beside signed`, MALFORMED_JSON, (world) =>
        spoil(world, role, (file) => `${file.slice(0, -1)},"${name}":{"x":1}}`),
      ),
      uploadCase('J7', `${role}: "${name}" in a signature`, MALFORMED_JSON, (world) =>
        spoil(world, role, (file) => swap(file, '[{"keyid":', `[{"${name}":{"x":1},"keyid":`)),
      ),
    ]),
  )
}

/** J11: unknown members inside `signed` are covered by the signatures and stay (wire spec §19.14). */
function signedMembers(): Case[] {
  const members = ['"spec_version":"1.0.34"', '"__proto__":{"x":1}', '"constructor":[null,{"a":true}]']
  return SIGNED_ROLES.flatMap((role) =>
    members.map((member) =>
      uploadCase('J11', `${role} with ${member} signed: accepted`, OK, (world) =>
        signedEdit(world, role, (text) => swap(text, '{"_type":', `{${member},"_type":`)),
      ),
    ),
  )
}

export const jsonMembers = (): Case[] => [...duplicates(), ...caseVariants(), ...unsignedMembers(), ...signedMembers()]
