/**
 * Characters that a terminal acts on instead of showing them, or shows in another place, or shows as nothing or as a
 * blank: two names that differ only in these would look the same.
 */
export const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800[\p{Zs}--\x20]]/gv
const DELETE = '\u007f'

/**
 * Escapes whatever a terminal would not simply show; the JSON means the same. Clients choose their own names and
 * publishers choose tags, and JSON itself escapes only some of these characters.
 *
 * @param json one text or many; line feeds only between members or lines
 */
export function forTerminals(json: string): string {
  return isPlain(json) ? json : json.replace(INVISIBLE, escaped)
}

/**
 * True for ASCII without DEL: JSON escapes its other control characters itself. Nearly all lines are; testing each
 * character takes three times as long.
 */
function isPlain(json: string): boolean {
  return Buffer.byteLength(json) === json.length && !json.includes(DELETE)
}

function escaped(character: string): string {
  if (character === '\n') return character
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at))
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}
