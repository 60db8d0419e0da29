/**
 * Notary's canonical JSON, written independently of `src/tuf/json/canonical.ts` so that tests do not judge the code by
 * itself: members in the order of their UTF-8 bytes, only `"` and `\` escaped, integers in full.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') return BigInt(value).toString()
  if (typeof value === 'string') return `"${value.toWellFormed().replaceAll(/["\\]/g, String.raw`\$&`)}"`
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object') throw new TypeError(`${typeof value} is not JSON`)
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  members.sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
  return `{${members.map(([name, member]) => `${canonicalJson(name)}:${canonicalJson(member)}`).join(',')}}`
}

/** The form that Go's encoder writes to files: canonical, but with a few more characters escaped inside strings. */
export function fileJson(value: unknown): string {
  // oxlint-disable-next-line no-control-regex
  return canonicalJson(value).replaceAll(/[\u0000-\u001f<>&\u2028\u2029]/g, (character) => {
    return String.raw`\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
