/** What a terminal would act on instead of showing it, or show in another place. */
export const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu
const DELETE = '\u007f'

/**
 * JSON that means the same, and that a terminal only shows: clients choose what they call themselves, publishers how tags
 * are called, and JSON alone escapes only some characters.
 *
 * @param json one or many, with line feeds between members or lines alone
 */
export function forTerminals(json: string): string {
  return isPlain(json) ? json : json.replace(INVISIBLE, escaped)
}

/** ASCII, of which JSON itself escapes all but one. Nearly every line is: to look at each character takes three times as long. */
function isPlain(json: string): boolean {
  return Buffer.byteLength(json) === json.length && !json.includes(DELETE)
}

function escaped(character: string): string {
  if (character === '\n') return character
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at))
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}
